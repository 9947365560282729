"""Tools that a provider brings along (OpenAI: built-in or hosted tools): which a request asks for, and how often each was called.

Functions and custom tools are the caller's own and none of these. Source: OpenAI's description, `Tool` and `OutputItem`
(August 2026). What is charged by the call is in `catalogue/book/tools.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

OWN = frozenset(("function", "custom", "namespace"))
"""The caller's own, run by the caller."""
_SAME = {
    "web_search_2025_08_26": "web_search",
    "web_search_preview_2025_03_11": "web_search_preview",
    "computer_use": "computer",
}
WITHOUT_FEE = frozenset(("apply_patch", "computer", "computer_use_preview", "local_shell", "tool_search"))
"""They run at the caller, or only look among the request's own tools: they cost tokens, which the model's price has."""
ALL = WITHOUT_FEE | {
    "code_interpreter",
    "file_search",
    "image_generation",
    "mcp",
    "programmatic_tool_calling",
    "shell",
    "web_search",
    "web_search_preview",
}
NAME_CHARS_MAX = 64
CALLS_KEPT_MAX = 10_000
"""Calls of one answer that are told apart; more count as one each."""

_TOOL_OF_ITEM = {
    "code_interpreter_call": "code_interpreter",
    "file_search_call": "file_search",
    "image_generation_call": "image_generation",
    "mcp_call": "mcp",
    "program": "programmatic_tool_calling",
    "shell_call": "shell",
    "web_search_call": "web_search",
}


def hosted(request: Any) -> tuple[str, ...]:
    """The tools of a provider that a request asks for, each once, in the order in which they are named."""
    return tuple(
        dict.fromkeys(name for tool in _tools(request) if (name := _name(tool)) is not None and name not in OWN)
    )


def with_fee(request: Any) -> tuple[str, ...]:
    """Those of them that may cost something beyond tokens."""
    return tuple(
        dict.fromkeys(
            name
            for tool in _tools(request)
            if (name := _name(tool)) is not None and name not in OWN and name not in WITHOUT_FEE and not _is_local(tool)
        )
    )


def _tools(request: Any) -> Iterator[dict[str, Any]]:
    """The request's tools, and those that items of its input add."""
    yield from _dicts(request.tools)
    for item in request.items:
        if item.get("type") in ("additional_tools", "tool_search_output"):
            yield from _dicts(item.get("tools"))


def _dicts(tools: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tools, list):
        yield from (tool for tool in tools if isinstance(tool, dict))


def _name(tool: dict[str, Any]) -> str | None:
    kind = tool.get("type")
    return _SAME.get(kind, kind[:NAME_CHARS_MAX]) if isinstance(kind, str) else None


def _is_local(tool: dict[str, Any]) -> bool:
    """A shell that the caller runs."""
    environment = tool.get("environment")
    return tool.get("type") == "shell" and isinstance(environment, dict) and environment.get("type") == "local"


class ToolMeter:
    """Counts the calls of hosted tools in an answer. Show it each item, as often as it comes; the last word holds.

    A code interpreter and a shell are counted by session, which is a container; of web searches only searches, not pages that
    are opened or searched through. Which of the two web searches it is, the request says.
    """

    __slots__ = ("_calls", "_search")

    def __init__(self, asked: Iterable[str]) -> None:
        asked = tuple(asked)
        only_preview = "web_search_preview" in asked and "web_search" not in asked
        self._search = "web_search_preview" if only_preview else "web_search"
        self._calls: dict[str, tuple[str, str] | None] = {}

    def see(self, item: Any) -> None:
        if not isinstance(item, dict):
            return
        tool = _TOOL_OF_ITEM.get(str(item.get("type")))
        if tool is None:
            return
        given = item.get("id")
        identity = given if isinstance(given, str) else f"#{len(self._calls)}"
        if identity in self._calls or len(self._calls) < CALLS_KEPT_MAX:
            self._calls[identity] = self._charged(tool, identity, item)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls of each tool are to be charged."""
        counts: dict[str, int] = {}
        for tool, _ in {call for call in self._calls.values() if call is not None}:
            counts[tool] = counts.get(tool, 0) + 1
        return dict(sorted(counts.items()))

    def _charged(self, tool: str, identity: str, item: dict[str, Any]) -> tuple[str, str] | None:
        if tool == "web_search":
            action = item.get("action")
            opens = isinstance(action, dict) and action.get("type") in ("open_page", "find_in_page", "find")
            return None if opens else (self._search, identity)
        if tool == "code_interpreter":
            return tool, _text(item.get("container_id")) or identity
        if tool == "shell":
            where = item.get("environment")
            where = where if isinstance(where, dict) else {}
            return None if where.get("type") == "local" else (tool, _text(where.get("container_id")) or identity)
        return tool, identity


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
