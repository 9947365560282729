"""Which dialect reads and writes what: the one place that joins callers' dialects with the vocabulary."""

import re
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
from waystation.dialects.responses.events import NOT_PLAIN as NOT_PLAIN_OF_RESPONSES
from waystation.dialects.responses.writer import ResponsesWriter
from waystation.dialects.responses.writer import envelope_of as response_envelope_of
from waystation.dialects.responses.writer import new_envelope as new_response_envelope
from waystation.dialects.saying import Begun, TextDelta, Writer
from waystation.terms import Dialect, Operation


class Request(Protocol):
    """What `wire/` read of a body, as far as a writer needs it."""

    @property
    def include_usage(self) -> bool: ...
    @property
    def choices(self) -> int: ...


# Members that say something else than text, or that the answer has ended; null and empty ones say nothing. In a text
# the quotes of such a name would have a backslash, so this never takes what a model writes for what it does.
NOT_PLAIN = re.compile(
    rb'"(?:tool_calls|function_call|refusal|audio|reasoning\w*|thinking\w*|finish_reason|stop_reason|logprobs)"\s*:\s*+'
    rb'(?!null|""|\[\]|\{\})'
    rb'|"type"\s*:\s*"(?:thinking|redacted_thinking|tool_use|server_tool_use|input_json|signature)'
)


def begin(writer: Writer, sent: str, last_event: bytes) -> None:
    """Have a writer stand where a stream stands in which each event says all that belongs to it."""
    writer.piece((Begun(), TextDelta(sent or " ")))  # of an empty text a writer writes nothing


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
    resume: Callable[[Any, str, bytes], None] = begin
    """(new writer, text so far, last event that went out): from now on it writes what comes after that."""
    not_plain: re.Pattern[bytes] = NOT_PLAIN
    """Found in events that say something else than text, or that the answer has ended: those can't be gone on with."""


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
        ResponsesWriter.resume,
        NOT_PLAIN_OF_RESPONSES,
    ),
}
"""By the caller's dialect and operation. Embeddings are no text: they have none."""
