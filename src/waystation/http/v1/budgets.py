"""`/v1/waystation/budgets`: what may be spent, by whom, in which window, and how that stands now."""

from functools import partial
from typing import Any

from waystation.errors import InvalidRequest
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.ledger.budgets.model import EACH, SUBJECT_CHARS_MAX, THRESHOLDS_DEFAULT, Budget, BudgetStanding
from waystation.wire.budgets import (
    BudgetList,
    BudgetNotice,
    BudgetObject,
    BudgetPeriod,
    CreateBudget,
    UpdateBudget,
)
from waystation.wire.listing import Deleted, listing
from waystation.wire.money import asked_nano, required_nano
from waystation.wire.read import Reader

_read_create, _read_update = Reader(CreateBudget).read, Reader(UpdateBudget).read


async def create(control: Control, asked: Asked) -> BudgetObject:
    wanted = _read_create(asked.body)
    cap_nano = required_nano(wanted.cap_nano, wanted.cap, "cap")
    subject = wanted.subject
    if subject is None and wanted.scope == "organization":
        subject = asked.organization_id
    if subject is None:
        raise InvalidRequest(
            "Missing required parameter: 'subject'.", param="subject", code="missing_required_parameter"
        )

    def make(connection: Any) -> BudgetObject:
        made = control.budgets.create(
            connection,
            asked.organization_id,
            scope=wanted.scope,
            subject=subject,
            window=wanted.window,
            cap_nano=cap_nano,
            project_id=wanted.project_id,
            model=wanted.model,
            hard=True if wanted.hard is None else wanted.hard,
            thresholds=THRESHOLDS_DEFAULT if wanted.thresholds is None else wanted.thresholds,
        )
        return _shown(control, connection, made)

    return await control.change(make)


async def list_(control: Control, asked: Asked) -> BudgetList:
    page = asked.page()

    def find(connection: Any) -> list[BudgetObject]:
        found = control.budgets.page(
            connection, asked.organization_id, page.after, page.rows_max, ascending=page.ascending
        )
        return [_shown(control, connection, budget) for budget in found]

    return listing(BudgetList, page, await control.read(find))


async def retrieve(control: Control, asked: Asked) -> BudgetObject:
    """`end_user`: how a budget for each end user stands for this one."""
    budget_id, end_user = asked.id("budget_id"), asked.query.get("end_user", "")
    if len(end_user) > SUBJECT_CHARS_MAX or (end_user and not end_user.isprintable()):
        raise InvalidRequest(f"'end_user' has at most {SUBJECT_CHARS_MAX} printable characters.", param="end_user")

    def find(connection: Any) -> BudgetObject:
        found = control.budgets.budget(connection, asked.organization_id, budget_id)
        return _shown(control, connection, found, end_user)

    return await control.read(find)


async def update(control: Control, asked: Asked) -> BudgetObject:
    wanted, budget_id = _read_update(asked.body), asked.id("budget_id")
    cap_nano = asked_nano(wanted.cap_nano, wanted.cap, "cap")

    def put(connection: Any) -> BudgetObject:
        changed = control.budgets.update(
            connection,
            asked.organization_id,
            budget_id,
            cap_nano=cap_nano,
            hard=wanted.hard,
            thresholds=wanted.thresholds,
        )
        return _shown(control, connection, changed)

    return await control.change(put)


async def delete(control: Control, asked: Asked) -> Deleted:
    budget_id = asked.id("budget_id")
    await control.change(partial(control.budgets.remove, organization_id=asked.organization_id, budget_id=budget_id))
    return Deleted(object="budget.deleted", id=budget_id)


def _shown(control: Control, connection: Any, budget: Budget, end_user: str = "") -> BudgetObject:
    is_of_each = budget.subject == EACH
    standing = control.budgets.standing(connection, budget, end_user)
    return budget_object(budget, standing, end_user if is_of_each else "", is_known=bool(end_user) or not is_of_each)


def budget_object(budget: Budget, standing: BudgetStanding, end_user: str, *, is_known: bool) -> BudgetObject:
    """`is_known`: the standing is that of one fund, and not of a budget for each end user."""
    return BudgetObject(
        id=budget.id,
        organization_id=budget.organization_id,
        scope=budget.scope,
        subject=budget.subject,
        project_id=budget.project_id,
        model=budget.model,
        window=budget.window,
        currency=budget.currency,
        cap_nano=str(budget.cap_nano),
        hard=budget.hard,
        thresholds=list(budget.thresholds),
        created_at=budget.created_at,
        updated_at=budget.updated_at,
        end_user=end_user or None,
        period=BudgetPeriod(begins_at=standing.period_at or None, ends_at=standing.ends_at),
        spent_nano=str(standing.spent_nano) if is_known else None,
        held_nano=str(standing.held_nano) if is_known else None,
        left_nano=str(standing.left_nano) if is_known else None,
        notices=[
            BudgetNotice(percent=each.percent, at=each.at, spent_nano=str(each.spent_nano), cap_nano=str(each.cap_nano))
            for each in (standing.notices if is_known else ())
        ],
    )


_ALL, _ONE = "/waystation/budgets", "/waystation/budgets/{budget_id}"
_END_USER = Query("end_user", {"type": "string"}, "Whose standing, of a budget for each end user.")
RESOURCES = (
    Resource("GET", _ALL, list_, "listBudgets", "The budgets in force, and how they stand.", BudgetList, query=PAGE),
    Resource("POST", _ALL, create, "createBudget", "Limit what may be spent.", BudgetObject, CreateBudget),
    Resource("GET", _ONE, retrieve, "retrieveBudget", "A budget, and how it stands.", BudgetObject, query=(_END_USER,)),
    Resource("POST", _ONE, update, "updateBudget", "Change a budget's cap.", BudgetObject, UpdateBudget),
    Resource("DELETE", _ONE, delete, "deleteBudget", "Remove a budget: it limits nothing any more.", Deleted),
)
