"""What the generations of Claude take and refuse, by a model's name.

Names have the version after the family or before it, maybe a date, maybe a cloud's prefix: claude-opus-4-7,
claude-3-7-sonnet-20250219, us.anthropic.claude-haiku-4-5-20251001-v1:0.
Sources (November 2026): https://platform.claude.com/docs/en/build-with-claude/thinking ("Configuring thinking"), …/effort,
…/extended-thinking, …/structured-outputs and …/docs/en/models/{opus,sonnet}-5-5/migration-guide.
"""

import re

import msgspec

_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-(?P<after>\d+)(?:-(?P<minor>\d{1,2}))?(?!\d)|(?P<old>\d)(?:-(?P<older>\d))?-)"
)


class Rules(msgspec.Struct, frozen=True):
    """What a request for a model may say. The defaults are those of a server that is compatible, but no Claude."""

    adaptive: bool = False  # thinks as much as it sees fit; how much is a matter of effort
    budgets: bool = True  # takes a budget for thinking
    efforts: tuple[str, ...] = ()
    thinks_unasked: bool = False
    stops_thinking: bool = True  # thinking can be switched off
    between_tools: bool = False  # the least thinking that it can be told to do
    sampling: bool = True  # temperature, top_p, top_k
    one_of_sampling: bool = False  # either temperature or top_p
    schemas: bool = False  # structured outputs
    forced_tools: bool = True  # tool_choice any and tool


_ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def rules_of(model: str) -> Rules:
    """The rules for a model by its name there. A new Claude is taken to be like the newest that is known."""
    found = _NAME.search(model)
    if found is None:
        return Rules()
    family = found["family"] or ""
    version = (int(found["after"] or found["old"]), int(found["minor"] or found["older"] or 0))
    if version < (4, 6):
        return Rules(
            budgets=version >= (3, 7),
            efforts=("low", "medium", "high") if (family, version) == ("opus", (4, 5)) else (),
            one_of_sampling=version >= (4, 1),
            schemas=version >= (4, 5) or (family, version) == ("opus", (4, 1)),
        )
    if version < (4, 7):
        return Rules(adaptive=True, efforts=("low", "medium", "high", "max"), one_of_sampling=True, schemas=True)
    of_now = version >= (5, 5) or (family in ("fable", "mythos") and version >= (5, 1))
    always = family in ("fable", "mythos") or (family == "opus" and of_now) or (family == "sonnet" and of_now)
    return Rules(
        adaptive=True,
        budgets=False,
        efforts=_ALL_EFFORTS,
        thinks_unasked=version >= (5, 0),
        stops_thinking=not always,
        between_tools=family == "sonnet" and of_now,
        sampling=False,
        schemas=True,
        forced_tools=not of_now,
    )


def nearest_effort(asked: str, efforts: tuple[str, ...]) -> str:
    """The effort that is sent for the one that was asked for: the strongest that is not above it, else the least."""
    if asked in efforts:
        return asked
    place = _ALL_EFFORTS.index(asked) if asked in _ALL_EFFORTS else 0
    return next((each for each in reversed(efforts) if _ALL_EFFORTS.index(each) <= place), efforts[0])
