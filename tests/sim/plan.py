"""What a seed decides before anything happens: who is there, what they have, and what will fail."""

from random import Random
from typing import Any

import msgspec

from tests.sim.process import AFTER, BEFORE, TORN
from waystation.ledger.budgets.model import Window

Crash = tuple[str, bool]  # when in the step, and whether the whole machine loses its power
STEPS_EXPECTED = 130  # of a world: somewhere there the crashes lie
CAPS_NANO = (120_000, 400_000, 900_000, 2_500_000)


class PlannedBudget(msgspec.Struct):
    organization: str
    scope: str
    subject: str
    window: Window
    cap_nano: int


class PlannedGrant(msgspec.Struct):
    amount_nano: int
    expires_s: float | None


class Plan(msgspec.Struct):
    workers: int = 1
    clients: int = 2
    calls_each: int = 3
    budgets: list[PlannedBudget] = []
    grants: list[PlannedGrant] = []
    overdraft_nano: int = 0
    crashes: dict[int, Crash] = {}  # by the number of the step, counted over all workers
    away: float = 0.0
    answer_lost: float = 0.0
    slow: float = 0.0
    outage_s: tuple[float, float] | None = None
    full_s: tuple[float, float] | None = None
    disk_refuses: bool = False
    clock_back: tuple[float, int] | None = None
    admin_acts: int = 0
    before_midnight_s: int = 40_000
    comes_back: float = 0.9  # the chance of a dead worker's slot to be filled again soon

    @property
    def power_may_fail(self) -> bool:
        return any(power for _, power in self.crashes.values())


def plan_of(chance: Random) -> Plan:
    """Every kind of trouble has its share of the seeds, alone and together."""
    plan = Plan(
        workers=chance.choice((1, 1, 2, 2, 3)),
        clients=chance.randint(1, 4),
        calls_each=chance.randint(1, 3),
        budgets=[_budget(chance) for _ in range(chance.choice((0, 1, 1, 2)))],
        grants=[_grant(chance) for _ in range(chance.choice((0, 1, 1, 2)))],
        overdraft_nano=chance.choice((0, 0, 0, 100_000)),
        admin_acts=chance.choice((0, 0, 1, 3)),
        before_midnight_s=chance.choice((40_000, 40_000, 2)),
    )
    if chance.random() < 0.65:
        power = chance.random() < 0.25
        for _ in range(chance.choice((1, 1, 2, 3))):
            plan.crashes[chance.randint(1, STEPS_EXPECTED)] = chance.choice((BEFORE, TORN, AFTER)), power
    if chance.random() < 0.2:
        plan.away, plan.answer_lost = chance.choice(((0.1, 0.0), (0.0, 0.1), (0.1, 0.1), (0.0, 0.3)))
    if chance.random() < 0.1:
        plan.slow = 0.15
    if chance.random() < 0.1:
        plan.outage_s = (chance.random() * 3, chance.random() * 3)
    if chance.random() < 0.12:
        plan.full_s, plan.disk_refuses = (chance.random() * 2, 0.2 + chance.random() * 2), chance.random() < 0.6
    if chance.random() < 0.05:
        _storm(plan, chance)
    if chance.random() < 0.1:
        plan.clock_back = (chance.random() * 3, chance.choice((2, 60, 90_000)))
    return plan


def _storm(plan: Plan, chance: Random) -> None:
    """Neither the database nor the disk takes anything for a while, and much is asked for."""
    plan.clients = plan.calls_each = 4
    plan.budgets, plan.grants = [], [PlannedGrant(8_000_000, None)]
    plan.outage_s = (0.2 + chance.random(), 2 + chance.random() * 3)
    plan.full_s, plan.disk_refuses = (0.4 + chance.random() * 2, 0.3 + chance.random() * 2), True


def _budget(chance: Random) -> PlannedBudget:
    organization = chance.choice(("1", "1", "2"))
    scope, subject = chance.choice(
        (
            ("organization", f"org-{organization}"),
            ("project", f"proj_{organization}"),
            ("end_user", "*"),
            ("end_user", "ann"),
        )
    )
    return PlannedBudget(
        f"org-{organization}", scope, subject, chance.choice(("total", "total", "day")), chance.choice(CAPS_NANO)
    )


def _grant(chance: Random) -> PlannedGrant:
    return PlannedGrant(chance.choice(CAPS_NANO), chance.choice((None, None, 1.5, 3.0)))


def describe(plan: Plan) -> str:
    """Only what is not as always."""
    usual: dict[str, Any] = msgspec.structs.asdict(Plan())
    return ", ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(plan).items() if value != usual[name])
