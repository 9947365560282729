"""Items of conversations and responses as they are kept and shown: each with an id, and in the form that OpenAI answers with.

Which fields the kinds of items have: ConversationItem of OpenAI's description.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from waystation.errors import InvalidRequest
from waystation.wire.listing import is_id
from waystation.wire.response_items import check_call

Item = dict[str, Any]

PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "reasoning": "rs_",
    "compaction": "cmp_",
    "file_search_call": "fs_",
    "web_search_call": "ws_",
    "image_generation_call": "ig_",
    "code_interpreter_call": "ci_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "tool_search_call": "tsc_",
    "tool_search_output": "tso_",
    "additional_tools": "at_",
    "program": "prg_",
    "program_output": "prgo_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "mcp_list_tools": "mcpl_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
    "mcp_call": "mcp_",
}
"""The kinds that there are, and how their ids begin."""
_WITHOUT_STATUS = frozenset(
    (
        "reasoning",
        "compaction",
        "additional_tools",
        "program",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "custom_tool_call",
        "custom_tool_call_output",
    )
)
_ROLES = ("user", "assistant", "system", "developer")
INCLUDES = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)


def kind_of(item: Item) -> str:
    """A message may leave its type out."""
    kind = item.get("type", "message" if "role" in item else "")
    return kind if isinstance(kind, str) else ""


def check_item(item: Item, param: str) -> None:
    """Raises InvalidRequest for what can't be kept: an unknown kind, a reference, a message or a call without what it needs."""
    kind = kind_of(item)
    if kind == "item_reference":
        raise InvalidRequest(
            "An item_reference can't be added to a conversation. Send the item itself.",
            param=f"{param}.type",
            code="invalid_value",
        )
    if kind not in PREFIXES:
        shown = str(item.get("type", ""))[:80]
        kinds = ", ".join(f"'{each}'" for each in PREFIXES)
        raise InvalidRequest(
            f"Invalid value: '{shown}'. Supported values are: {kinds}.", param=f"{param}.type", code="invalid_value"
        )
    if kind == "message":
        _check_message(item, param)
    check_call(item, param)


def _check_message(item: Item, param: str) -> None:
    if item.get("role") not in _ROLES:
        raise InvalidRequest(
            f"Invalid value: '{str(item.get('role', ''))[:80]}'. Supported values are: "
            "'user', 'assistant', 'system', and 'developer'.",
            param=f"{param}.role",
            code="invalid_value",
        )
    content = item.get("content")
    if isinstance(content, list):
        for at, part in enumerate(content):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise InvalidRequest(
                    f"Missing required parameter: '{param}.content[{at}].type'.",
                    param=f"{param}.content[{at}].type",
                    code="missing_required_parameter",
                )
    elif not isinstance(content, str):
        raise InvalidRequest(
            f"Missing required parameter: '{param}.content'.",
            param=f"{param}.content",
            code="missing_required_parameter",
        )


def resource(item: Item, new_id: Callable[[str], str], taken: Collection[str] = ()) -> Item:
    """A checked item as it is kept. Its own id stays if it can be one of its kind and isn't `taken`."""
    kind = kind_of(item)
    made = {name: value for name, value in item.items() if value is not None or name not in ("id", "status")}
    made["type"] = kind
    asked = item.get("id")
    fits = isinstance(asked, str) and is_id(asked) and asked.startswith(PREFIXES[kind])
    made["id"] = asked if fits and asked not in taken else new_id(PREFIXES[kind])
    if kind not in _WITHOUT_STATUS:
        made.setdefault("status", "completed")
    if kind == "message":
        made["content"] = _content(item["content"], "output_text" if item["role"] == "assistant" else "input_text")
    return made


def named_items(items: Sequence[Item], new_id: Callable[[str], str]) -> list[Item]:
    """The items of a request as they are kept. One of a kind that isn't known here stays as it is, but has an id."""
    made: list[Item] = []
    taken: set[str] = set()
    for item in items:
        try:
            check_item(item, "input")
        except InvalidRequest:
            given = item.get("id")
            fits = isinstance(given, str) and is_id(given) and given not in taken
            made.append(item | {"id": given if fits else new_id("item_")})
        else:
            made.append(resource(item, new_id, taken))
        taken.add(made[-1]["id"])
    return made


def _content(content: str | list[Item], kind: str) -> list[Item]:
    parts = [{"type": kind, "text": content}] if isinstance(content, str) else content
    return [_DEFAULTS.get(part["type"], {}) | part for part in parts]


_DEFAULTS: dict[str, Item] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}


def shown(item: Item, include: Collection[str]) -> Item:
    """An item as it is answered: what has to be asked for with `include` is left out unless it was."""
    kind = item["type"]
    made = dict(item)
    if kind == "message" and isinstance(item.get("content"), list):
        made["content"] = [_shown_part(part, include) for part in item["content"]]
    elif kind == "reasoning" and "reasoning.encrypted_content" not in include:
        made.pop("encrypted_content", None)
    elif kind == "code_interpreter_call" and "code_interpreter_call.outputs" not in include:
        made["outputs"] = None
    elif kind == "file_search_call" and "file_search_call.results" not in include:
        made["results"] = None
    elif kind == "web_search_call" and "web_search_call.action.sources" not in include:
        made = _without(made, "action", "sources")
    elif kind == "computer_call_output" and "computer_call_output.output.image_url" not in include:
        made = _without(made, "output", "image_url")
    return made


def _without(item: Item, member: str, name: str) -> Item:
    """Without this field of a member, where that is an object."""
    held = item.get(member)
    return item | {member: {key: held[key] for key in held if key != name}} if isinstance(held, dict) else item


def _shown_part(part: Item, include: Collection[str]) -> Item:
    if part.get("type") == "output_text" and "message.output_text.logprobs" not in include:
        return part | {"logprobs": []}
    if part.get("type") == "input_image" and "message.input_image.image_url" not in include:
        return part | {"image_url": None}
    return part


def read_include(values: Collection[str]) -> frozenset[str]:
    """What was asked for with `include`. Raises InvalidRequest."""
    for value in values:
        if value not in INCLUDES:
            listed = ", ".join(f"'{each}'" for each in INCLUDES)
            raise InvalidRequest(
                f"Invalid value: '{value[:80]}'. Supported values are: {listed}.", param="include", code="invalid_value"
            )
    return frozenset(values)
