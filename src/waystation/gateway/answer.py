"""The way of a call, written once. Read it aloud; each stage is a folder of its own."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from waystation.gateway.call import Call
from waystation.terms import Caller, Event, Model, Operation


class Presented(Protocol):
    """What auth looks at: a call, or the head of a request that is not read yet."""

    authorization: bytes | None
    project: str


class Auth(Protocol):
    def identify(self, call: Presented) -> Caller:
        """Who calls, by the key in the call's Authorization header. Raises the 401 family."""


class Catalogue(Protocol):
    def resolve(self, call: Call, caller: Caller) -> Model:
        """Which model the call's name means for this caller. Raises ModelNotFound."""


class Policy(Protocol):
    def admit(self, call: Call, caller: Caller, model: Model) -> Call:
        """May they, and can the model do it? Returns the call that goes on; may mask text, never adds any."""


class Hold(Protocol):
    async def __aenter__(self) -> "Hold": ...
    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Leave with the money settled: what was metered if the answer was cut short, nothing if nothing was used."""

    short: bool  # the answer grows beyond what is held

    def meter(self, event: Event) -> Event:
        """Count what passes; settle on Done, which comes back with its cost."""

    async def extend(self) -> None:
        """Hold more, or have the answer end where it is."""


class Ledger(Protocol):
    def hold(self, caller: Caller, model: Model, call: Call) -> Hold:
        """Hold the most that this call may cost, in the journal before anything is dispatched. Raises InsufficientQuota."""


class Routing(Protocol):
    def attempt(self, call: Call, model: Model) -> AsyncGenerator[Event]:
        """The answer's events from a deployment that serves the model; the last one is Done."""


_FILE = b'"file_id"'  # a call with this in it may name a file; searching bytes costs next to nothing
_CHAT = Operation.CHAT
Answer = Callable[[Call], AsyncGenerator[Event]]


class Memory(Protocol):
    """What is kept of calls and their answers, and handed to later ones (`storage/`)."""

    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        """The events of `answer(call)`, or of one in the background.

        What the call refers to is put into its body before; what it wants kept is kept before Done is handed on. Raises
        NotFound, InvalidRequest.
        """


class Way(Protocol):
    """The stages, joined by app.py."""

    @property
    def auth(self) -> Auth: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def routing(self) -> Routing: ...
    @property
    def memory(self) -> Memory: ...


async def answer(call: Call, way: Way) -> AsyncGenerator[Event]:
    """Carry one call to its answer. Any stage may end it by raising an ApiError."""
    caller = way.auth.identify(call)
    call.caller, call.drain = caller, caller.drain
    model = way.catalogue.resolve(call, caller)
    call = way.policy.admit(call, caller, model)
    async with way.ledger.hold(caller, model, call) as hold, aclosing(way.routing.attempt(call, model)) as events:
        async for event in events:
            yield hold.meter(event)
            if hold.short:
                await hold.extend()


def carried(call: Call, way: Way) -> AsyncGenerator[Event]:
    """The way of any call: through the memory where it refers to what is kept (a file, too), or wants to be kept.

    Raises as auth does.
    """
    if not call.request.remembers and (_FILE not in call.body or call.operation is not _CHAT):
        return answer(call, way)
    caller = way.auth.identify(call)
    call.caller = caller
    return way.memory.answered(call, caller, lambda call: answer(call, way))
