"""What a caller's tools are and what the model may do with them, read once from the body. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from waystation.engine.schema import NO_ARGUMENTS
from waystation.errors import Unsupported

Mode = Literal["none", "auto", "required", "named"]

CUSTOM_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(msgspec.Struct, frozen=True):
    """A function, or a custom tool whose input is text."""

    name: str
    schema: dict[str, Any]
    definition: dict[str, Any]  # what the template shows the model
    param: str
    strict: bool = False
    custom: bool = False


class ToolRules(msgspec.Struct, frozen=True):
    """The tools that the model may call in one answer, and whether it must."""

    mode: Mode = "none"
    tools: tuple[Tool, ...] = ()
    parallel: bool = True
    legacy: bool = False  # asked for as `functions`: one call at most, answered as `function_call`

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(tool.name for tool in self.tools)

    @property
    def several(self) -> bool:
        """Whether another call may follow the first."""
        return self.parallel and not self.legacy and self.mode != "named"

    def named(self, name: str) -> Tool:
        return next(tool for tool in self.tools if tool.name == name)


def read_tools(body: Mapping[str, Any]) -> ToolRules:
    """The rules of a validated chat body. Raises Unsupported for a custom tool's grammar."""
    legacy = not body.get("tools") and bool(body.get("functions"))
    if legacy:
        tools = [_function(function, f"functions[{index}]") for index, function in enumerate(body["functions"])]
        choice: Any = body.get("function_call") or "auto"
    else:
        tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.get("tools") or ())]
        choice = body.get("tool_choice") or "auto"
    parallel = body.get("parallel_tool_calls") is not False
    if not tools or choice == "none":
        return ToolRules()
    if choice in ("auto", "required"):
        return ToolRules(choice, tuple(tools), parallel, legacy)
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        names = {(tool.get("function") or tool.get("custom") or {}).get("name") for tool in allowed["tools"]}
        left = tuple(tool for tool in tools if tool.name in names)
        return ToolRules(allowed["mode"], left, parallel, legacy) if left else ToolRules()
    name = (choice.get("function") or choice.get("custom") or choice)["name"]
    return ToolRules("named", tuple(tool for tool in tools if tool.name == name)[:1], parallel, legacy)


def custom_input(arguments: str) -> str:
    """A custom tool's input, which the model has written as the only argument of a function."""
    return str(msgspec.json.decode(arguments)["input"])


def _tool(tool: Mapping[str, Any], param: str) -> Tool:
    if tool["type"] == "function":
        return _function(tool["function"], f"{param}.function")
    custom = tool["custom"]
    if (custom.get("format") or {}).get("type") == "grammar":
        raise Unsupported("Local models don't support custom tools with a grammar.", param=f"{param}.custom.format")
    return Tool(custom["name"], CUSTOM_INPUT, _definition(custom, CUSTOM_INPUT), f"{param}.custom", custom=True)


def _function(function: Mapping[str, Any], param: str) -> Tool:
    schema = function.get("parameters") or NO_ARGUMENTS
    return Tool(
        function["name"],
        schema,
        _definition(function, schema),
        f"{param}.parameters",
        strict=bool(function.get("strict")),
    )


def _definition(said: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": said["name"], "description": said.get("description") or "", "parameters": schema}
    return {"type": "function", "function": function}


def definitions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    return [tool.definition for tool in tools]
