"""A chat's messages as the local model's template wants them, and the prompt that comes back, safe from its users.

A user's text may hold what the model reads as structure (`<|im_end|>`). It is put through the template under a mark and
then becomes the tokens of its letters, so that nobody speaks as somebody else.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from waystation.errors import Unsupported

_READ = ("text", "refusal")
_UNREAD = {"file": "files", "image_url": "images", "input_audio": "sounds"}

Prompt = str | list[str | int]  # text, and token ids where text would be read as structure

_MARK = re.compile("\ue000([0-9a-z]+)-([0-9]+)\ue001")


def template_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages in the words of chat templates: system for developer, tool for function, text for parts of text."""
    return [_message(message) for message in messages]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
    told: dict[str, Any] = {"role": role, "content": text_of(message.get("content"))}
    if role == "assistant":
        calls = message.get("tool_calls") or []
        if old := message.get("function_call"):
            calls = [{"id": "call_0", "type": "function", "function": old}]
        functions = [_call(call) for call in calls if call.get("function")]
        if functions:
            told["tool_calls"] = functions
        if not told["content"] and message.get("refusal"):
            told["content"] = message["refusal"]
    if role == "tool":
        told["tool_call_id"] = message.get("tool_call_id") or "call_0"
    return told


def calls_since_user(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Name and arguments of the function calls that have been answered since the user last spoke."""
    if not messages or messages[-1]["role"] not in ("tool", "function"):
        return []
    calls: list[tuple[str, str]] = []
    for message in reversed(messages):
        if message["role"] == "user":
            break
        functions = [call.get("function") for call in message.get("tool_calls") or ()] + [message.get("function_call")]
        calls += [(function["name"], function.get("arguments") or "{}") for function in functions if function]
    return calls


def results_in_words(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The messages with this turn's calls and results as lines below the user's question: `name(arguments): result`.

    What a small model reads as a pattern to go on with (call, result, call …) it reads as a fact that way.
    """
    last = max((number for number, message in enumerate(messages) if message["role"] == "user"), default=-1)
    if last < 0:
        return list(messages)
    asked: dict[str, str] = {}
    lines = [text_of(messages[last].get("content")), ""]
    for message in messages[last + 1 :]:
        for call in message.get("tool_calls") or ():
            if function := call.get("function"):
                asked[call.get("id", "")] = f"{function['name']}({function.get('arguments') or ''})"
        if old := message.get("function_call"):
            asked[""] = f"{old['name']}({old.get('arguments') or ''})"
        if message["role"] in ("tool", "function"):
            name = asked.get(message.get("tool_call_id") or "", message.get("name") or "result")
            lines.append(f"{name}: {text_of(message.get('content'))}")
    return [*messages[:last], {"role": "user", "content": "\n".join(lines)}]


def refuse_unread(messages: Sequence[Mapping[str, Any]], param: str) -> None:
    """Raise Unsupported for what a model that reads text alone would not see. `param`: where the caller said it."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if (kind := part.get("type")) not in _READ:
                what = _UNREAD.get(kind, f"parts of type '{kind}'")
                raise Unsupported(
                    f"Local models read text only, and there are {what} in '{param}'. Put their text into the message, "
                    "or ask a model whose provider reads them.",
                    param=param,
                )


def text_of(content: Any) -> str:
    """A message's content as one text: parts of text are lines."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.get("text") or part.get("refusal") or "" for part in content)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    try:
        read = msgspec.json.decode(arguments)
    except msgspec.DecodeError:  # cut short by a limit: the template wants an object all the same
        read = arguments
    if not isinstance(read, dict):
        read = {"arguments": read}
    return {
        "id": call.get("id") or "call_0",
        "type": "function",
        "function": {"name": function["name"], "arguments": msgspec.json.encode(read).decode()},
    }


class Shield:
    """The model's control texts, kept out of the structure of one prompt. `mark` is a word that no caller can guess."""

    def __init__(self, control: Iterable[str], encode: Callable[[str], list[int]], mark: str) -> None:
        self._control = sorted(control, key=len, reverse=True)
        self._number = {text: number for number, text in enumerate(self._control)}
        self._find = re.compile("|".join(map(re.escape, self._control))) if self._control else None
        self._encode = encode
        self._mark = mark

    def cover(self, value: Any) -> Any:
        """The same value with every control text in its strings under a mark."""
        if isinstance(value, str):
            return self._cover_text(value)
        if isinstance(value, list):
            return [self.cover(item) for item in value]
        if isinstance(value, dict):
            return {key: self.cover(item) for key, item in value.items()}
        return value

    def uncover(self, prompt: str) -> Prompt:
        """The prompt with each mark as the tokens of the letters that it stands for."""
        if "\ue000" not in prompt:
            return prompt
        parts: list[str | int] = []
        at = 0
        for found in _MARK.finditer(prompt):
            if found[1] == self._mark:
                parts += [prompt[at : found.start()], *self._encode(self._control[int(found[2])])]
                at = found.end()
        return [part for part in (*parts, prompt[at:]) if part != ""]

    def _cover_text(self, text: str) -> str:
        if self._find is None:
            return text
        return self._find.sub(lambda found: f"\ue000{self._mark}-{self._number[found[0]]}\ue001", text)


def extended(prompt: Prompt, text: str) -> Prompt:
    """The prompt with some text after it."""
    if isinstance(prompt, str):
        return prompt + text
    if prompt and isinstance(prompt[-1], str):  # one text, so that its tokens are those of the whole
        return [*prompt[:-1], prompt[-1] + text]
    return [*prompt, text]
