"""In which order the messages of a chat may follow each other: calls of tools and their answers belong together.

One pass over the messages. Source of rules and sentences: OpenAI's answers.
"""

from typing import Any

from waystation.errors import InvalidRequest
from waystation.wire.complaint import null_content
from waystation.wire.messages import AssistantMessage, ToolMessage

_NO_CALL = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."


def check_turns(messages: list[Any]) -> None:
    """Raise InvalidRequest for an answer without a call, a call without an answer, an assistant that says nothing."""
    waiting: list[str] | None = None  # ids of calls that still need an answer; None: no call came before
    called: frozenset[str] = frozenset()
    for index, message in enumerate(messages):
        kind = type(message)
        if kind is ToolMessage:
            waiting = _answered(message, index, called, waiting)
            continue
        if waiting:
            raise _unanswered(waiting, index)
        waiting = None
        if kind is AssistantMessage:
            if message.tool_calls is not None:
                waiting = [call.id for call in message.tool_calls]
                called = frozenset(waiting)
            elif message.content is None and not _says_otherwise(message):
                raise null_content(f"messages[{index}]")
    if waiting:
        raise _unanswered(waiting, len(messages) - 1)


def _says_otherwise(message: AssistantMessage) -> bool:
    return message.function_call is not None or message.refusal is not None or message.audio is not None


def _answered(message: ToolMessage, index: int, called: frozenset[str], waiting: list[str] | None) -> list[str]:
    if waiting is None:
        raise InvalidRequest(_NO_CALL, param=f"messages.[{index}].role")
    if message.tool_call_id not in called:
        raise InvalidRequest(
            f"Invalid parameter: 'tool_call_id' of '{message.tool_call_id[:100]}' "
            "not found in 'tool_calls' of previous message.",
            param=f"messages.[{index}].tool_call_id",
        )
    return [call_id for call_id in waiting if call_id != message.tool_call_id]


def _unanswered(waiting: list[str], index: int) -> InvalidRequest:
    return InvalidRequest(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(waiting)[:1000]}",
        param=f"messages.[{index}].role",
    )
