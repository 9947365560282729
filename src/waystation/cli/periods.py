"""Times as people type them, in a time zone: a month, a day, a moment."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from waystation.cli.common import USAGE, CommandError
from waystation.cli.words import say

if TYPE_CHECKING:
    from waystation.accounts.model import Organization
    from waystation.cli.books import Books

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        metavar="O",
        help=say("Organization, by name or id; default: the first.", "组织名称或 id，默认为第一个。"),
    ),
]
FROM_HELP = say(
    "From when: 2026-11, 2026-11-24, 2026-11-24T09:30 or UTC seconds, in the organization's time zone.",
    "起始时间：2026-11、2026-11-24、2026-11-24T09:30 或 UTC 秒数，按组织的时区。",
)
UNTIL_HELP = say("Until when, not included.", "结束时间（不含）。")

_MONTH = re.compile(r"\d{4}-\d{2}\Z")
_SECONDS = re.compile(r"\d{1,11}\Z")


def moment(text: str, time_zone: str, option: str) -> int:
    """UTC seconds. A month or a day stands for its beginning; a moment without a zone is one of `time_zone`."""
    if text.isascii() and _SECONDS.match(text):
        return int(text)
    try:
        read = datetime.fromisoformat(f"{text}-01" if _MONTH.match(text) else text)
        if read.tzinfo is None:
            read = read.replace(tzinfo=ZoneInfo(time_zone))
        return int(read.timestamp())
    except (ValueError, OverflowError):
        raise CommandError(
            say(
                f"{option} is {text[:40]!r}; it must be like 2026-11, 2026-11-24, 2026-11-24T09:30 or UTC seconds.",
                f"{option} 为 {text[:40]!r}，应形如 2026-11、2026-11-24、2026-11-24T09:30 或 UTC 秒数。",
            ),
            USAGE,
        ) from None


def shown(at: int, time_zone: str) -> str:
    """A moment as it is printed: a day where one begins, else to the minute."""
    read = datetime.fromtimestamp(at, ZoneInfo(time_zone))
    return read.strftime("%Y-%m-%d" if (read.hour, read.minute) == (0, 0) else "%Y-%m-%d %H:%M")


def month_around(at: int, time_zone: str) -> tuple[int, int]:
    """The beginning of the month that a time is in, and of the next."""
    read = datetime.fromtimestamp(at, ZoneInfo(time_zone))
    first = read.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()), int(after.timestamp())


def organization_of(accounts: "Books", wanted: str | None) -> "Organization":
    """The organization that is meant. Raises CommandError."""
    try:
        return accounts.organization(wanted)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from None
