"""Lists as OpenAI shapes them: a page of objects, and how to ask for the next one."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from waystation.errors import InvalidRequest
from waystation.wire.answers import Shape

LIMIT_DEFAULT, LIMIT_MAX = 20, 100
TIME_MAX = 253_402_300_799  # the end of the year 9999
_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_TIME = re.compile(r"[0-9]{1,12}")


class Listing(Shape, frozen=True, kw_only=True):
    """Base of lists; each has its own `data`."""

    object: Literal["list"] = "list"
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(Shape, frozen=True, kw_only=True):
    """What is answered to DELETE."""

    object: str
    id: str
    deleted: Literal[True] = True


class Page(NamedTuple):
    """Which page is asked for: what comes after an id, or right before one, in which order."""

    after: str
    limit: int
    ascending: bool
    before: str = ""

    @property
    def cursor(self) -> str:
        """Where reading begins; "" at an end."""
        return self.after or self.before

    @property
    def reads_ascending(self) -> bool:
        """In which order rows are read: those before an id are read from it backwards, so that the nearest are found."""
        return self.ascending != bool(self.before)

    @property
    def rows_max(self) -> int:
        """One more than is shown, which tells whether there are more."""
        return self.limit + 1


L = TypeVar("L", bound=Listing)
Listed = TypeVar("Listed")


def listing(kind: Callable[..., L], page: Page, objects: Sequence[Any]) -> L:
    """A page of what was found for it: at most `page.rows_max` objects, each with an id."""
    shown = shown_of(page, objects)
    ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
    return kind(data=shown, has_more=len(objects) > page.limit, **ends)


def shown_of(page: Page, read: Sequence[Listed]) -> list[Listed]:
    """What of the rows that were read is on the page, in the page's order."""
    some = list(read[: page.limit])
    return some[::-1] if page.before else some


def is_id(text: str) -> bool:
    """Whether it can be an id at all; nothing else is looked up."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether it can be the name of a model, a deployment or a route: an id that may have a / in it."""
    return _NAME.fullmatch(text) is not None


def part_of(page: Page, objects: Sequence[Listed], key: Callable[[Listed], str]) -> list[Listed]:
    """The objects of a page, of all that there are, in the order of their keys; one more than is shown."""
    objects = [each for each in objects if not page.cursor or (key(each) > page.cursor) == page.reads_ascending]
    objects = [each for each in objects if key(each) != page.cursor]
    return (objects if page.reads_ascending else objects[::-1])[: page.rows_max]


def read_page(query: Mapping[str, str], is_cursor: Callable[[str], bool] = is_id, order: str = "desc") -> Page:
    """`after`, `before`, `limit` and `order` of a query. `is_cursor`: what a cursor can be; `order`: when none is asked
    for. Raises InvalidRequest."""
    after, limit = read_id(query, "after", is_cursor), read_limit(query, LIMIT_DEFAULT, LIMIT_MAX)
    before = read_id(query, "before", is_cursor)
    if after and before:
        raise InvalidRequest("Send 'after' or 'before', not both.", param="before")
    order = query.get("order", order)
    if order not in ("asc", "desc"):
        raise InvalidRequest("Invalid 'order': it is 'asc' or 'desc'.", param="order")
    return Page(after, limit, order == "asc", before)


def read_limit(query: Mapping[str, str], default: int, most: int) -> int:
    """How much is to be on a page. Raises InvalidRequest."""
    limit = query.get("limit", str(default))
    if not _DIGITS.fullmatch(limit) or not 1 <= int(limit) <= most:
        raise InvalidRequest(f"Invalid 'limit': it is a whole number from 1 to {most}.", param="limit")
    return int(limit)


def read_id(query: Mapping[str, str], name: str, is_cursor: Callable[[str], bool] = is_id) -> str:
    """An id of a query; empty when it is left out. Raises InvalidRequest."""
    value = query.get(name, "")
    if value and not is_cursor(value):
        raise InvalidRequest(f"Invalid '{name}': it is the id of an object of this list.", param=name)
    return value


def read_time(query: Mapping[str, str], name: str) -> int | None:
    """A time of a query in UTC seconds; None when it is left out. Raises InvalidRequest."""
    value = query.get(name)
    if value is None:
        return None
    if not _TIME.fullmatch(value) or int(value) > TIME_MAX:
        raise InvalidRequest(f"Invalid '{name}': it is a time in whole UTC seconds.", param=name)
    return int(value)


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """A yes or no of a query; no when it is left out. Raises InvalidRequest."""
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise InvalidRequest(f"Invalid '{name}': it is 'true' or 'false'.", param=name)
    return value == "true"
