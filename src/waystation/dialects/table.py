"""Which dialect reads and writes what: the one place that joins callers' dialects with the vocabulary."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from waystation.dialects.ask import Ask
from waystation.dialects.messages.asked import ask_of_messages
from waystation.dialects.messages.writer import MessagesWriter, envelope_of, new_envelope
from waystation.dialects.saying import Writer
from waystation.terms import Dialect, Operation


class Envelope(NamedTuple):
    """What an answer says of itself, in every event: the same from its begin to its end, whoever goes on with it."""

    id: str
    model: str
    created: int  # UTC seconds


class Request(Protocol):
    """What `wire/` read of a body, as far as a writer needs it."""

    @property
    def include_usage(self) -> bool: ...
    @property
    def choices(self) -> int: ...


class Spoken(NamedTuple):
    """A dialect in which callers ask."""

    ask: Callable[[bytes, Any, int | None], Ask]
    """(body, request, output_tokens_max of the ledger or None) → Ask. Raises Unsupported, InvalidRequest."""
    writer: Callable[[Envelope, Any], Writer]
    """(envelope, request) → a writer for one answer."""
    envelope: Callable[[bytes], Envelope]
    """The envelope of an answer that has begun, from the first event that went out of it."""
    new_envelope: Callable[[str, int], Envelope]
    """(model, created) → a new one, with an id of ours."""
    error: Callable[[bytes], bytes] | None = None


SPOKEN: dict[tuple[Dialect, Operation], Spoken] = {
    (Dialect.ANTHROPIC, Operation.CHAT): Spoken(
        ask_of_messages,
        lambda envelope, request: MessagesWriter(envelope),
        lambda event: Envelope(*envelope_of(event)),
        lambda model, created: Envelope(*new_envelope(model, created)),
    ),
}
"""By the caller's dialect and operation. Embeddings are no text: they have none."""
