"""Tools, the choice among them and the format of the answer: their shapes and the rules between them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, field

from waystation.errors import InvalidRequest
from waystation.wire import words
from waystation.wire.messages import Plain
from waystation.wire.strict_schema import refuse_loose_schema, refuse_other_than_object

TOOLS_MAX = 128
NAME_CHARS_MAX = 64
# A JSON Schema as it came; empty where it was left out.
FreeForm = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
FunctionName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern="^[a-zA-Z0-9_-]+$")]


class FunctionDefinition(Plain, frozen=True, gc=False):
    name: FunctionName
    description: str | None = None
    parameters: FreeForm = field(default_factory=Raw)
    strict: bool | None = None


class FunctionTool(Plain, frozen=True, gc=False, tag_field="type", tag="function"):
    function: FunctionDefinition


class Grammar(Plain, frozen=True, gc=False):
    definition: str
    syntax: Literal["lark", "regex"]


class TextFormat(Plain, frozen=True, gc=False, tag_field="type", tag="text"):
    pass


class GrammarFormat(Plain, frozen=True, gc=False, tag_field="type", tag="grammar"):
    grammar: Grammar


class CustomDefinition(Plain, frozen=True, gc=False):
    name: FunctionName
    description: str | None = None
    format: TextFormat | GrammarFormat | None = None


class CustomTool(Plain, frozen=True, gc=False, tag_field="type", tag="custom"):
    custom: CustomDefinition


Tools = Annotated[
    list[FunctionTool | CustomTool], Meta(min_length=1, max_length=TOOLS_MAX, extra={"says": "an array of objects"})
]


class Named(Plain, frozen=True, gc=False):
    name: str


class FunctionChoice(Plain, frozen=True, gc=False, tag_field="type", tag="function"):
    function: Named


class CustomChoice(Plain, frozen=True, gc=False, tag_field="type", tag="custom"):
    custom: Named


class AllowedTool(Plain, frozen=True, gc=False):
    type: Literal["function", "custom"]
    function: Named | None = None
    custom: Named | None = None


class AllowedTools(Plain, frozen=True, gc=False):
    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class AllowedToolsChoice(Plain, frozen=True, gc=False, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedToolsChoice


class LegacyFunction(Plain, frozen=True, gc=False):
    """A function in the deprecated `functions`."""

    name: FunctionName
    description: str | None = None
    parameters: FreeForm = field(default_factory=Raw)


Functions = Annotated[
    list[LegacyFunction], Meta(min_length=1, max_length=TOOLS_MAX, extra={"says": "an array of function definitions"})
]


class SchemaFormat(Plain, frozen=True, gc=False):
    name: FunctionName
    description: str | None = None
    schema: FreeForm = field(default_factory=Raw)
    strict: bool | None = None


class JsonSchema(Plain, frozen=True, gc=False, tag_field="type", tag="json_schema"):
    json_schema: SchemaFormat


class JsonObject(Plain, frozen=True, gc=False, tag_field="type", tag="json_object"):
    pass


class JustText(Plain, frozen=True, gc=False, tag_field="type", tag="text"):
    pass


ResponseFormat = JsonObject | JsonSchema | JustText


def check_tools(tools: list[FunctionTool | CustomTool]) -> None:
    """Raise InvalidRequest where a tool's parameters are no object, or not as strict as it says."""
    for index, tool in enumerate(tools):
        if type(tool) is FunctionTool and tool.function.parameters:
            function = tool.function
            param = f"tools[{index}].function.parameters"
            schema = _schema(function.parameters, param)
            if schema is not None:
                what = f"function '{function.name}'"
                refuse_other_than_object(schema, what, param, "invalid_function_parameters")
                if function.strict:
                    refuse_loose_schema(schema, what, param, "invalid_function_parameters")


def check_choice(choice: Any, tools: list[FunctionTool | CustomTool]) -> None:
    """Raise InvalidRequest where a tool is chosen that is not among the tools."""
    if type(choice) is str or choice is None:
        return
    functions = {tool.function.name for tool in tools if type(tool) is FunctionTool}
    customs = {tool.custom.name for tool in tools if type(tool) is CustomTool}
    if type(choice) is FunctionChoice:
        _refuse_unnamed(choice.function, functions, "function", "tool_choice", "tools")
    elif type(choice) is CustomChoice:
        _refuse_unnamed(choice.custom, customs, "custom tool", "tool_choice", "tools")
    else:
        for allowed in choice.allowed_tools.tools:
            if allowed.type == "function":
                _refuse_unnamed(allowed.function, functions, "function", "tool_choice", "tools")
            else:
                _refuse_unnamed(allowed.custom, customs, "custom tool", "tool_choice", "tools")


def check_functions(functions: list[LegacyFunction], choice: Any) -> None:
    """The same for the deprecated `functions` and `function_call`."""
    for index, function in enumerate(functions):
        if function.parameters:
            _schema(function.parameters, f"functions[{index}].parameters")
    if type(choice) is Named:
        _refuse_unnamed(choice, {function.name for function in functions}, "function", "function_call", "functions")


def check_schema_format(given: SchemaFormat) -> None:
    """Raise InvalidRequest where a strict json_schema is missing or is not strict."""
    param = "response_format.json_schema.schema"
    schema = _schema(given.schema, param) if given.schema else None
    if not given.strict:
        return
    if schema is None:
        raise InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    what = f"response_format '{given.name}'"
    refuse_other_than_object(schema, what, "response_format", None)
    refuse_loose_schema(schema, what, "response_format", None)


def _schema(raw: Raw, param: str) -> dict[str, Any] | None:
    """A free-form schema as an object; null counts as left out."""
    try:
        schema = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # it is JSON, so that can only be a number that no double holds
        raise InvalidRequest(f"Invalid '{param}': number out of range.", param=param, code="invalid_value") from None
    if schema is None or isinstance(schema, dict):
        return schema
    raise InvalidRequest(
        f"Invalid type for '{param}': expected an object, but got {words.got(schema)} instead.",
        param=param,
        code="invalid_type",
    )


def _refuse_unnamed(named: Named | None, known: set[str], noun: str, param: str, among: str) -> None:
    name = named.name if named else ""
    if name not in known:
        raise InvalidRequest(
            f"Invalid value for '{param}': no {noun} named '{words.shown(name)}' "
            f"was specified in the '{among}' parameter.",
            param=param,
        )
