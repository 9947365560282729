"""The items of a response's input: which kinds there are, what each needs, and how calls and their outputs belong together.

One pass. Items of tools that a provider runs are let pass as they came: who can't read them says so later, by name.
Source: the schema `InputItem` of OpenAI's description; sentences as OpenAI answers them.
"""

from typing import Any

from waystation.errors import InvalidRequest
from waystation.wire import words

Item = dict[str, Any]
CALL_ID_CHARS_MAX = 64
STATUSES = ("in_progress", "completed", "incomplete")

# What each kind needs, by name: "text" a string, "id" a short one, "list" an array, "output" a string or parts.
_NEEDS: dict[str, dict[str, str]] = {
    "message": {},
    "function_call": {"call_id": "id", "name": "text", "arguments": "text"},
    "function_call_output": {"call_id": "id", "output": "output"},
    "custom_tool_call": {"call_id": "id", "name": "text", "input": "text"},
    "custom_tool_call_output": {"call_id": "id", "output": "output"},
    "reasoning": {"summary": "list"},
    "item_reference": {"id": "text"},
    "compaction": {"encrypted_content": "text"},
    "compaction_trigger": {},
    "additional_tools": {"tools": "list"},
    "file_search_call": {"id": "text"},
    "web_search_call": {},
    "image_generation_call": {"id": "text"},
    "code_interpreter_call": {"id": "text"},
    "computer_call": {"call_id": "id"},
    "computer_call_output": {"call_id": "id"},
    "local_shell_call": {"call_id": "id"},
    "local_shell_call_output": {},
    "shell_call": {"call_id": "id"},
    "shell_call_output": {"call_id": "id"},
    "apply_patch_call": {"call_id": "id"},
    "apply_patch_call_output": {"call_id": "id"},
    "mcp_list_tools": {"server_label": "text"},
    "mcp_approval_request": {"id": "text"},
    "mcp_approval_response": {"approval_request_id": "text"},
    "mcp_call": {"id": "text"},
    "tool_search_call": {},
    "tool_search_output": {},
    "program": {},
    "program_output": {},
}
KINDS = tuple(_NEEDS)
_ROLES = ("assistant", "system", "developer", "user")
_READ_PARTS = ("input_text", "input_image", "input_file")
_SAID_PARTS = ("output_text", "refusal")
_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}
_OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def check_items(items: list[Item]) -> None:
    """Raise InvalidRequest for an item of no kind, or without what its kind needs."""
    seen: set[str] = set()
    for at, item in enumerate(items):
        param = f"input[{at}]"
        kind = kind_of(item)
        needs = _NEEDS.get(kind)
        if needs is None:
            raise not_among(kind, KINDS, f"{param}.type")
        if kind == "message":
            _check_message(item, param)
        for name, form in needs.items():
            _check_member(item, name, form, f"{param}.{name}")
        own = item.get("id")
        if isinstance(own, str) and own and kind != "item_reference":
            if own in seen:
                raise InvalidRequest(
                    f"Duplicate item found with id {words.shown(own)}. Remove duplicate items from your input and try again.",
                    param="input",
                )
            seen.add(own)


def check_calls(items: list[Item]) -> None:
    """Raise InvalidRequest for an output without its call, or a call without its output.

    `items` is all that the model is to read, so what a call refers to has to be in it already.
    """
    waiting: dict[tuple[str, str], None] = {}
    called: set[tuple[str, str]] = set()
    for item in items:
        kind = kind_of(item)
        if kind in _CALLS:
            called.add((kind, item["call_id"]))
            waiting[kind, item["call_id"]] = None
        elif kind in _OUTPUTS:
            call = (_OUTPUTS[kind], item["call_id"])
            if call not in called:
                raise InvalidRequest(
                    f"No tool call found for {_CALLS[call[0]]} output with call_id {words.shown(call[1])}.",
                    param="input",
                )
            waiting.pop(call, None)
    for kind, call_id in waiting:
        raise InvalidRequest(f"No tool output found for {_CALLS[kind]} {words.shown(call_id)}.", param="input")


def check_call(item: Item, param: str) -> None:
    """Raise InvalidRequest for a tool's call or output without what it needs; other items are let pass."""
    kind = kind_of(item)
    if kind in _CALLS or kind in _OUTPUTS:
        for name, form in _NEEDS[kind].items():
            _check_member(item, name, form, f"{param}.{name}")


def kind_of(item: Item) -> str:
    """The type of an item: a message may leave it out, and so may a reference, which has nothing but an id."""
    kind = item.get("type")
    if kind is None:
        return "message" if "role" in item or "id" not in item else "item_reference"
    return kind if isinstance(kind, str) else str(kind)


def _check_message(item: Item, param: str) -> None:
    role = item.get("role")
    if role is None:
        raise missing(f"{param}.role")
    if role not in _ROLES:
        raise not_among(role, _ROLES, f"{param}.role")
    content = item.get("content")
    if content is None:
        raise missing(f"{param}.content")
    _check_parts(content, _SAID_PARTS if role == "assistant" else _READ_PARTS, f"{param}.content")


def _check_member(item: Item, name: str, form: str, param: str) -> None:
    value = item.get(name)
    if value is None:
        raise missing(param)
    if form == "output":
        _check_parts(value, _READ_PARTS, param)
    elif form == "list":
        if not isinstance(value, list):
            raise wrong_type(value, "an array", param)
    elif not isinstance(value, str):
        raise wrong_type(value, "a string", param)
    elif form == "id":
        _check_call_id(value, param)


def _check_call_id(value: str, param: str) -> None:
    if not value:
        raise InvalidRequest(
            f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            param=param,
            code="empty_string",
        )
    if len(value) > CALL_ID_CHARS_MAX:
        raise InvalidRequest(
            f"Invalid '{param}': string too long. Expected a string with maximum length {CALL_ID_CHARS_MAX}, "
            f"but got a string with length {len(value)} instead.",
            param=param,
            code="string_above_max_length",
        )


def _check_parts(content: Any, kinds: tuple[str, ...], param: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong_type(content, "one of a string or an array of objects", param)
    for at, part in enumerate(content):
        if not isinstance(part, dict):
            raise wrong_type(part, "an object", f"{param}[{at}]")
        kind = part.get("type")
        if kind is None:
            raise missing(f"{param}[{at}].type")
        if kind not in kinds:
            raise not_among(kind, kinds, f"{param}[{at}].type")
        _check_part(part, kind, f"{param}[{at}]")


def _check_part(part: Item, kind: str, param: str) -> None:
    if kind in ("input_text", "output_text"):
        _check_text(part, "text", param)
    elif kind == "refusal":
        _check_text(part, "refusal", param)
    elif kind == "input_image":
        _check_source(part, ("image_url", "file_id"), param)
        detail = part.get("detail")
        if detail is not None and detail not in ("low", "high", "auto", "original"):
            raise not_among(detail, ("low", "high", "auto", "original"), f"{param}.detail")
    else:
        _check_source(part, ("file_id", "file_data", "file_url"), param)
        if part.get("filename") is not None:
            _check_text(part, "filename", param)


def _check_text(part: Item, name: str, param: str) -> None:
    value = part.get(name)
    if value is None:
        raise missing(f"{param}.{name}")
    if not isinstance(value, str):
        raise wrong_type(value, "a string", f"{param}.{name}")


def _check_source(part: Item, names: tuple[str, ...], param: str) -> None:
    given = [name for name in names if part.get(name) is not None]
    if not given:
        raise missing(f"{param}.{names[0]}")
    for name in given:
        _check_text(part, name, param)


def missing(param: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(value: Any, expected: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got {words.got(value)} instead.",
        param=param,
        code="invalid_type",
    )


def not_among(value: Any, known: tuple[str, ...], param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value: '{words.shown(value)}'. Supported values are: {words.listed(known, 'and')}.",
        param=param,
        code="invalid_value",
    )
