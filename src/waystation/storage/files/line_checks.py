"""What a line of a file has to be for a batch and for fine-tuning. Pure.

Sources: OpenAI's description (BatchRequestInput), https://developers.openai.com/api/docs/guides/batch and
https://developers.openai.com/api/docs/guides/supervised-fine-tuning (November 2026).
"""

from collections.abc import Iterator
from typing import Any

from waystation.storage.files.json_lines import JsonLines, Problem

BATCH_LINES_MAX = 50_000
CUSTOM_ID_CHARS_MAX = 512
BATCH_URLS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/moderations",
)
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_UNSAID = object()
_PREFERENCE = ("input", "preferred_output", "non_preferred_output")


def checker_for(purpose: str) -> JsonLines | None:
    """What reads a file of this purpose as it comes in; None: it may be anything."""
    if purpose == "batch":
        return JsonLines(BatchLines().problems, BATCH_LINES_MAX)
    return JsonLines(tuning_problems) if purpose == "fine-tune" else None


class BatchLines:
    """Requests of a batch; remembers their ids, of which none may be there twice."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def problems(self, number: int, line: dict[str, Any]) -> Iterator[Problem]:
        for name in ("custom_id", "method", "url", "body"):
            if name not in line:
                yield Problem(
                    number, "missing_required_parameter", f"Line {number}: Missing required parameter: '{name}'."
                )
        yield from self._id_problems(number, line)
        if line.get("method", "POST") != "POST":
            yield Problem(number, "invalid_method", f"Line {number}: 'method' is 'POST', nothing else.")
        if line.get("url", BATCH_URLS[0]) not in BATCH_URLS:
            yield Problem(number, "invalid_url", f"Line {number}: 'url' is one of {', '.join(BATCH_URLS)}.")
        body = line.get("body", {})
        if not isinstance(body, dict):
            yield Problem(number, "invalid_type", f"Line {number}: 'body' is an object: the request.")
        elif body.get("stream") is True:
            yield Problem(number, "invalid_value", f"Line {number}: a request of a batch can't be streamed.")

    def _id_problems(self, number: int, line: dict[str, Any]) -> Iterator[Problem]:
        custom_id = line.get("custom_id", _UNSAID)
        if custom_id is _UNSAID:
            return
        if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= CUSTOM_ID_CHARS_MAX:
            words = f"Line {number}: 'custom_id' is a text of 1 to {CUSTOM_ID_CHARS_MAX} characters."
            yield Problem(number, "invalid_type", words)
            return
        first = self._lines.setdefault(custom_id, number)
        if first != number:
            words = f"Line {number}: the custom_id of line {first} is used again; each has to be its own."
            yield Problem(number, "duplicate_custom_id", words)


def tuning_problems(number: int, line: dict[str, Any]) -> Iterator[Problem]:
    """An example: a chat, a pair of which one answer is preferred, or a prompt with its completion."""
    if "messages" in line:
        yield from _messages_problems(number, line["messages"])
    elif any(name in line for name in _PREFERENCE):
        yield from (_missing(number, name) for name in _PREFERENCE if name not in line)
    elif "prompt" in line or "completion" in line:
        for name in ("prompt", "completion"):
            if not isinstance(line.get(name), str):
                yield Problem(number, "invalid_type", f"Line {number}: '{name}' is a text.")
    else:
        yield _missing(number, "messages")


def _messages_problems(number: int, messages: Any) -> Iterator[Problem]:
    if not isinstance(messages, list) or not messages:
        yield Problem(number, "invalid_type", f"Line {number}: 'messages' is a list of at least one message.")
        return
    for at, message in enumerate(messages):
        where = f"Line {number}: 'messages[{at}]"
        if not isinstance(message, dict):
            yield Problem(number, "invalid_type", f"{where}' is an object.")
        elif message.get("role") not in _ROLES:
            yield Problem(number, "invalid_value", f"{where}.role' is one of {', '.join(_ROLES)}.")
        elif not isinstance(message.get("content"), str | list) and not (
            message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call"))
        ):
            yield Problem(number, "invalid_type", f"{where}.content' is a text or a list of parts.")


def _missing(number: int, name: str) -> Problem:
    return Problem(number, "missing_required_parameter", f"Line {number}: Missing required parameter: '{name}'.")
