"""Who calls in the bench, and what each is held to: an organization, project and key for every variant.

Everything on means budgets of the organization, the project and the key, and limits of the project and the key. All are
so high that no call is refused: what is measured is the asking. They are made with the product's own services.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from waystation.accounts.service import Accounts
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.rates.service import RateLimits
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids

CAP_NANO = 10**17  # a hundred million: never reached, and never so near that slices shrink
LIMITS = {"max_requests_per_1_minute": 10**8, "max_tokens_per_1_minute": 10**10}
LIMIT_HEADER = "x-ratelimit-remaining-tokens"


@dataclass(frozen=True)
class Variant:
    """What a caller is held to."""

    name: str
    budgets: bool = True
    limits: bool = True


ALL_ON = Variant("everything on")
VARIANTS = (
    ALL_ON,
    Variant("without budgets", budgets=False),
    Variant("without limits", limits=False),
    Variant("without both", budgets=False, limits=False),
)


@dataclass(frozen=True)
class BenchCaller:
    """A key, and what its calls must leave in the books."""

    variant: Variant
    key: str
    organization_id: str
    budget_ids: tuple[str, ...]


def make_callers(database_file: Path, variants: tuple[Variant, ...] = (ALL_ON,)) -> list[BenchCaller]:
    """Callers of their own organizations, in a data folder whose server does not run."""
    database = Database.open(f"sqlite:///{database_file}")
    try:
        return database.write_sync(lambda connection: list(_made(connection, variants)), durable=True)
    finally:
        database.close()


def _made(connection: Connection, variants: tuple[Variant, ...]) -> Iterator[BenchCaller]:
    clock, ids = Clock(), Ids()
    accounts, budgets, limits = Accounts(clock, ids.new), Budgets(clock, ids.new), RateLimits(clock, ids.new)
    for variant in variants:
        organization = accounts.create_organization(connection, f"Bench, {variant.name}")
        project = accounts.create_project(connection, organization.id, "Bench")
        made = accounts.create_key(connection, project.id, "bench")
        subjects = {"organization": organization.id, "project": project.id, "key": made.key.id}
        budget_ids: tuple[str, ...] = ()
        if variant.budgets:
            budget_ids = tuple(
                budgets.create(
                    connection, organization.id, scope=scope, subject=subject, window="month", cap_nano=CAP_NANO
                ).id
                for scope, subject in subjects.items()
            )
        if variant.limits:
            for scope in ("project", "key"):
                limits.set_limit(connection, organization.id, scope, subjects[scope], None, LIMITS)
        yield BenchCaller(variant, made.secret, organization.id, budget_ids)
