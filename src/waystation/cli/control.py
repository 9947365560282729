"""The control plane for a command: the API's own handlers, run on the database itself, server or no server.

So a command refuses what the API refuses, and its `--json` is what the API answers.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, books, settings_of
from waystation.cli.words import say
from waystation.wire.money import decimal_of, nano_of

if TYPE_CHECKING:
    from waystation.cli.books import Books
    from waystation.http.v1.control import Control
    from waystation.providers.model import ProviderConfig
    from waystation.providers.probing import Report

OBJECTS_MAX = 100_000  # that a list reads
PAGE_OBJECTS = 100
SECONDS_A_DAY = 86_400

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        metavar="O",
        help=say("Organization, by name or id. Default: the first.", "组织名称或 id，默认为第一个组织。"),
    ),
]


class Plane:
    """Asks the handlers, as an administrator of the first organization."""

    def __init__(self, control: "Control", opened: "Books") -> None:
        # Imported here, as all that is slower than most commands: SQLAlchemy comes with it.
        from waystation.http.v1.table import RESOURCES

        self._control = control
        self._books = opened
        self._handlers = {resource.name: resource.handle for resource in RESOURCES}
        self._first = opened.first()[0]

    def ask(
        self,
        name: str,
        body: Any = None,
        *,
        organization_id: str = "",
        query: dict[str, str] | None = None,
        project_id: str = "",
        **path: str,
    ) -> Any:
        """What the API's operation of this name answers, as plain data. `project_id`: asked by a key of that project; of
        operations on projects it is part of the path. Raises ApiError."""
        import msgspec

        from waystation.http.v1.control import Asked
        from waystation.terms import Caller

        asked = Asked(
            caller=Caller("command", project_id, self._first.id, admin=True),
            organization_id=organization_id or self._first.id,
            path={**path, "project_id": project_id},
            query=query or {},
            body=msgspec.json.encode(body),
        )
        return msgspec.to_builtins(asyncio.run(self._run(name, asked)))

    async def _run(self, name: str, asked: Any) -> Any:
        return await self._handlers[name](self._control, asked)

    def run(self, work: Callable[["Control"], Coroutine[Any, Any, Any]]) -> Any:
        """What takes more than a handler; its answer as plain data. Raises ApiError."""
        import msgspec

        return msgspec.to_builtins(asyncio.run(work(self._control)))

    def every(
        self, name: str, *, organization_id: str = "", project_id: str = "", query: dict[str, str] | None = None
    ) -> list[Any]:
        """All objects of a list, the oldest first."""
        found: list[Any] = []
        while len(found) < OBJECTS_MAX:
            asked = {"order": "asc", "limit": str(PAGE_OBJECTS), **(query or {})}
            if found:
                asked["after"] = found[-1]["id"]
            page = self.ask(name, organization_id=organization_id, project_id=project_id, query=asked)
            found += page["data"]
            if not page["has_more"]:
                break
        return found

    def organization_id(self, wanted: str | None) -> str:
        """An organization by id or name. Raises CommandError."""
        return _named(lambda: self._books.organization(wanted).id)

    def project_id(self, wanted: str | None, organization: str | None) -> str:
        """A project by id or name. Raises CommandError."""
        return _named(lambda: self._books.project(wanted, organization).id)


def _named(find: Any) -> str:
    try:
        return str(find())
    except LookupError as error:
        raise CommandError(str(error.args[0])) from None


async def _nobody_follows() -> None:
    """A command answers no calls; workers look for changes themselves."""


async def _try_from_here(config: "ProviderConfig", model: str | None) -> "Report":
    """How far a request to a provider gets from this machine."""
    from waystation.providers.probing import try_provider
    from waystation.runtime.http_clients import Clients

    clients = Clients()
    try:
        return await try_provider(config, clients, model=model)
    finally:
        await clients.close()


@contextmanager
def plane(config: Path | None, data: Path | None) -> Iterator[Plane]:
    """The control plane on the database of these settings, made if need be."""
    from waystation.accounts.service import Accounts
    from waystation.catalogue.service import PriceList
    from waystation.fleet.sealing import SECRET_KEY_FILE, Sealer
    from waystation.fleet.service import Fleet
    from waystation.http.v1.control import Control
    from waystation.http.v1.proving import Prover
    from waystation.inventory import all_models, fixed_fleet
    from waystation.ledger.budgets.service import Budgets
    from waystation.ledger.credit.service import Credit
    from waystation.ledger.rates.service import RateLimits
    from waystation.ledger.verify import verify
    from waystation.providers.cache.service import Cache
    from waystation.runtime.clock import Clock
    from waystation.runtime.ids import Ids
    from waystation.storage.completions.service import StoredCompletions
    from waystation.storage.conversations.service import Conversations
    from waystation.storage.files.model import FileBounds
    from waystation.storage.files.opening import open_files
    from waystation.storage.responses.service import Responses
    from waystation.storage.vault import Vault

    settings = settings_of(config, data)
    fixed = fixed_fleet(settings)
    with books(settings) as opened:
        clock, new_id, database = Clock(), Ids().new, opened.database
        vault = Vault(settings.storage.encryption_key)
        bounds = FileBounds(**{name: getattr(settings.storage, name) for name in FileBounds.__struct_fields__})
        stored = open_files(clock, new_id, database, vault, settings.storage.url, settings.data / "files", bounds)
        control = Control(
            database=database,
            clock=clock,
            accounts=Accounts(clock, new_id),
            budgets=Budgets(clock, new_id),
            credit=Credit(clock, new_id),
            limits=RateLimits(clock, new_id),
            prices=PriceList(clock),
            fleet=Fleet(clock, new_id, Sealer(settings.data / SECRET_KEY_FILE), lambda: fixed),
            responses=Responses(clock, new_id, vault),
            conversations=Conversations(clock, new_id, vault),
            completions=StoredCompletions(clock, new_id, vault),
            files=stored.files,
            uploads=stored.uploads,
            journals=settings.data / "journal",
            models=lambda: all_models(settings, opened.local_models()),
            signup_grant_nano=settings.money.signup_grant_nano,
            prover=Prover(lambda: database.read(verify)),
            follow=_nobody_follows,
            test_provider=_try_from_here,
            forget_answers=Cache(database.read, database.write, clock).purge,
        )
        yield Plane(control, opened)


# -- amounts and times, as they are typed and shown


def amount_nano(text: str, option: str) -> str:
    """An amount that somebody typed, as the API takes it. Raises CommandError."""
    try:
        return str(nano_of(text))
    except ValueError as error:
        raise CommandError(f"{option} {error}", code=USAGE) from None


def shown(nano: str | None, currency: str) -> str:
    """12.50 USD, and a dash for what isn't known."""
    return "-" if nano is None else f"{decimal_of(int(nano))} {currency}"


def day(at: int | None) -> str:
    """A time as a day in UTC, and a dash for never."""
    return "-" if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))


def in_days(days: int | None) -> int | None:
    return None if days is None else int(time.time()) + days * SECONDS_A_DAY
