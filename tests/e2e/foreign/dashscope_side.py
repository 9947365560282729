"""What DashScope's SDK understands of an OpenAI-compatible server's answers. Run in its own environment; JSON in and out."""

import json
import sys
from typing import Any

import dashscope
from dashscope.aigc.chat_completion import Completions


def plain(value: Any) -> Any:
    """Its objects are dictionaries or have a __dict__."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return plain(vars(value)) if hasattr(value, "__dict__") else value


def chunks(stream: Any) -> list[Any]:
    """All until `[DONE]`, which this version of the SDK takes for broken JSON and stumbles over."""
    told: list[Any] = []
    try:
        for chunk in stream:
            told.append(plain(chunk))  # noqa: PERF401 - what came before the stumble counts
    except AttributeError as stumble:
        if not isinstance(stumble.__context__, json.JSONDecodeError) or stumble.__context__.doc.strip() != "[DONE]":
            raise
    return told


def main() -> None:
    base_url, (key, question) = json.load(sys.stdin)
    dashscope.base_compatible_api_url = base_url
    asked = Completions.create(api_key=key, **question)
    json.dump(chunks(asked) if question.get("stream") else plain(asked), sys.stdout)


main()
