"""The items of an input as turns: what the user, the model and the tools have said so far."""

from typing import Any

from waystation.dialects.ask import Document, Image, Part, Refusal, Text, ToolResult, ToolUse, Turn
from waystation.dialects.chat_turns import PLAIN_TYPE, split_data_url
from waystation.dialects.responses.thoughts import opened
from waystation.dialects.responses.tools import INSTEAD
from waystation.errors import Unsupported
from waystation.wire.response_items import kind_of

Item = dict[str, Any]


def turns_of(instructions: str | None, items: list[Item]) -> tuple[Turn, ...]:
    """The turns of these items, after the instructions. Raises Unsupported, InvalidRequest with `param`."""
    reading = _Reading()
    if instructions:
        reading.turns.append(Turn("developer", (Text(instructions),)))
    for at, item in enumerate(items):
        reading.take(item, f"input[{at}]")
    return tuple(reading.turns)


class _Reading:
    """Which tools have been called so far, so that their results can name them."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._names: dict[str, str] = {}  # of tools, by the id of their call
        self._open = False  # the last turn is the model's, and what it says next belongs to that

    def take(self, item: Item, param: str) -> None:
        kind = kind_of(item)
        if kind == "message":
            self._message(item, param)
        elif kind in ("function_call", "custom_tool_call"):
            custom = kind == "custom_tool_call"
            call_id, name = item["call_id"], item["name"]
            self._names[call_id] = name
            self._say(ToolUse(call_id, name, item["input" if custom else "arguments"], custom))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(item, param)
        elif kind == "reasoning":
            self._thought(item)
        else:
            raise Unsupported(
                f"The provider of this model can't read items of the type '{kind}'. {INSTEAD}", param=f"{param}.type"
            )

    def _message(self, item: Item, param: str) -> None:
        parts = _parts(item.get("content"), f"{param}.content")
        role = item["role"]
        if role == "assistant":
            for part in parts:
                self._say(part)
        elif parts:
            self.turns.append(Turn(role, parts))

    def _say(self, part: Part) -> None:
        """The model says this: with what it said and called just before, which is one turn to most providers."""
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == "assistant" and _belongs(last.parts[-1], part):
            self.turns[-1] = Turn("assistant", (*last.parts, part))
        else:
            self.turns.append(Turn("assistant", (part,)))

    def _result(self, item: Item, param: str) -> None:
        output = item["output"]
        parts: Any = _parts(output, f"{param}.output")
        call_id = item["call_id"]
        result = ToolResult(call_id, self._names.get(call_id) or item.get("name") or "", parts)
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == "user" and all(isinstance(part, ToolResult) for part in last.parts):
            self.turns[-1] = Turn("user", (*last.parts, result))
        else:
            self.turns.append(Turn("user", (result,)))

    def _thought(self, item: Item) -> None:
        """A thought that is ours goes back as it came. Of others' only the summary can be read, and that is no thought."""
        content = item.get("encrypted_content")
        thought = opened(content) if isinstance(content, str) else None
        if thought is not None:
            self._say(thought)


def _belongs(last: Part, part: Part) -> bool:
    """Whether a part goes on in the turn that `last` ends. Words after a call are the begin of another."""
    return not (isinstance(last, ToolUse) and not isinstance(part, ToolUse))


def _parts(content: Any, param: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(_part(part, f"{param}[{at}]") for at, part in enumerate(content or ()))


def _part(part: Item, param: str) -> Part:
    kind = part["type"]
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        return Text(part["text"], part.get("prompt_cache_breakpoint") is not None)
    if kind == "refusal":
        return Refusal(part["refusal"])
    if kind == "input_image":
        return _image(part, param)
    if kind == "input_file":
        return _document(part, param)
    raise Unsupported(f"The provider of this model can't read content of the type '{kind}'.", param=f"{param}.type")


def _image(part: Item, param: str) -> Image:
    url, detail = part.get("image_url"), part.get("detail")
    if not url:
        raise Unsupported(
            "The provider of this model can't look up files. Send the image itself, as a data URL in 'image_url'.",
            param=f"{param}.file_id",
        )
    given: Any = "high" if detail == "original" else detail
    if url[:5].lower() != "data:":
        return Image(url=url, detail=given)
    media_type, data = split_data_url(url, f"{param}.image_url")
    return Image(data=data, media_type=media_type, detail=given)


def _document(part: Item, param: str) -> Document:
    name, data = part.get("filename"), part.get("file_data")
    if not data:
        return Document(part.get("file_url"), file_id=part.get("file_id"), name=name)
    if data[:5].lower() != "data:":
        return Document(data=data, media_type="application/pdf", name=name)
    media_type, encoded = split_data_url(data, f"{param}.file_data")
    return Document(data=encoded, media_type=None if media_type == PLAIN_TYPE else media_type, name=name)
