"""What routing asks of those that answer. Each is given by `app.py`; none knows of the others."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Protocol

from waystation.dialects.ask import Ask
from waystation.dialects.saying import Saying
from waystation.gateway.call import Call
from waystation.terms import Credential, Dialect, Event, Model, Operation, Target


class Provider(Protocol):
    """What serves deployments: an upstream, or the engine. One for each configured provider."""

    @property
    def name(self) -> str: ...
    @property
    def credentials(self) -> Sequence[Credential]:
        """Its pool, never empty: NO_CREDENTIAL where it wants none."""
        ...

    @property
    def concurrency_max(self) -> int | None:
        """Calls under way at once, of this worker; None: no bound."""
        ...

    @property
    def native(self) -> Collection[tuple[Dialect, Operation]]:
        """In these it is handed a call as it came."""
        ...

    @property
    def operations(self) -> Collection[Operation]:
        """What it can be asked for at all."""
        ...

    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events in the caller's own dialect, which is native here; the last one is Done.

        Raises an ApiError, whose `blame` says what is tried next. Closing the generator cancels the call upstream.
        """
        ...

    def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer in the vocabulary: for callers of other dialects, and to go on with an answer (`ask.said`).

        Of `call` only what is said about parameters (`ignored`, `mapped`) is written. Raises as `send` does.
        """
        ...


class Larder(Protocol):
    """The response cache (`providers/cache/`)."""

    def wants(self, call: Call, model: Model) -> bool:
        """Whether anything is kept or looked up for this call: asked of every call, so it costs next to nothing."""
        ...

    async def find(self, call: Call, model: Model, *, stale: bool) -> AsyncGenerator[Event] | None:
        """A kept answer to the same request, as events; None: there is none. `stale`: one that is no longer fresh will do."""
        ...

    def keep(self, call: Call, model: Model, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """These events, passed on as they come, and kept when they have come to their end."""
        ...


class Words(Protocol):
    """Static replies (`providers/static/`)."""

    def reply(self, call: Call, model: Model) -> AsyncGenerator[Event] | None:
        """The words that the route has for when nobody answers, in the caller's language and dialect; None: it has none."""
        ...
