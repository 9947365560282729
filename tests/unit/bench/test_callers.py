"""Who calls in the bench is held to what its variant says."""

from pathlib import Path

from sqlalchemy import Connection

from bench.callers import VARIANTS, BenchCaller, make_callers
from waystation.ledger.budgets import store as budgets_store
from waystation.ledger.rates import store as rates_store
from waystation.runtime.db import Database


def test_each_caller_has_the_budgets_and_limits_of_its_variant_and_an_organization_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "w.db"
    callers = make_callers(file, VARIANTS)
    database = Database.open(f"sqlite:///{file}")

    def held_to(connection: Connection, caller: BenchCaller) -> tuple[set[str], set[str]]:
        budgets = [b for b in budgets_store.budgets(connection) if b.organization_id == caller.organization_id]
        limits = [rl for rl in rates_store.all_limits(connection) if rl.organization_id == caller.organization_id]
        assert {budget.id for budget in budgets} == set(caller.budget_ids)
        return {budget.scope for budget in budgets}, {limit.scope for limit in limits}

    try:
        for caller in callers:
            budgets, limits = database.read_sync(lambda connection, caller=caller: held_to(connection, caller))  # type: ignore[misc]
            assert budgets == ({"organization", "project", "key"} if caller.variant.budgets else set())
            assert limits == ({"project", "key"} if caller.variant.limits else set())
    finally:
        database.close()
    assert len({caller.organization_id for caller in callers}) == len({caller.key for caller in callers}) == 4
