"""Keep a worker's view up to date: load it whole once, then follow the numbered changes of the control plane."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from waystation.accounts import store
from waystation.accounts.service import KEYS, ORGANIZATIONS, PROJECTS
from waystation.errors import ServiceUnavailable
from waystation.terms import Caller

T = TypeVar("T")
Listener = Callable[[Sequence[str]], Awaitable[None]]

POLL_S = 0.2  # a revoked key is refused within a second
CHANGES_PER_BATCH_MAX = 500
CALLERS_PER_BATCH_MAX = 1_000  # put into the view at a time: a third of a millisecond, then the calls have their turn

log = logging.getLogger("waystation.accounts")


class Database(Protocol):
    async def read(self, fn: Callable[[Connection], T]) -> T: ...
    async def version(self) -> int | None: ...


class View(Protocol):
    """What of the view is kept here: the callers, and the number of the last change that it knows."""

    keys: dict[bytes, Caller]
    number: int


class Follower:
    """Brings the view forward. `listeners`: by topic, who wants to hear the subjects of its changes, in order.

    A listener may be told of a change twice (after a fault in the middle of a batch), never not at all.
    `applied` is called whenever the view has got a new number.
    """

    def __init__(
        self,
        database: Database,
        view: View,
        listeners: Mapping[str, Listener],
        *,
        applied: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._view = view
        self._listeners = listeners
        self._applied = applied
        self._version: int | None = None
        self._stepping = asyncio.Lock()
        self.fault: str | None = None  # why the view is behind, while it is; /ready tells

    async def load(self) -> None:
        """Fill the view. Whatever listeners keep is to be read after this, so that no change is missed in between.

        Raises ServiceUnavailable.
        """
        version = await self._database.version()

        def everything(connection: Connection) -> tuple[int, dict[bytes, Caller]]:
            return store.last_change(connection), store.callers(connection)

        number, callers = await self._database.read(everything)
        self._view.keys.clear()
        self._view.keys.update(callers)
        self._view.number = number
        self._version = version  # read before the rows: a change in between is looked for again, never missed

    async def run(self) -> None:
        """Follow until cancelled. A storage fault leaves the view as it was, is reported once, and tried again."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.step()
            except ServiceUnavailable as error:
                if self.fault is None:
                    log.error("the database can't be read, keys and models stay as they were: %s", error.detail)
                self.fault = error.detail or error.message
            except Exception as error:  # nobody is above this task, and without it no key could be revoked any more
                if self.fault != repr(error):
                    log.exception("changes can't be applied, keys and models stay as they were")
                self.fault = repr(error)
            else:
                if self.fault is not None:
                    log.info("the database can be read again")
                self.fault = None

    async def step(self) -> int:
        """Look once, and apply what has changed; returns how many changes. Raises ServiceUnavailable.

        Who has just changed something may step too, so that this worker knows it by the time that it says so.
        """
        async with self._stepping:
            return await self._step()

    async def _step(self) -> int:
        version = await self._database.version()
        if version is not None and version == self._version:
            return 0
        applied = 0
        while changes := await self._changes():
            await self._apply(changes)
            applied += len(changes)
        self._version = version
        return applied

    async def _changes(self) -> list[tuple[int, str, str]]:
        number = self._view.number
        return await self._database.read(
            lambda connection: store.changes_after(connection, number, CHANGES_PER_BATCH_MAX)
        )

    async def _apply(self, changes: Sequence[tuple[int, str, str]]) -> None:
        subjects: dict[str, list[str]] = {}
        for _, topic, subject in changes:
            subjects.setdefault(topic, []).append(subject)
        await self._refresh(subjects.get(KEYS, []), subjects.get(PROJECTS, []), subjects.get(ORGANIZATIONS, []))
        for topic, listener in self._listeners.items():
            if topic in subjects:
                await listener(subjects[topic])
        self._view.number = changes[-1][0]
        self._applied()

    async def _refresh(
        self, key_ids: Sequence[str], project_ids: Sequence[str], organization_ids: Sequence[str]
    ) -> None:
        """Read the callers that changed, as they are now, and put them into the view a few at a time."""
        if not key_ids and not project_ids and not organization_ids:
            return

        def changed(connection: Connection) -> dict[bytes, Caller]:
            of_organizations = store.callers_of_organizations(connection, organization_ids)
            of_projects = store.callers_of_projects(connection, project_ids)
            return of_organizations | of_projects | store.callers_of_keys(connection, key_ids)

        callers = list((await self._database.read(changed)).items())
        for start in range(0, len(callers), CALLERS_PER_BATCH_MAX):
            self._view.keys.update(callers[start : start + CALLERS_PER_BATCH_MAX])
            await asyncio.sleep(0)
