"""Which dialect reads and writes what: the one place that joins callers' dialects with the vocabulary."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from waystation.dialects.ask import Ask
from waystation.dialects.chat_ask import ask_of_chat
from waystation.dialects.chat_writer import ChatWriter, envelope_of, new_chat_envelope, new_completion_envelope
from waystation.dialects.completions import ask_of_completion
from waystation.dialects.completions_writer import CompletionWriter
from waystation.dialects.envelope import Envelope as Envelope
from waystation.dialects.messages.asked import ask_of_messages
from waystation.dialects.messages.writer import MessagesWriter
from waystation.dialects.messages.writer import envelope_of as messages_envelope_of
from waystation.dialects.messages.writer import new_envelope as new_messages_envelope
from waystation.dialects.responses.asked import ask_of_response
from waystation.dialects.responses.writer import ResponsesWriter
from waystation.dialects.responses.writer import envelope_of as response_envelope_of
from waystation.dialects.responses.writer import new_envelope as new_response_envelope
from waystation.dialects.saying import Writer
from waystation.terms import Dialect, Operation


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


SPOKEN: dict[tuple[Dialect, Operation], Spoken] = {
    (Dialect.OPENAI, Operation.CHAT): Spoken(ask_of_chat, ChatWriter, envelope_of, new_chat_envelope),
    (Dialect.OPENAI, Operation.COMPLETION): Spoken(
        ask_of_completion, CompletionWriter, envelope_of, new_completion_envelope
    ),
    (Dialect.ANTHROPIC, Operation.CHAT): Spoken(
        ask_of_messages,
        lambda envelope, request: MessagesWriter(envelope),
        lambda event: Envelope(*messages_envelope_of(event)),
        lambda model, created: Envelope(*new_messages_envelope(model, created)),
    ),
    (Dialect.RESPONSES, Operation.CHAT): Spoken(
        ask_of_response,
        ResponsesWriter,
        lambda event: Envelope(*response_envelope_of(event)),
        lambda model, created: Envelope(*new_response_envelope(model, created)),
    ),
}
"""By the caller's dialect and operation. Embeddings are no text: they have none."""
