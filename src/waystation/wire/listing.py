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
    """Which page is asked for: what comes after an id, in which order."""

    after: str
    limit: int
    ascending: bool

    @property
    def rows_max(self) -> int:
        """One more than is shown, which tells whether there are more."""
        return self.limit + 1


L = TypeVar("L", bound=Listing)
Listed = TypeVar("Listed")


def listing(kind: Callable[..., L], page: Page, objects: Sequence[Any]) -> L:
    """A page of what was found for it: at most `page.rows_max` objects, each with an id."""
    shown = list(objects[: page.limit])
    ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
    return kind(data=shown, has_more=len(objects) > page.limit, **ends)


def is_id(text: str) -> bool:
    """Whether it can be an id at all; nothing else is looked up."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether it can be the name of a model, a deployment or a route: an id that may have a / in it."""
    return _NAME.fullmatch(text) is not None


def part_of(page: Page, objects: Sequence[Listed], key: Callable[[Listed], str]) -> list[Listed]:
    """The objects of a page, of all that there are, in the order of their keys."""
    objects = [each for each in objects if not page.after or (key(each) > page.after) == page.ascending]
    objects = [each for each in objects if key(each) != page.after]
    return (objects if page.ascending else objects[::-1])[: page.rows_max]


def read_page(query: Mapping[str, str], is_cursor: Callable[[str], bool] = is_id) -> Page:
    """`after`, `limit` and `order` of a query. `is_cursor`: what `after` can be. Raises InvalidRequest."""
    after, limit = read_id(query, "after", is_cursor), read_limit(query, LIMIT_DEFAULT, LIMIT_MAX)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("Invalid 'order': it is 'asc' or 'desc'.", param="order")
    return Page(after, limit, order == "asc")


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
