"""What the tests of rate limits share: a database with an organization in it, its caller, and a clock that stands still."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waystation.accounts.service import Accounts
from waystation.ledger.rates.admission import Admission
from waystation.ledger.rates.limiter import Limiter
from waystation.ledger.rates.model import RateLimit
from waystation.ledger.rates.service import RateLimits
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.terms import Caller
from waystation.testing.clock import FakeClock

RPM, TPM, RPD = "max_requests_per_1_minute", "max_tokens_per_1_minute", "max_requests_per_1_day"
IMAGES, AUDIO, STREAMS = "max_images_per_1_minute", "max_audio_megabytes_per_1_minute", "max_concurrent_streams"


class Stand:
    """An organization with a project and a key, and the verbs on its limits."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        ids = Ids()
        self.accounts = Accounts(self.clock, ids.new)
        self.rates = RateLimits(self.clock, ids.new)
        organization, project = database.write_sync(self.accounts.ensure_first)
        key = database.write_sync(lambda c: self.accounts.create_key(c, project.id, "one")).key
        self.caller = Caller(key.id, project.id, organization.id)
        other = database.write_sync(lambda c: self.accounts.create_key(c, project.id, "two")).key
        self.other = Caller(other.id, project.id, organization.id)

    def subject(self, scope: str) -> str:
        ids = {
            "key": self.caller.key_id,
            "project": self.caller.project_id,
            "organization": self.caller.organization_id,
        }
        return ids[scope]

    def set_limit(self, scope: str, limits: dict[str, int], model: str | None = None) -> RateLimit:
        return self.database.write_sync(
            lambda c: self.rates.set_limit(c, self.caller.organization_id, scope, self.subject(scope), model, limits)
        )

    async def limiter(self) -> Limiter:
        made = Limiter(self.database, self.clock)
        await made.load()
        return made


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    try:
        yield Stand(database)
    finally:
        database.close()


def passed(admitted: object) -> Admission:
    assert isinstance(admitted, Admission)
    return admitted


def told(admission: Admission) -> dict[str, str]:
    """The header lines of an admission."""
    text = admission.headers().decode()
    assert text.endswith("\r\n")
    return dict(line.split(": ") for line in text.removesuffix("\r\n").split("\r\n"))
