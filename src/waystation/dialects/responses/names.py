"""Tools in namespaces: a model is told their plain names, and its calls say where each belongs."""

from typing import Any


def namespaces_of(tools: list[dict[str, Any]] | None) -> dict[str, str]:
    """The namespace of each tool that is in one, by the tool's name."""
    return {
        str(member.get("name")): str(tool.get("name"))
        for tool in tools or ()
        if tool.get("type") == "namespace"
        for member in tool.get("tools") or ()
    }
