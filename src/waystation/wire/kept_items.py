"""Items as they are kept and listed: each with an id, a message's text as a list of parts, a status where OpenAI has one."""

import re
from collections.abc import Callable, Sequence
from typing import Any

Item = dict[str, Any]

_ID = re.compile(r"[a-z]{2,12}_[A-Za-z0-9_-]{1,100}")
_PREFIX = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "reasoning": "rs_",
    "compaction": "cmp_",
    "web_search_call": "ws_",
    "file_search_call": "fs_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "code_interpreter_call": "ci_",
    "image_generation_call": "ig_",
    "mcp_list_tools": "mcpl_",
    "mcp_call": "mcp_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
}
_PREFIX_OF_OTHERS = "item_"
_WITH_STATUS = ("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")


def kept_item(item: Item, new_id: Callable[[str], str]) -> Item:
    """An item of a request as OpenAI lists it. An id that the caller sent stays if it can be one."""
    kind = item.get("type") or "message"
    given = item.get("id")
    kept_id = given if isinstance(given, str) and _ID.fullmatch(given) else new_id(_PREFIX.get(kind, _PREFIX_OF_OTHERS))
    kept: Item = {
        "id": kept_id,
        "type": kind,
        **{name: value for name, value in item.items() if name not in ("id", "type")},
    }
    if kind in _WITH_STATUS and kept.get("status") is None:
        kept["status"] = "completed"
    if kind == "message" and isinstance(kept.get("content"), str):
        kept["content"] = [_text(kept.get("role"), kept["content"])]
    return kept


def kept_items(items: Sequence[Item], new_id: Callable[[str], str]) -> list[Item]:
    return [kept_item(item, new_id) for item in items]


def _text(role: Any, text: str) -> Item:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}
