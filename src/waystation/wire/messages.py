"""The messages of a chat and their parts, as OpenAI describes them.

What a role may carry is here; in which order messages may follow each other is in `turns.py`.
Extra fields (`reasoning_content` and the like) are let pass: the body is forwarded as it came.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class Plain(msgspec.Struct, frozen=True, gc=False):
    """Base of what is decoded from a request: a tree without cycles, so the garbage collector need not watch it."""


class Exact(Plain, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Base of what the control plane is asked: a name that it doesn't have is refused, since it may be a slip."""


class TextPart(Plain, frozen=True, gc=False, tag_field="type", tag="text"):
    text: str


class ImageUrl(Plain, frozen=True, gc=False):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Plain, frozen=True, gc=False, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class InputAudio(Plain, frozen=True, gc=False):
    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Plain, frozen=True, gc=False, tag_field="type", tag="input_audio"):
    input_audio: InputAudio


class FileInput(Plain, frozen=True, gc=False):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(Plain, frozen=True, gc=False, tag_field="type", tag="file"):
    file: FileInput


class RefusalPart(Plain, frozen=True, gc=False, tag_field="type", tag="refusal"):
    refusal: str


NOT_EMPTY = Meta(min_length=1)
TextParts = Annotated[list[TextPart], NOT_EMPTY]
UserPart = TextPart | ImagePart | AudioPart | FilePart
AssistantPart = TextPart | RefusalPart


class CalledFunction(Plain, frozen=True, gc=False):
    name: str
    arguments: str


class FunctionToolCall(Plain, frozen=True, gc=False, tag_field="type", tag="function"):
    id: str
    function: CalledFunction


class CalledCustom(Plain, frozen=True, gc=False):
    name: str
    input: str


class CustomToolCall(Plain, frozen=True, gc=False, tag_field="type", tag="custom"):
    id: str
    custom: CalledCustom


class AudioOfBefore(Plain, frozen=True, gc=False):
    id: str


class SystemMessage(Plain, frozen=True, gc=False, tag_field="role", tag="system"):
    content: str | TextParts
    name: str | None = None


class DeveloperMessage(Plain, frozen=True, gc=False, tag_field="role", tag="developer"):
    content: Annotated[str | TextParts, Meta(extra={"developer": True})]
    name: str | None = None


class UserMessage(Plain, frozen=True, gc=False, tag_field="role", tag="user"):
    content: str | Annotated[list[UserPart], NOT_EMPTY]
    name: str | None = None


class AssistantMessage(Plain, frozen=True, gc=False, tag_field="role", tag="assistant"):
    content: str | Annotated[list[AssistantPart], NOT_EMPTY] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioOfBefore | None = None
    tool_calls: Annotated[list[FunctionToolCall | CustomToolCall], NOT_EMPTY] | None = None
    function_call: CalledFunction | None = None


class ToolMessage(Plain, frozen=True, gc=False, tag_field="role", tag="tool"):
    content: str | TextParts
    tool_call_id: str


class FunctionMessage(Plain, frozen=True, gc=False, tag_field="role", tag="function"):
    content: str | None
    name: str


# In the order in which OpenAI lists the roles when it refuses one.
Message = SystemMessage | AssistantMessage | UserMessage | FunctionMessage | ToolMessage | DeveloperMessage
Messages = Annotated[list[Message], Meta(min_length=1, extra={"says": "an array of objects"})]


def texts_of(messages: list[Any]) -> list[str]:
    """All text that a model would read of these messages, in order: what is counted and looked through."""
    texts: list[str] = []
    for message in messages:
        content = message.content
        if type(content) is str:
            texts.append(content)
        elif content is not None:
            texts += [part.text for part in content if type(part) is TextPart]
            texts += [part.refusal for part in content if type(part) is RefusalPart]
        if type(message) is AssistantMessage:
            _add_calls(texts, message)
    return texts


def _add_calls(texts: list[str], message: AssistantMessage) -> None:
    if message.refusal:
        texts.append(message.refusal)
    calls: list[CalledFunction] = [message.function_call] if message.function_call else []
    for call in message.tool_calls or ():
        if type(call) is FunctionToolCall:
            calls.append(call.function)
        elif type(call) is CustomToolCall:
            texts += (call.custom.name, call.custom.input)
    for called in calls:
        texts += (called.name, called.arguments)


def image_param(messages: list[Any]) -> str | None:
    """Where the first image is, in OpenAI's form of path; None without images."""
    for index, message in enumerate(messages):
        if type(message) is UserMessage and type(message.content) is list:
            for at, part in enumerate(message.content):
                if type(part) is ImagePart:
                    return f"messages[{index}].content[{at}]"
    return None
