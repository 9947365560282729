"""What can be done with budgets: the rules and the order. Every verb runs in the transaction that it is given."""

from collections.abc import Callable
from typing import Protocol

import msgspec
from sqlalchemy import Connection, insert, select

from waystation import tables
from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.budgets import store
from waystation.ledger.budgets.model import (
    EACH,
    THRESHOLDS_DEFAULT,
    Budget,
    BudgetStanding,
    Scope,
    check_amount,
    check_name,
    check_scope,
    check_thresholds,
    check_window,
    period,
)
from waystation.ledger.funds import store as funds_store

BUDGETS_TOPIC = "budgets"  # of changes; the subject is the budget's id
BUDGETS_PER_SUBJECT_MAX = 20  # each of them is asked for every call
BUDGETS_PER_ORGANIZATION_MAX = 100_000  # every worker has all of them in memory


class Now(Protocol):
    def now_s(self) -> int: ...


class Budgets:
    """The verbs. `new_id` makes an id with the prefix that it is given. All raise InvalidRequest or NotFound."""

    def __init__(self, clock: Now, new_id: Callable[[str], str]) -> None:
        self._clock = clock
        self._new_id = new_id

    def create(
        self,
        connection: Connection,
        organization_id: str,
        *,
        scope: str,
        subject: str,
        window: str,
        cap_nano: object,
        project_id: str | None = None,
        model: str | None = None,
        hard: bool = True,
        thresholds: object = THRESHOLDS_DEFAULT,
    ) -> Budget:
        """A budget in the organization's currency. `subject` is an id, or of end users a name or EACH."""
        now = self._clock.now_s()
        organization = connection.execute(
            select(tables.organizations).where(tables.organizations.c.id == organization_id)
        ).first()
        if organization is None:
            raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        checked = check_scope(scope)
        made = Budget(
            self._new_id("bdg_"),
            organization_id,
            checked,
            check_name(subject, "subject"),
            project_id,
            None if model is None else check_name(model, "model"),
            check_window(window),
            organization.currency,
            check_amount(cap_nano, "cap_nano"),
            hard,
            check_thresholds(thresholds),
            now,
            now,
            time_zone=organization.time_zone,
        )
        self._check_whose(connection, made)
        if store.count_of(connection, made) >= BUDGETS_PER_SUBJECT_MAX:
            raise InvalidRequest(
                f"{made.subject[:80]!r} has {BUDGETS_PER_SUBJECT_MAX} budgets already. Change or remove one.",
                param="subject",
            )
        if store.count_in(connection, organization_id) >= BUDGETS_PER_ORGANIZATION_MAX:
            raise InvalidRequest(f"This organization has {BUDGETS_PER_ORGANIZATION_MAX} budgets already. Remove some.")
        store.add(connection, made)
        self._tell(connection, made.id, now)
        return made

    def update(
        self,
        connection: Connection,
        organization_id: str,
        budget_id: str,
        *,
        cap_nano: object = None,
        hard: bool | None = None,
        thresholds: object = None,
    ) -> Budget:
        """Change a budget. A cap may be lowered below what is spent or held: open calls end as they were begun, new ones
        are refused."""
        before = self.budget(connection, organization_id, budget_id)
        after = msgspec.structs.replace(
            before,
            cap_nano=before.cap_nano if cap_nano is None else check_amount(cap_nano, "cap_nano"),
            hard=before.hard if hard is None else hard,
            thresholds=before.thresholds if thresholds is None else check_thresholds(thresholds),
            updated_at=self._clock.now_s(),
        )
        store.replace(connection, after)
        funds_store.change_cap(connection, after, after.updated_at)
        self._tell(connection, after.id, after.updated_at)
        return after

    def remove(self, connection: Connection, organization_id: str, budget_id: str) -> Budget:
        """It limits nothing any more; what it counted stays readable."""
        now = self._clock.now_s()
        removed = msgspec.structs.replace(
            self.budget(connection, organization_id, budget_id), updated_at=now, removed_at=now
        )
        store.replace(connection, removed)
        self._tell(connection, removed.id, now)
        return removed

    def budget(self, connection: Connection, organization_id: str, budget_id: str) -> Budget:
        found = store.budget(connection, budget_id)
        if found is None or found.removed_at is not None or found.organization_id != organization_id:
            raise NotFound(f"There is no budget {budget_id[:80]!r}.", param="budget_id")
        return found

    # -- reading

    def page(
        self, connection: Connection, organization_id: str, after_id: str, rows_max: int, *, ascending: bool = True
    ) -> list[Budget]:
        """An organization's budgets that are in force, in the order of their ids."""
        return store.of_organization(connection, organization_id, after_id, rows_max, ascending=ascending)

    def standing(self, connection: Connection, budget: Budget, end_user: str = "") -> BudgetStanding:
        """How a budget stands now. `end_user`: of one for each end user, whose standing is asked for."""
        subject = end_user if budget.subject == EACH else ""
        period_at, ends_at = period(budget.window, budget.time_zone, self._clock.now_s())
        fund = funds_store.fund(connection, budget.id, subject, period_at)
        if fund is None:  # nobody has held from it in this period: what was used before it was made counts too
            spent = funds_store.spent_of(connection, budget, subject, period_at, ends_at)
            return BudgetStanding(period_at, ends_at, spent, 0, max(0, budget.cap_nano - spent))
        left = max(0, fund.cap_nano - fund.spent_nano - fund.allowed_nano)
        notices = funds_store.notices(connection, fund.fund_id)
        return BudgetStanding(period_at, ends_at, fund.spent_nano, fund.allowed_nano, left, notices)

    def time_zone_changed(self, connection: Connection, organization_id: str) -> None:
        """The organization's days begin at another time: workers are to read its budgets again."""
        now = self._clock.now_s()
        for budget in store.of_organization(connection, organization_id, "", BUDGETS_PER_ORGANIZATION_MAX):
            self._tell(connection, budget.id, now)

    def _check_whose(self, connection: Connection, budget: Budget) -> None:
        if budget.scope == "organization" and budget.subject != budget.organization_id:
            raise InvalidRequest("The subject of an organization's budget is its own id.", param="subject")
        if budget.project_id is not None and budget.scope != "end_user":
            raise InvalidRequest("'project_id' goes with the scope end_user.", param="project_id")
        if budget.subject == EACH and budget.scope != "end_user":
            raise InvalidRequest(f"{EACH!r} is for each end user, so it goes with that scope.", param="subject")
        if budget.scope in ("project", "key"):
            self._check_owned(connection, budget.scope, budget.subject, budget.organization_id, "subject")
        elif budget.project_id is not None:
            self._check_owned(connection, "project", budget.project_id, budget.organization_id, "project_id")

    def _check_owned(self, connection: Connection, scope: Scope, id_: str, organization_id: str, param: str) -> None:
        table = tables.projects if scope == "project" else tables.api_keys
        owner = connection.execute(select(table.c.organization_id).where(table.c.id == id_)).scalar()
        if owner != organization_id:
            raise NotFound(f"There is no {scope} {id_[:80]!r} in this organization.", param=param)

    def _tell(self, connection: Connection, budget_id: str, at: int) -> None:
        connection.execute(insert(tables.changes).values(topic=BUDGETS_TOPIC, subject=budget_id, at=at))
