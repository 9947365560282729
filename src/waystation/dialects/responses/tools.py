"""The tools of a request, and which of them the model is to use, in the vocabulary.

Tools that OpenAI's servers run are nothing that another model can be told of: they are refused by name, never left out.
"""

from typing import Any

from waystation.dialects.ask import Tool, ToolChoice
from waystation.errors import Unsupported

Members = dict[str, Any]
_KIND = {"function": False, "custom": True}
INSTEAD = (
    "Ask a model whose provider speaks the Responses API and has it (`responses = true` in the provider's configuration), "
    "or describe a function of your own."
)


def tools_of(tools: list[Members]) -> tuple[Tool, ...]:
    """Functions and custom tools, also those in namespaces. Raises Unsupported for all others."""
    found: list[Tool] = []
    for at, tool in enumerate(tools):
        if tool.get("type") == "namespace":
            for place, member in enumerate(tool.get("tools") or ()):
                found.append(_tool(member, f"tools[{at}].tools[{place}]"))
        else:
            found.append(_tool(tool, f"tools[{at}]"))
    _refuse_same_names(found)
    return tuple(found)


def choice_of(choice: str | Members | None, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that may be used, and how. Raises Unsupported for a choice of what OpenAI's servers run."""
    if choice is None:
        return tools, None
    if isinstance(choice, str):
        return tools, ToolChoice(choice)  # type: ignore[arg-type]
    kind = choice.get("type")
    if kind in _KIND:
        return tools, ToolChoice("named", choice.get("name"))
    if kind != "allowed_tools":
        raise unsupported_tool(str(kind), "tool_choice")
    allowed = set()
    for at, each in enumerate(choice.get("tools") or ()):
        if each.get("type") not in _KIND:
            raise unsupported_tool(str(each.get("type")), f"tool_choice.tools[{at}]")
        allowed.add(each.get("name"))
    return tuple(tool for tool in tools if tool.name in allowed), ToolChoice(choice["mode"])


def unsupported_tool(kind: str, param: str) -> Unsupported:
    return Unsupported(
        f"The tool '{kind}' is run by OpenAI, and the provider of this model can't run it. {INSTEAD}", param=param
    )


def _tool(tool: Members, param: str) -> Tool:
    kind = tool.get("type")
    if kind == "function":
        return Tool(tool["name"], tool.get("description"), tool.get("parameters"), tool.get("strict"))
    if kind == "custom":
        return Tool(tool["name"], _with_grammar(tool), custom=True)
    raise unsupported_tool(str(kind), param)


def _with_grammar(tool: Members) -> str | None:
    """The description of a custom tool; elsewhere a grammar is at least a wish."""
    description: str | None = tool.get("description")
    form = tool.get("format")
    if not isinstance(form, dict) or form.get("type") != "grammar":
        return description
    grammar = f"The input follows this {form.get('syntax')} grammar: {form.get('definition')}"
    return f"{description}\n{grammar}" if description else grammar


def _refuse_same_names(tools: list[Tool]) -> None:
    """A model that is not told of namespaces couldn't say which one it means."""
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Unsupported(
            f"Two tools are named '{twice}', and the provider of this model knows no namespaces. Give each its own name.",
            param="tools",
        )
