"""The tools of an Ask as Converse's `toolConfig`."""

from typing import Any

from waystation.dialects.ask import Ask, Tool, ToolResult, ToolUse
from waystation.dialects.converse.family import Family
from waystation.dialects.mapping import Notes

_ANY_OBJECT: dict[str, Any] = {"type": "object"}


def tool_config(ask: Ask, kin: Family, notes: Notes) -> dict[str, Any] | None:
    """`toolConfig`; None leaves it out. Raises Unsupported for custom tools.

    It must be there when earlier turns used tools, even if the caller offers none any more: these are declared then.
    """
    used = _used(ask)
    tools = [_specification(tool, kin, notes) for tool in ask.tools]
    if ask.tool_choice is not None and ask.tool_choice.mode == "none":
        if not used:
            return None
        if tools:
            notes.ignore("tool_choice")  # it can't be said, and they can't be left out
    if not tools and not used:
        return None
    config: dict[str, Any] = {"tools": tools or [_undescribed(name) for name in used]}
    choice = ask.tool_choice
    if tools and choice is not None and choice.mode != "none":
        modes = {"auto": {"auto": {}}, "required": {"any": {}}, "named": {"tool": {"name": choice.name}}}
        config["toolChoice"] = modes[choice.mode]
    return config


def _used(ask: Ask) -> list[str]:
    """Names of the tools that earlier turns used, each once."""
    parts = [part for turn in ask.turns for part in turn.parts]
    names = [part.name or "tool" for part in parts if isinstance(part, ToolUse | ToolResult)]
    return list(dict.fromkeys(names))


def _undescribed(name: str) -> dict[str, Any]:
    return {"toolSpec": {"name": name, "inputSchema": {"json": _ANY_OBJECT}}}


def _specification(tool: Tool, kin: Family, notes: Notes) -> dict[str, Any]:
    if tool.custom:
        why = f"This model has no custom tools. Make `{tool.name}` a function with a text parameter."
        raise notes.refusal("tools", why)
    specification: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": tool.schema or _ANY_OBJECT}}
    if tool.description:
        specification["description"] = tool.description
    if tool.strict:
        if kin.takes_strict_tools:
            specification["strict"] = True
        else:
            notes.ignore("tools.strict")
    return {"toolSpec": specification}
