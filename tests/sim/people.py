"""Who uses the simulated world: clients that retry as they are told and leave when they like, administrators that change rules."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from tests.sim.plan import CAPS_NANO
from tests.sim.upstream import Asking
from tests.sim.world import World
from waystation.ledger.budgets.model import Budget
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.credit.service import Credit
from waystation.terms import Caller

CALLERS = (
    Caller("key_1", "proj_1", "org-1"),
    Caller("key_1b", "proj_1", "org-1"),
    Caller("key_2", "proj_2", "org-2", postpaid=False),
)
NEVER_S = 1e6
ATTEMPTS_MAX = 6
RETRY_S = {"rate_limit_exceeded": 1.0, "service_unavailable": 0.5, "Killed": 0.1}


async def client(world: World) -> None:
    chance = world.chance
    await asyncio.sleep(chance.random())
    for _ in range(world.plan.calls_each):
        asking = some_request(world)
        for _ in range(ATTEMPTS_MAX):
            workers = world.alive()
            if not workers:
                await asyncio.sleep(0.3)
                continue
            leaves_after_s = chance.random() * 0.3 if chance.random() < 0.2 else NEVER_S
            truth = await chance.choice(workers).serve(asking, leaves_after_s)
            if truth.error not in RETRY_S:
                break
            await asyncio.sleep(RETRY_S[truth.error])
        await asyncio.sleep(chance.random() * 0.3)


def some_request(world: World) -> Asking:
    chance = world.chance
    words = chance.choice((0, 3, 20, 60, 90))
    return Asking(
        stream=chance.random() < 0.6,
        output_tokens_asked=chance.choice((None, None, 5, 40)),
        end_user=chance.choice((None, "ann", "bob")),
        caller=chance.choice(CALLERS),
        words=words,
        pace_s=chance.choice((0.0, 0.0, 0.01, 0.04)),
        fails_after=chance.randint(0, words) if chance.random() < 0.12 else None,
        tells_usage=chance.random() < 0.8,
        input_tokens=chance.choice((10, 30)),
        overshoots=chance.choice((0, 0, 0, 0, 0, 0, 500)),
    )


class Administrator:
    """Changes take effect in the database at once; the workers hear of them within a second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._budgets = Budgets(world.clock, world.new_id)
        self._credit = Credit(world.clock, world.new_id)
        self.made: list[Budget] = []

    def found(self) -> None:
        """What is there before anybody calls."""
        plan = self._world.plan
        if plan.overdraft_nano:
            self._do(lambda c: c.exec_driver_sql(f"UPDATE organizations SET overdraft_nano = {plan.overdraft_nano}"))
        for one in plan.budgets:
            self.create(one.organization, one.scope, one.subject, one.window, one.cap_nano)
        for grant in plan.grants:
            self.grant(grant.amount_nano, grant.expires_s)

    async def act(self) -> None:
        world, chance = self._world, self._world.chance
        for _ in range(world.plan.admin_acts):
            await asyncio.sleep(chance.random() * 1.5)
            chance.choice(
                (self._grant, self._raise, self._lower, self._remove, self._create, self._archive, self._soften)
            )()

    def create(self, organization: str, scope: str, subject: str, window: str, cap_nano: int) -> Budget:
        made: Budget = self._do(
            lambda c: self._budgets.create(
                c, organization, scope=scope, subject=subject, window=window, cap_nano=cap_nano
            )
        )
        self.made.append(made)
        self._tell("budget", made.id, "is made", scope, subject, window, cap_nano)
        return made

    def grant(self, amount_nano: int, expires_s: float | None) -> None:
        at = None if expires_s is None else self._world.clock.now_s() + 1 + int(expires_s)
        self._do(lambda c: self._credit.grant(c, "org-2", amount_nano, expires_at=at))
        self._tell("credit", "org-2", "gets", amount_nano, "until", at)

    def _grant(self) -> None:
        self.grant(self._world.chance.choice(CAPS_NANO), self._world.chance.choice((None, 2.0)))

    def _create(self) -> None:
        made = self.create("org-1", "organization", "org-1", "total", 2_000_000)
        self._world.loosened.add(made.id)  # it counts what is held without it, too

    def _raise(self) -> None:
        self._change(cap_nano=lambda budget: budget.cap_nano * 2)

    def _lower(self) -> None:
        self._change(cap_nano=lambda budget: budget.cap_nano // 3)

    def _soften(self) -> None:
        """For a moment it only warns: what is held meanwhile is not held from it."""
        self._change(hard=lambda _: False)
        asyncio.get_running_loop().call_later(0.7, lambda: self._change(hard=lambda _: True))

    def _change(self, **how: Callable[[Budget], Any]) -> None:
        for budget in self.made[:1]:
            self._world.loosened.add(budget.id)
            values: dict[str, Any] = {name: of(budget) for name, of in how.items()}
            self.made[0] = self._do(lambda c: self._budgets.update(c, budget.organization_id, budget.id, **values))  # noqa: B023
            self._tell("budget", budget.id, "is now", values)

    def _remove(self) -> None:
        if self.made:
            budget = self.made.pop(0)
            self._do(lambda c: self._budgets.remove(c, budget.organization_id, budget.id))
            self._tell("budget", budget.id, "is removed")

    def _archive(self) -> None:
        self._world.archived.add("proj_1")
        self._world.note("adm", "proj_1 is archived")

    def _do(self, work: Callable[[Connection], Any]) -> Any:
        return self._world.books.transact(work, durable=True)

    def _tell(self, what: str, subject: str, *more: object) -> None:
        self._world.note("adm", what, subject, *more)
        self._world.tell(what, subject)
