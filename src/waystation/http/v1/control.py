"""What the control plane is made of: the services, transactions to run their verbs in, and what a request asks for.

A resource is a file beside this one with handlers `(control, asked) -> answer` and a tuple RESOURCES that says where they
stand. Handlers know nothing of HTTP, so commands run them too (`cli/control.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from waystation.accounts.service import Accounts
from waystation.catalogue.service import PriceList
from waystation.errors import ApiError, Forbidden, NotFound, ServiceUnavailable
from waystation.fleet.service import Fleet
from waystation.http.v1.proving import Prover
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.credit.service import Credit
from waystation.ledger.rates.service import RateLimits
from waystation.providers.model import ProviderConfig
from waystation.storage.completions.service import StoredCompletions
from waystation.storage.conversations.service import Conversations
from waystation.storage.files.service import Files
from waystation.storage.files.uploads import Uploads
from waystation.storage.responses.background import Background
from waystation.storage.responses.counting import InputCounter
from waystation.storage.responses.service import Responses
from waystation.terms import Caller, Model
from waystation.wire.drills import HealthObject
from waystation.wire.listing import Page, is_id, read_flag, read_page, read_time

T = TypeVar("T")

BODY_BYTES_MAX = 64 * 1024
READ_AGAIN_MAX = 2


class Database(Protocol):
    async def read(self, fn: Callable[[Any], T]) -> T: ...
    async def write(self, fn: Callable[[Any], T], *, durable: bool = False) -> T: ...


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_ns(self) -> int: ...


class Report(Protocol):
    """How far a request to a provider got; its hops are shaped as `wire/providers.py:ProviderHop`."""

    @property
    def ok(self) -> bool: ...
    @property
    def hops(self) -> Sequence[Any]: ...


class Control(msgspec.Struct, kw_only=True):
    """The services, and how to run their verbs. What joins later is a field here."""

    database: Database
    clock: Clock
    accounts: Accounts
    budgets: Budgets
    credit: Credit
    limits: RateLimits
    prices: PriceList
    fleet: Fleet
    responses: Responses
    conversations: Conversations
    completions: StoredCompletions
    files: Files
    uploads: Uploads
    models: Callable[[], Mapping[str, Model]]  # those of now, by name
    journals: Path  # the folder: what was settled and is not posted yet
    signup_grant_nano: int
    prover: Prover
    follow: Callable[[], Awaitable[object]]  # has this worker know what was just changed
    forget_answers: Callable[[str], Awaitable[int]]  # the kept answers of a project; how many those were
    # What only a process that answers calls can tell or do; None in others.
    background: Background | None = None
    input_counter: InputCounter | None = None
    test_provider: Callable[[ProviderConfig, str | None], Awaitable[Report]] | None = None
    health: Callable[[], HealthObject] | None = None

    async def read(self, fn: Callable[[Any], T]) -> T:
        """On one snapshot, in a reader thread."""
        return await self.database.read(fn)

    async def read_books(self, fn: Callable[[Any], T]) -> T:
        """What reads the journals along with the tables. They move while it reads, so it may have to read again."""
        for _ in range(READ_AGAIN_MAX):
            with suppress(ServiceUnavailable):
                return await self.read(fn)
        return await self.read(fn)

    async def change(self, fn: Callable[[Any], T]) -> T:
        """All of it or nothing; what it answers has reached the disk, and this worker's calls. Others hear in a second."""
        done = await self.database.write(fn, durable=True)
        with suppress(ApiError):  # it is done all the same, and the worker looks again by itself
            await self.follow()
        return done

    async def is_operator(self, caller: Caller) -> bool:
        """Whether a caller has an admin key of the organization that runs this server."""
        first = await self.read(self.accounts.first_organization)
        return caller.admin and first is not None and caller.organization_id == first.id


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose caller has the access that its URL needs."""

    caller: Caller
    organization_id: str  # whose objects: the caller's own, or those that the operator names
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    pairs: Sequence[tuple[str, str]] = ()  # the query as it came: a name may be there several times
    body: bytes = b""

    @property
    def project_id(self) -> str:
        """Whose objects, where the access is a project's."""
        return self.caller.project_id

    def id(self, name: str) -> str:
        """An id of the path. Raises NotFound for what can't be one."""
        value = self.path[name]
        if not is_id(value):
            raise NotFound(f"There is no {name.removesuffix('_id')} {value[:80]!r}.", param=name)
        return value

    def page(self, is_cursor: Callable[[str], bool] = is_id, order: str = "desc") -> Page:
        return read_page(self.query, is_cursor, order)

    def time(self, name: str, default: int) -> int:
        """A time of the query in UTC seconds. Raises InvalidRequest."""
        at = read_time(self.query, name)
        return default if at is None else at

    def values(self, name: str) -> list[str]:
        """All values of a name that may be repeated."""
        return [value for key, value in self.pairs if key == name]

    def flag(self, name: str) -> bool:
        return read_flag(self.query, name)


class File(msgspec.Struct, frozen=True):
    """An answer that isn't JSON."""

    name: str
    media_type: str
    content: bytes


class Json(msgspec.Struct, frozen=True):
    """An answer whose shape is open: what is kept as it came."""

    value: Any


Handle = Callable[[Control, Asked], Awaitable[msgspec.Struct]]


class Query(NamedTuple):
    """A parameter of a URL's query, as the OpenAPI document describes it."""

    name: str
    schema: dict[str, Any]
    says: str


class Resource(NamedTuple):
    """A URL of the control plane and what answers it. Who may ask is in `http/access.py`."""

    method: str
    path: str  # without the prefix of a base URL
    handle: Handle
    name: str  # its operationId
    says: str
    answer: type[msgspec.Struct]
    request: type[msgspec.Struct] | None = None
    query: tuple[Query, ...] = ()
    media_types: tuple[str, ...] = ()  # of a File that it may answer with instead
    body_bytes_max: int = BODY_BYTES_MAX

    @property
    def documented(self) -> str:
        """The path as the OpenAPI document has it: a name that may have a / in it is a name like any other there."""
        return self.path.replace(":path}", "}")


PAGE = (
    Query("after", {"type": "string"}, "The id after which the page begins."),
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Objects on the page."),
    Query("order", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}, "By when they were made."),
)
PAGE_BOTH_WAYS = (*PAGE, Query("before", {"type": "string"}, "The id before which the page ends."))
ORGANIZATION = Query(
    "organization_id", {"type": "string"}, "Another organization than the key's own. Only the operator may name one."
)


def operator_only(what: str) -> Forbidden:
    return Forbidden(
        f"{what} needs an admin key of the first organization, the one that runs this server. "
        "Its administrator makes one with `waystation keys create --admin`."
    )
