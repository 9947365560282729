"""Price a past period anew: look at what it would change, then do it, with correcting postings. Nothing is ever edited.

One re-rating is one transaction, so it is there whole or not at all; that is why it is bounded (`CALLS_MAX`). A longer period
is done in parts, each with an id of its own; a part that was done is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from waystation import tables
from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.budgets.model import period
from waystation.ledger.credit import store as credit_store
from waystation.ledger.credit.service import CREDIT_TOPIC
from waystation.ledger.entries import enter
from waystation.ledger.funds import store as funds_store
from waystation.ledger.funds.store import Spending
from waystation.ledger.model import CREDIT, RECEIVABLE, correction_postings
from waystation.ledger.reading.amounts import decimal_of
from waystation.ledger.reading.store import LONGEST_CALL_S
from waystation.ledger.reading.unposted import not_final
from waystation.ledger.rerating import store
from waystation.ledger.rerating.model import (
    CALLS_MAX,
    Ask,
    Change,
    NotSettled,
    Preview,
    Rerating,
    Row,
    charge_nano,
    check_ask,
    check_id,
    check_reason,
)
from waystation.ledger.rerating.store import Organization, Series
from waystation.ledger.store import usage_pruned_before
from waystation.terms import Price

_QUARTER_S = 900


class _Correction(msgspec.Struct, frozen=True):
    row: Row
    series: Series
    payer: str
    delta_nano: int


class _Plan(msgspec.Struct, frozen=True):
    """All that a re-rating would do."""

    changes: list[Change]
    corrections: list[_Correction]
    organizations: dict[str, Organization]


def preview(
    connection: Connection,
    *,
    model: str,
    from_at: int,
    until_at: int,
    price: Price,
    at: int,
    organization_id: str | None = None,
    project_id: str | None = None,
) -> Preview:
    """What a re-rating would change; nothing is written. `at` is now. Raises as `apply` does, but for an empty purse."""
    ask = check_ask(model, from_at, until_at, price, organization_id, project_id)
    return Preview(ask, _plan(connection, ask, at).changes)


def apply(
    connection: Connection,
    folder: Path,
    *,
    id: str,  # noqa: A002
    reason: str,
    model: str,
    from_at: int,
    until_at: int,
    price: Price,
    at: int,
    organization_id: str | None = None,
    project_id: str | None = None,
) -> Rerating:
    """Charge the calls of a model that were held in [from_at, until_at) at another price, on top of whatever they were
    charged in all so far. All or nothing; once for each `id`. `folder` has the journals, `at` is now.

    Raises NotFound (model, organization, project); InvalidRequest for a period that is not over, of which calls are no
    longer kept or that has too many, for another currency, and when a prepaid organization would be overdrawn; NotSettled
    while calls of it are open; PriceMissing when a call used what the price has no rate for.
    """
    ask = check_ask(model, from_at, until_at, price, organization_id, project_id)
    funds_store.lock(connection)
    before = store.rerating(connection, check_id(id))
    if before is not None:
        return _same(before, ask)
    why = check_reason(reason)
    plan = _plan(connection, ask, at)
    waiting = not_final(connection, folder, ask.until_at, at)
    if waiting is not None:
        raise NotSettled(
            f"The period can't be priced anew yet: {waiting.reason}. Come again in {waiting.retry_after_s} s.",
            param="until",
            retry_after_ms=waiting.retry_after_s * 1_000,
        )
    _check_credit(connection, plan)
    delta: dict[str, int] = {}
    for change in plan.changes:
        delta[change.currency] = delta.get(change.currency, 0) + change.delta_nano
    made = Rerating(
        id,
        ask.model,
        ask.organization_id,
        ask.project_id,
        ask.from_at,
        ask.until_at,
        ask.price,
        why,
        sum(change.requests for change in plan.changes),
        delta,
        at,
    )
    _write(connection, made, plan, at)
    return made


def rerating(connection: Connection, rerating_id: str) -> tuple[Rerating, list[tuple[str, str, int, int]]]:
    """One that was applied, and what it changed by organization and currency: calls, and 10⁻⁹. Raises NotFound."""
    found = store.rerating(connection, check_id(rerating_id))
    if found is None:
        raise NotFound(f"There is no re-rating {rerating_id!r}.", param="rerating_id")
    return found, store.changes(connection, rerating_id)


def reratings(connection: Connection, after_id: str, rows_max: int) -> list[Rerating]:
    """Those that were applied, the newest first; `after_id`: older than this one. Raises NotFound."""
    after = store.rerating(connection, check_id(after_id)) if after_id else None
    if after_id and after is None:
        raise NotFound(f"There is no re-rating {after_id!r}.", param="after")
    return store.reratings(connection, after, rows_max)


# -- what to do


def _plan(connection: Connection, ask: Ask, at: int) -> _Plan:
    series = _series(connection, ask, at)
    rows = store.calls(connection, ask, CALLS_MAX + 1)
    if len(rows) > CALLS_MAX:
        raise InvalidRequest(
            f"The period has more than {CALLS_MAX} calls of this model: do it in parts, by shorter periods, "
            f"organizations or projects. Up to {rows[CALLS_MAX].at} (UTC seconds) there are that many.",
            param="until",
        )
    organizations = store.organizations(connection, sorted({each.organization_id for each in series.values()}))
    sums: dict[str, list[int]] = {}
    corrections: list[_Correction] = []
    for row in rows:
        whose = series[row.series_id]
        old, new = row.cost_nano + row.corrected_nano, charge_nano(row, ask.price)
        total = sums.setdefault(whose.organization_id, [0, 0, 0, 0])
        for place, value in enumerate((1, int(new != old), old, new)):
            total[place] += value
        if new != old:
            payer = _payer(row, organizations.get(whose.organization_id))
            corrections.append(_Correction(row, whose, payer, new - old))
    changes = [
        Change(organization_id, ask.price.currency, requests, changed, old, new, new - old)
        for organization_id, (requests, changed, old, new) in sorted(sums.items())
    ]
    return _Plan(changes, corrections, organizations)


def _series(connection: Connection, ask: Ask, at: int) -> dict[int, Series]:
    """The series that it is about, all checks made that need no calls."""
    if ask.until_at > at:
        raise InvalidRequest("'until' is in the future: only what was used can be priced anew.", param="until")
    pruned_before = usage_pruned_before(connection)
    if pruned_before and ask.from_at < pruned_before + LONGEST_CALL_S:
        raise InvalidRequest(
            f"Rows of single calls before {pruned_before + LONGEST_CALL_S} (UTC seconds) are not kept, and without them "
            "nothing can be priced anew.",
            param="from",
        )
    for table, id_, param in (
        (tables.organizations, ask.organization_id, "organization_id"),
        (tables.projects, ask.project_id, "project_id"),
    ):
        if id_ is not None and not store.exists(connection, table, id_):
            raise NotFound(f"There is no {param.removesuffix('_id')} {id_[:80]!r}.", param=param)
    series = store.series(connection, ask)
    if not series:
        raise NotFound(f"Nobody here has used a model {ask.model[:80]!r}.", param="model")
    others = {number: each for number, each in series.items() if each.currency != ask.price.currency}
    if store.has_used(connection, list(others), ask):
        names = sorted({f"{each.organization_id} ({each.currency})" for each in others.values()})
        raise InvalidRequest(
            f"The price is in {ask.price.currency}, but calls of {', '.join(names[:5])} were charged in another currency. "
            "Name an organization, or give a price in its currency.",
            param="price",
        )
    return series


def _payer(row: Row, organization: Organization | None) -> str:
    """Who paid, unless that was credit and the organization has become postpaid: then it owes, or is owed, the rest."""
    if organization is None or organization.postpaid:
        return RECEIVABLE
    return row.payer or CREDIT


def _same(before: Rerating, ask: Ask) -> Rerating:
    if any(getattr(before, name) != getattr(ask, name) for name in Ask.__struct_fields__):
        raise InvalidRequest(
            f"The id {before.id} was used for another re-rating (of {before.model}).", param="id", code="id_used"
        )
    return before


def _check_credit(connection: Connection, plan: _Plan) -> None:
    for organization_id, delta in _by_payer(plan.corrections, CREDIT).items():
        left = store.unheld_credit(connection, organization_id) if delta > 0 else delta
        if left < delta:
            raise InvalidRequest(
                f"The prepaid organization {organization_id} would be overdrawn: it has {decimal_of(left)} of credit "
                f"that no open call holds, the correction takes {decimal_of(delta)}. Give it credit first.",
                param="organization_id",
                code="insufficient_credit",
            )


def _by_payer(corrections: Sequence[_Correction], payer: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in corrections:
        if each.payer == payer:
            sums[each.series.organization_id] = sums.get(each.series.organization_id, 0) + each.delta_nano
    return sums


# -- doing it


def _write(connection: Connection, made: Rerating, plan: _Plan, at: int) -> None:
    store.add(connection, made)
    currency = made.price.currency
    entry_ids: dict[tuple[str, str], int] = {}
    for payer in (RECEIVABLE, CREDIT):
        for organization_id, delta in _by_payer(plan.corrections, payer).items():
            postings = {kind: amount for kind, amount in correction_postings(delta, payer).items() if amount}
            entry_ids[organization_id, payer] = enter(connection, "rerating", organization_id, currency, postings, at)
    store.add_corrections(
        connection,
        [
            {
                "request_id": each.row.request_id,
                "rerating_id": made.id,
                "at": each.row.at,
                "series_id": each.row.series_id,
                "end_user": each.row.end_user,
                "delta_nano": each.delta_nano,
                "entry_id": entry_ids[each.series.organization_id, each.payer],
            }
            for each in plan.corrections
        ],
    )
    store.correct_end_users(connection, _of_end_users(plan, made.model))
    # A fund that is opened by this counts what is in the tables by now, so they come first.
    funds_store.spend(connection, _spendings(plan.corrections, made.model), at)
    for organization_id, delta in _by_payer(plan.corrections, CREDIT).items():
        credit_store.spend(connection, organization_id, delta)
        store.tell(connection, CREDIT_TOPIC, organization_id, at)


def _of_end_users(plan: _Plan, model: str) -> dict[tuple[str | int, ...], int]:
    sums: dict[tuple[str | int, ...], int] = {}
    for each, end_user in _with_users(plan.corrections):
        whose = each.series
        zone = _zone(plan.organizations, whose.organization_id)
        day_at, _ = period("day", zone, each.row.at)
        key = (whose.project_id, end_user, day_at, model, whose.currency, whose.organization_id)
        sums[key] = sums.get(key, 0) + each.delta_nano
    return sums


def _with_users(corrections: Sequence[_Correction]) -> Iterator[tuple[_Correction, str]]:
    return ((each, each.row.end_user) for each in corrections if each.row.end_user is not None)


def _zone(organizations: Mapping[str, Organization], organization_id: str) -> str:
    return organizations[organization_id].time_zone if organization_id in organizations else "UTC"


def _spendings(corrections: Sequence[_Correction], model: str) -> dict[Spending, int]:
    sums: dict[Spending, int] = {}
    for each in corrections:
        row, whose = each.row, each.series
        quarter_at = row.at - row.at % _QUARTER_S
        one = Spending(whose.organization_id, whose.project_id, whose.key_id, row.end_user, model, quarter_at)
        sums[one] = sums.get(one, 0) + each.delta_nano
    return sums
