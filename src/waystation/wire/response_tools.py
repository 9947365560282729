"""The tools of a response, the choice among them and the format of its text: their shapes and the rules between them.

Tools that a provider runs are known by their type and let pass as they came.
Source: the schemas `Tool`, `ToolChoiceParam` and `TextResponseFormatConfiguration` of OpenAI's description.
"""

import re
from typing import Any

from waystation.errors import InvalidRequest
from waystation.wire.response_items import missing, not_among, wrong_type
from waystation.wire.strict_schema import refuse_loose_schema, refuse_other_than_object

Members = dict[str, Any]
NAME_CHARS_MAX = 128
FORMAT_NAME_CHARS_MAX = 64
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_OWN = ("function", "custom", "namespace")
HOSTED = (
    "file_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "computer",
    "computer_use_preview",
    "code_interpreter",
    "image_generation",
    "mcp",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "programmatic_tool_calling",
)
"""Tools that a provider runs, or that only its models know."""
_CHOICES = ("none", "auto", "required")
_FORMATS = ("text", "json_schema", "json_object")


def check_tools(tools: list[Members]) -> None:
    """Raise InvalidRequest for a tool of no kind, without a name, or with a schema that is none."""
    for at, tool in enumerate(tools):
        param = f"tools[{at}]"
        _check_tool(tool, (*_OWN, *HOSTED), param)
        if tool["type"] == "namespace":
            members = tool.get("tools")
            if members is None:
                raise missing(f"{param}.tools")
            if not isinstance(members, list):
                raise wrong_type(members, "an array of objects", f"{param}.tools")
            for place, member in enumerate(members):
                if not isinstance(member, dict):
                    raise wrong_type(member, "an object", f"{param}.tools[{place}]")
                _check_tool(member, ("function", "custom"), f"{param}.tools[{place}]")


def _check_tool(tool: Members, kinds: tuple[str, ...], param: str) -> None:
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{param}.type")
    if kind not in kinds:
        raise not_among(kind, kinds, f"{param}.type")
    if kind in _OWN:
        _check_name(tool.get("name"), NAME_CHARS_MAX, f"{param}.name")
        description = tool.get("description")
        if description is not None and not isinstance(description, str):
            raise wrong_type(description, "a string", f"{param}.description")
    if kind == "function":
        _check_function(tool, f"{param}.parameters")


def _check_function(tool: Members, param: str) -> None:
    strict, schema = tool.get("strict"), tool.get("parameters")
    if strict is not None and not isinstance(strict, bool):
        raise wrong_type(strict, "a boolean", param.replace(".parameters", ".strict"))
    if schema is None:
        return
    if not isinstance(schema, dict):
        raise wrong_type(schema, "an object", param)
    what = f"function '{tool['name']}'"
    refuse_other_than_object(schema, what, param, "invalid_function_parameters")
    if strict:
        refuse_loose_schema(schema, what, param, "invalid_function_parameters")


def _check_name(name: Any, chars_max: int, param: str) -> None:
    if name is None:
        raise missing(param)
    if not isinstance(name, str):
        raise wrong_type(name, "a string", param)
    if not 0 < len(name) <= chars_max:
        fault = "empty string" if not name else "string too long"
        raise InvalidRequest(
            f"Invalid '{param}': {fault}. Expected a string with a length from 1 to {chars_max}, "
            f"but got a string with length {len(name)} instead.",
            param=param,
            code="empty_string" if not name else "string_above_max_length",
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"Invalid '{param}': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param=param,
            code="invalid_value",
        )


def check_choice(choice: str | Members | None, tools: list[Members], *, more: bool) -> None:
    """Raise InvalidRequest where what is chosen is not among the tools. `more`: the input brings tools, too."""
    if choice is None:
        return
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise not_among(choice, _CHOICES, "tool_choice")
        if choice == "required" and not tools and not more:
            raise InvalidRequest(
                "Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice"
            )
        return
    kind = choice.get("type")
    if kind is None:
        raise missing("tool_choice.type")
    known = (*_OWN[:2], "allowed_tools", *HOSTED, "computer_use")
    if kind not in known:
        raise not_among(kind, known, "tool_choice.type")
    if kind == "allowed_tools":
        _check_allowed(choice, tools, more)
    else:
        _check_chosen(choice, tools, more, "tool_choice")


def _check_allowed(choice: Members, tools: list[Members], more: bool) -> None:
    mode, allowed = choice.get("mode"), choice.get("tools")
    if mode is None:
        raise missing("tool_choice.mode")
    if mode not in ("auto", "required"):
        raise not_among(mode, ("auto", "required"), "tool_choice.mode")
    if allowed is None:
        raise missing("tool_choice.tools")
    if not isinstance(allowed, list):
        raise wrong_type(allowed, "an array of objects", "tool_choice.tools")
    for at, each in enumerate(allowed):
        if not isinstance(each, dict):
            raise wrong_type(each, "an object", f"tool_choice.tools[{at}]")
        _check_chosen(each, tools, more, f"tool_choice.tools[{at}]")


def _check_chosen(chosen: Members, tools: list[Members], more: bool, param: str) -> None:
    kind = chosen.get("type")
    named = {"function": "name", "custom": "name", "mcp": "server_label"}.get(str(kind))
    if named is not None and not isinstance(chosen.get(named), str):
        raise missing(f"{param}.{named}")
    if more:
        return
    for tool in _flat(tools):
        if tool.get("type") == kind and (named is None or tool.get(named) == chosen[named]):
            return
        if kind in ("computer_use", "computer") and str(tool.get("type")).startswith("computer"):
            return
    what = f"'{kind}'" if named is None else f"'{kind}' named '{chosen[named][:NAME_CHARS_MAX]}'"
    raise InvalidRequest(f"Tool choice {what} not found in 'tools' parameter.", param=param)


def _flat(tools: list[Members]) -> list[Members]:
    return [
        each for tool in tools for each in ((tool.get("tools") or []) if tool.get("type") == "namespace" else [tool])
    ]


def check_format(given: Members | None) -> None:
    """Raise InvalidRequest where `text.format` is of no kind, or its schema is missing or not strict though it says so."""
    if given is None:
        return
    kind = given.get("type")
    if kind is None:
        raise missing("text.format.type")
    if kind not in _FORMATS:
        raise not_among(kind, _FORMATS, "text.format.type")
    if kind != "json_schema":
        return
    _check_name(given.get("name"), FORMAT_NAME_CHARS_MAX, "text.format.name")
    schema = given.get("schema")
    if schema is None:
        raise missing("text.format.schema")
    if not isinstance(schema, dict):
        raise wrong_type(schema, "an object", "text.format.schema")
    if given.get("strict"):
        what = f"response_format '{given['name']}'"
        refuse_other_than_object(schema, what, "text.format.schema", "invalid_json_schema")
        refuse_loose_schema(schema, what, "text.format.schema", "invalid_json_schema")
