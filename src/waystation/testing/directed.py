"""What the fake upstream's model `directed` does: what the conversation itself tells it. Pure.

A user's text holds directives that are followed one after the other, a turn for each:

    [[call get_weather {"city": "Paris"}]] [[say It is 21 degrees.]]

`[[recall]]` says what came with the first of them: so it is seen whether the whole conversation is there. A loop of tools,
driven by whatever client, needs no script beside its prompt. A tool that wasn't offered is not called: the answer names those
that were.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

MODE = "directed"
_DIRECTIVE = re.compile(r"\[\[(call|say|recall) ?(.*?)\]\]", re.DOTALL)


class Step(NamedTuple):
    """One turn: a text, or the arguments of a tool's call."""

    text: str
    tool: str | None = None
    at: int = 0  # how many turns of the model came before, in the whole conversation


def next_step(messages: Sequence[Any], tools: Sequence[Any] | None) -> Step:
    """The turn that follows a conversation in chat completions' words."""
    directives: list[tuple[str, str]] = []
    done = turns = 0
    for message in messages:
        found = _DIRECTIVE.findall(_text(message)) if message.get("role") == "user" else []
        if found:
            directives, done = found, 0
        elif message.get("role") == "assistant":
            done += 1
            turns += 1
    if done >= len(directives):
        return Step("I was told nothing more.", at=turns)
    kind, told = directives[done]
    if kind == "recall":
        return Step(_first_said(messages), at=turns)
    if kind == "say":
        return Step(told, at=turns)
    name, _, arguments = told.partition(" ")
    offered = [(tool.get("function") or {}).get("name") for tool in tools or ()]
    if name not in offered:
        return Step(f"There is no tool {name}; offered were {', '.join(map(str, offered)) or 'none'}.", at=turns)
    return Step(arguments or "{}", name, turns)


def _first_said(messages: Sequence[Any]) -> str:
    """The words of the first directions: clients may say something of their own before."""
    texts = (_text(message) for message in messages if message.get("role") == "user")
    return _DIRECTIVE.sub("", next(text for text in texts if _DIRECTIVE.search(text))).strip()


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or () if isinstance(part, dict))


def pieces(text: str, size: int = 12) -> list[str]:
    """A text as it would be streamed."""
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]
