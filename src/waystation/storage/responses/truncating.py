"""`truncation: "auto"`: which items are left out so that the rest fits the model's context. Pure rules."""

from collections.abc import Callable, Sequence
from typing import Any

Item = dict[str, Any]

STEPS = 4  # in which a full context is emptied
ITEM_TOKENS = 8  # at most what a template puts around one item: role, begin, end
_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call")


def fitted(items: Sequence[Item], room: int, count: Callable[[Item], int]) -> list[Item]:
    """The items without the first ones, so that the rest has at most `room` tokens.

    They go a quarter of the room at a time: so what is left begins alike for several turns, and what the model or its
    provider has in its cache of that is of use.

    Instructions among them (system, developer) stay, the newest message of a user stays, and a tool's call and its output
    stay or go together. What must stay may be more than there is room for: then the model's own refusal says so.
    """
    sizes = [count(item) + ITEM_TOKENS for item in items]
    over = sum(sizes) - room
    if over <= 0:
        return list(items)
    step = max(1, room // STEPS)
    over = -(-over // step) * step
    newest = max((at for at, item in enumerate(items) if item.get("role") == "user"), default=len(items) - 1)
    groups = _groups(items)
    gone: set[int] = set()
    for at, item in enumerate(items):
        if over <= 0:
            break
        group = groups.get(_call_id(item), [at])
        if at in gone or max(group) >= newest or item.get("role") in ("system", "developer"):
            continue
        gone.update(group)
        over -= sum(sizes[each] for each in group)
    return [item for at, item in enumerate(items) if at not in gone]


def _groups(items: Sequence[Item]) -> dict[str, list[int]]:
    """Where a call of a tool and its outputs are, by the call's id."""
    found: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        if call_id := _call_id(item):
            found.setdefault(call_id, []).append(at)
    return found


def _call_id(item: Item) -> str:
    kind = item.get("type")
    known = isinstance(kind, str) and (kind in _CALLS or kind.endswith("_call_output"))
    call_id = item.get("call_id") if known else None
    return call_id if isinstance(call_id, str) else ""
