"""A fleet on a real database, for stories that need no HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from waystation.accounts.service import Accounts
from waystation.fleet.model import Fixed, ProviderFields
from waystation.fleet.sealing import SECRET_KEY_BYTES, Sealer
from waystation.fleet.service import Fleet
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids

T = TypeVar("T")
SECRET = "sk-upstream-0123456789abcdef"


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000

    def now_s(self) -> int:
        return self.at


class FleetStand:
    def __init__(self, folder: Path, database: Database, fixed: Fixed) -> None:
        self.database = database
        self.clock = Clock()
        self.key = folder / "secret.key"
        self.accounts = Accounts(self.clock, Ids().new)
        self.fleet = Fleet(self.clock, Ids().new, Sealer(self.key), lambda: fixed)

    def do(self, fn: Callable[[Connection], T]) -> T:
        return self.database.write_sync(fn)

    def provider(self, name: str = "blue") -> None:
        fields = ProviderFields(base_url="https://api.example.com/v1")
        self.do(lambda c: self.fleet.providers.create(c, name, fields))


@contextmanager
def fleet_stand(folder: Path, fixed: Fixed | None = None) -> Iterator[FleetStand]:
    """Opened twice on one folder it is a restart."""
    key = folder / "secret.key"
    if not key.exists():
        key.write_bytes(b"k" * SECRET_KEY_BYTES)
    database = Database.open(f"sqlite:///{folder / 'waystation.db'}")
    try:
        yield FleetStand(folder, database, Fixed() if fixed is None else fixed)
    finally:
        database.close()
