"""The messages of a chat as turns: parts split into what they are, results of tools with the names of their tools."""

import re
from typing import Any

import msgspec

from waystation.dialects.ask import (
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.errors import InvalidRequest, Unsupported
from waystation.wire.messages import (
    AssistantMessage,
    AudioPart,
    DeveloperMessage,
    FilePart,
    FunctionMessage,
    FunctionToolCall,
    ImagePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE)
PLAIN_TYPE = "application/octet-stream"


class _Beside(msgspec.Struct):
    """What messages may have beside OpenAI's own fields, at the servers that add some."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Body(msgspec.Struct):
    messages: list[_Beside]


_body = msgspec.json.Decoder(_Body)


def turns_of(body: bytes, messages: list[Any]) -> tuple[Turn, ...]:
    """The turns of these messages of `body`. Raises Unsupported, InvalidRequest with `param`."""
    more = _body.decode(body).messages if b"reasoning" in body or b"cache_control" in body else None
    reading = _Reading()
    for index, message in enumerate(messages):
        reading.take(message, f"messages[{index}]", None if more is None else more[index])
    return tuple(reading.turns)


class _Reading:
    """Which tools have been called so far, so that their results can name them."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._names: dict[str, str] = {}  # of tools, by the id of their call
        self._legacy = ("", "")  # id and name of the last call of a function

    def take(self, message: Any, param: str, beside: _Beside | None) -> None:
        if isinstance(message, ToolMessage | FunctionMessage):
            self._add_result(self._result(message, param))
        elif isinstance(message, AssistantMessage):
            self.turns.append(Turn("assistant", self._said(message, param, beside), message.name))
        elif isinstance(message, UserMessage):
            self.turns.append(Turn("user", _parts(message.content, param, beside), message.name))
        elif isinstance(message, SystemMessage | DeveloperMessage):
            role = "system" if isinstance(message, SystemMessage) else "developer"
            self.turns.append(Turn(role, _parts(message.content, param, beside), message.name))  # type: ignore[arg-type]

    def _add_result(self, result: ToolResult) -> None:
        """Results of the calls of one turn are one turn: some dialects want them together."""
        last = self.turns[-1] if self.turns else None
        if last is not None and last.parts and all(isinstance(part, ToolResult) for part in last.parts):
            self.turns[-1] = Turn("user", (*last.parts, result))
        else:
            self.turns.append(Turn("user", (result,)))

    def _result(self, message: Any, param: str) -> ToolResult:
        if isinstance(message, ToolMessage):
            parts = tuple(part for part in _parts(message.content, param, None) if isinstance(part, Text))
            return ToolResult(message.tool_call_id, self._names.get(message.tool_call_id, ""), parts)
        called, name = self._legacy
        call_id = called if name == message.name else f"call_{message.name}"
        return ToolResult(call_id, message.name, (Text(message.content or ""),))

    def _said(self, message: AssistantMessage, param: str, beside: _Beside | None) -> tuple[Part, ...]:
        if message.audio is not None:
            raise Unsupported(
                "The model that answers can't look up audio of an earlier answer. Send its transcript as content.",
                param=f"{param}.audio",
            )
        parts: list[Part] = []
        if beside is not None:
            thought = beside.reasoning_content or beside.reasoning
            if isinstance(thought, str) and thought:
                parts.append(Reasoning(thought))
        if message.content is not None:
            parts += _parts(message.content, param, beside)
        if message.refusal:
            parts.append(Refusal(message.refusal))
        parts += [self._call(call) for call in message.tool_calls or ()]
        if message.function_call is not None:
            called = message.function_call
            self._legacy = (f"call_{len(self.turns)}", called.name)
            parts.append(ToolUse(self._legacy[0], called.name, called.arguments))
        return tuple(parts)

    def _call(self, call: Any) -> ToolUse:
        if isinstance(call, FunctionToolCall):
            use = ToolUse(call.id, call.function.name, call.function.arguments)
        else:
            use = ToolUse(call.id, call.custom.name, call.custom.input, custom=True)
        self._names[use.id] = use.name
        return use


def _parts(content: str | list[Any] | None, param: str, beside: _Beside | None) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    given = beside.content if beside is not None and isinstance(beside.content, list) else None
    return tuple(
        _part(part, f"{param}.content[{at}]", None if given is None else given[at]) for at, part in enumerate(content)
    )


def _part(part: Any, param: str, given: Any) -> Part:
    if isinstance(part, TextPart):
        return Text(part.text, isinstance(given, dict) and given.get("cache_control") is not None)
    if isinstance(part, ImagePart):
        return _image(part, param)
    if isinstance(part, AudioPart):
        return Audio(part.input_audio.data, part.input_audio.format)
    if isinstance(part, FilePart):
        return _document(part, param)
    if isinstance(part, RefusalPart):
        return Refusal(part.refusal)
    raise Unsupported("The model that answers can't read this kind of content.", param=param)


def _image(part: ImagePart, param: str) -> Image:
    url, detail = part.image_url.url, part.image_url.detail
    if url[:5].lower() != "data:":
        return Image(url=url, detail=detail)
    media_type, data = split_data_url(url, f"{param}.image_url.url")
    return Image(data=data, media_type=media_type, detail=detail)


def _document(part: FilePart, param: str) -> Document:
    file = part.file
    if file.file_data is None:
        return Document(file_id=file.file_id, name=file.filename)
    if file.file_data[:5].lower() == "data:":
        media_type, data = split_data_url(file.file_data, f"{param}.file.file_data")
    else:
        media_type, data = "application/pdf", file.file_data  # OpenAI takes it for a PDF, too
    return Document(data=data, media_type=media_type, name=file.filename)


def split_data_url(url: str, param: str) -> tuple[str, str]:
    """Media type and base64 of a data URL. Raises InvalidRequest when it is something else."""
    head = _DATA_URL.match(url)
    if head is None:
        raise InvalidRequest(
            f"Invalid '{param}': expected a base64-encoded data URL such as 'data:image/png;base64,...'.",
            param=param,
            code="invalid_value",
        )
    return head.group(1) or PLAIN_TYPE, url[head.end() :]
