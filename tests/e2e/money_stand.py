"""A server with money to spend, in front of an upstream that keeps its own meter; and the books, to compare the two."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, insert, update

from tests.e2e.money_client import MODEL
from tests.e2e.running import Running, fake_upstream, serving, tail
from waystation import tables
from waystation.accounts.service import PROJECTS, Accounts
from waystation.cli.books import Books
from waystation.cli.keys import wait_until_known
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.credit.service import Credit
from waystation.ledger.rates.service import RateLimits
from waystation.ledger.replay import Left, read_left
from waystation.runtime.clock import Clock
from waystation.runtime.ids import Ids
from waystation.testing.upstream import Reading, readings

T = TypeVar("T")

INPUT_NANO, OUTPUT_NANO = 1_000, 10_000  # for a token: 1 USD and 10 USD for a million
LONG, LONGEST = "words-400", "words-1200"  # of the latter a hold has to be extended
QUIET_S = 30.0  # after the last call: its settlement posted, dead workers' journals swept
CONFIG = """
[engine]
enabled = false
[providers.metered]
base_url = "{url}/v1"
api_key = "sk-metered-0123456789"
"""
OFFER = """
[models."{name}"]
provider = "metered"
price = {{ currency = "USD", input = "1", output = "10" }}
"""


class Row(NamedTuple):
    """A call as the books have it."""

    request_id: str
    end_user: str | None
    status: str
    input_tokens: int
    output_tokens: int
    estimated: int
    cost_nano: int
    variance_nano: int


class Who(NamedTuple):
    """A caller: its key, and the ids of what budgets may be for."""

    key: str
    key_id: str
    project_id: str
    organization_id: str


@dataclass
class Stand:
    """The server, and what the upstream says that it has seen."""

    server: Running
    meter: Path

    @property
    def url(self) -> str:
        return self.server.url

    # -- the upstream's word

    def readings(self) -> list[Reading]:
        return readings(self.meter)

    def dispatched(self) -> list[str]:
        """The users whose calls reached the upstream, once for each time that they did."""
        return [reading.user or "" for reading in self.readings() if not reading.ended]

    def metered(self) -> dict[str, Reading]:
        """The end of each call at the upstream, by its user."""
        return {reading.user or "": reading for reading in self.readings() if reading.ended}

    def metered_nano(self, *, whole: bool) -> int:
        """What the answers are worth that the upstream has given: whole ones, or all with what was written of them."""
        return sum(cost_of(reading) for reading in self.readings() if reading.ended and (reading.whole or not whole))

    # -- the books' word

    def query(self, sql: str) -> list[tuple[int, ...]]:
        path = self.server.data / "waystation.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(sql).fetchall()

    def rows(self) -> list[Row]:
        return [Row(*row) for row in self.query(f"SELECT {', '.join(Row._fields)} FROM usage")]  # type: ignore[arg-type]

    def journals(self) -> set[int]:
        """The epochs of which there is something in the journal's folder."""
        paths = (self.server.data / "journal").glob("e*")
        return {int(path.name.removeprefix("e").split("-")[0].split(".")[0]) for path in paths}

    def left(self) -> list[Left]:
        """What of each journal is not in the database yet."""
        marks = dict(self.query("SELECT epoch, position FROM journal_marks"))
        return [read_left(self.server.data / "journal", epoch, marks[epoch]) for epoch in self.journals()]

    def open_holds(self) -> int:
        return sum(len(left.open) for left in self.left())

    def pending(self) -> int:
        """Settled, not posted."""
        return sum(len(left.settled) for left in self.left())

    def verify(self) -> None:
        """Raises with what is wrong with the books."""
        self.server.command("ledger", "verify")

    # -- an administrator's verbs: the product's own services on the running server's database

    def change(self, verb: Callable[[Connection], T]) -> T:
        """Run a verb, and wait until all workers know what it has changed."""
        books = Books.open(f"sqlite:///{self.server.data / 'waystation.db'}")
        try:
            made = books.database.write_sync(verb, durable=True)
            wait_until_known(self.server.data, books.last_change())
        finally:
            books.close()
        return made

    def budget(self, who: Who, scope: str, subject: str, cap_nano: int) -> str:
        """A hard budget without a period; returns its id."""
        budgets = Budgets(Clock(), Ids().new)
        return self.change(
            lambda connection: budgets.create(
                connection, who.organization_id, scope=scope, subject=subject, window="total", cap_nano=cap_nano
            )
        ).id

    def limit(self, who: Who, scope: str, subject: str, limits: dict[str, int]) -> None:
        rates = RateLimits(Clock(), Ids().new)
        self.change(lambda connection: rates.set_limit(connection, who.organization_id, scope, subject, None, limits))

    def caller(self, *, credit_nano: int | None = None, drains: bool = False) -> Who:
        """A new organization with a project and a key; prepaid if it is given credit."""
        accounts, credit = Accounts(Clock(), Ids().new), Credit(Clock(), Ids().new)

        def make(connection: Connection) -> Who:
            organization = accounts.create_organization(connection, "Spenders", postpaid=credit_nano is None)
            project = accounts.create_project(connection, organization.id, "Spending")
            if drains:
                mine = update(tables.projects).where(tables.projects.c.id == project.id)
                connection.execute(mine.values(on_disconnect="drain"))
            made = accounts.create_key(connection, project.id, "spender")
            if credit_nano is not None:
                credit.grant(connection, organization.id, credit_nano)
            return Who(made.secret, made.key.id, project.id, organization.id)

        return self.change(make)

    def archive(self, project_id: str) -> None:
        def archive(connection: Connection) -> None:
            now = int(time.time())
            mine = update(tables.projects).where(tables.projects.c.id == project_id)
            connection.execute(mine.values(archived_at=now))
            connection.execute(insert(tables.changes).values(topic=PROJECTS, subject=project_id, at=now))

        self.change(archive)

    # -- the end

    async def quiet(self) -> None:
        """Wait until no hold is open and everything that was settled is posted, dead workers' calls too."""
        try:
            await until(self.is_quiet, QUIET_S, "all calls posted")
        except AssertionError as error:
            marks = self.query("SELECT epoch, slot FROM journal_marks WHERE closed_at IS NULL")
            left = (
                f"journals {self.journals()}, not closed {marks}, {self.open_holds()} holds, {self.pending()} pending"
            )
            raise AssertionError(f"{error}: {left}\n{tail(self.server.log)}") from None

    def is_quiet(self) -> bool:
        """Each worker has its journal, and there is no other. (One killed before it had a journal has a number only.)"""
        numbers = {epoch for (epoch,) in self.query("SELECT epoch FROM journal_marks WHERE closed_at IS NULL")}
        journals = self.journals()
        if len(journals) != len(self.server.current_worker_pids()) or not journals <= numbers:
            return False
        return self.open_holds() == 0 and self.pending() == 0


def cost_of(reading: Reading) -> int:
    return reading.input_tokens * INPUT_NANO + reading.sent_tokens * OUTPUT_NANO


@contextmanager
def money_stand(
    folder: Path, workers: int, *, pace_ms: float, think_ms: float, module: str = "waystation"
) -> Iterator[Stand]:
    """`pace_ms` lies between two words of the upstream's streams, `think_ms` before its other answers."""
    meter = folder / "meter.jsonl"
    meter.touch()
    options = ("--pace-ms", str(pace_ms), "--think-ms", str(think_ms), "--meter", str(meter))
    with fake_upstream(folder, *options) as upstream:
        config = folder / "waystation.toml"
        offers = [OFFER.format(name=name) for name in (MODEL, LONG, LONGEST)]
        config.write_text("".join([CONFIG.format(url=upstream.url), *offers]))
        with serving(folder / "data", config, workers, module=module) as server:
            yield Stand(server, meter)


async def until(look: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(ValueError, OSError):  # a file that is being written at this moment
            if look():
                return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"no {what} within {seconds} s"
        await asyncio.sleep(0.05)


async def all_of(works: Sequence[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*works))
