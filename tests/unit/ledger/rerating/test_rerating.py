"""A past period is priced anew by correcting postings: all or nothing, once for each id, on top of what was charged so far."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.ledger_stand import budget, give, opened, problems, run, standing
from tests.unit.ledger.reading.reading_stand import DAY_S, MONTH_AT, post, settlement, write_journal
from waystation.errors import ApiError, InvalidRequest, NotFound, PriceMissing
from waystation.ledger import store as ledger_store
from waystation.ledger.funds import store as funds_store
from waystation.ledger.reading.standing import accounts, credit
from waystation.ledger.reading.unposted import ENDED_S
from waystation.ledger.reading.usage import usage
from waystation.ledger.records import HOLD
from waystation.ledger.rerating import service
from waystation.ledger.rerating.model import Change, NotSettled, Preview, Rerating, Row, charge_nano
from waystation.ledger.serving import Extra
from waystation.runtime.db import Database
from waystation.terms import Price

NOW = MONTH_AT + 30 * DAY_S
OLD = Price("USD", 60_000_000, 80_000_000)  # 10 in and 5 out: 1000 nano, what `settlement` says
NEW = Price("USD", 100_000_000, 200_000_000)  # … 2000
LOW = Price("USD", 10_000_000, 20_000_000)  # … 200
ASK: dict[str, Any] = {"model": "small", "from_at": MONTH_AT, "until_at": MONTH_AT + DAY_S, "price": NEW}


async def preview(database: Database, **asked: Any) -> Preview:
    return await database.read(lambda c: service.preview(c, at=NOW, **{**ASK, **asked}))


async def apply(database: Database, folder: Path, id: str = "r-1", **asked: Any) -> Rerating:  # noqa: A002
    said = {"reason": "a wrong price", "at": NOW, **ASK, **asked}
    return await database.write(lambda c: service.apply(c, folder / "journal", id=id, **said))


async def cost(database: Database, folder: Path, organization_id: str = "org-1", **asked: Any) -> int:
    told = await database.read(
        lambda c: usage(c, folder / "journal", organization_id, from_at=0, until_at=NOW, **asked)
    )
    return sum(row.cost_nano for row in told.rows)


async def receivable(database: Database, organization_id: str = "org-1") -> int:
    told = await database.read(lambda c: accounts(c, organization_id))
    return sum(each.balance_nano for each in told if each.kind == "receivable")


def test_a_preview_tells_what_applying_does_and_writes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 10**9)
            calls = [
                settlement(MONTH_AT),
                settlement(MONTH_AT + DAY_S - 1, 2_000),  # costs that already
                settlement(MONTH_AT, organization_id="org-2", project_id="proj_2", payer="credit"),
                settlement(MONTH_AT - 1),
                settlement(MONTH_AT + DAY_S),
                settlement(MONTH_AT, model="large"),
            ]
            await post(database, calls)
            before = await database.read(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM entries").scalar())
            told = await preview(database)
            assert told.changes == [
                Change("org-1", "USD", 2, 1, 3_000, 4_000, 1_000),
                Change("org-2", "USD", 1, 1, 1_000, 2_000, 1_000),
            ]
            assert before == await database.read(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM entries").scalar())
            made = await apply(database, tmp_path)
            assert (made.requests, made.delta_nano, made.price) == (3, {"USD": 2_000}, NEW)
            assert (await database.read(lambda c: service.rerating(c, "r-1"))) == (
                made,
                [("org-1", "USD", 1, 1_000), ("org-2", "USD", 1, 1_000)],
            )
            assert [change.delta_nano for change in (await preview(database)).changes] == [0, 0]
            assert await problems(database) == []

    run(story)


@pytest.mark.parametrize("price", [NEW, LOW])
def test_every_book_has_the_correction(tmp_path: Path, price: Price) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 10**9)
            rules: list[dict[str, Any]] = [
                {"window": "month"},
                {"scope": "project", "subject": "proj_1", "model": "small"},
                {"scope": "end_user", "subject": "*", "window": "day"},
                {"scope": "end_user", "subject": "ann", "project_id": "proj_1"},
            ]
            made = [await budget(database, ledger, cap_nano=10**9, **rule) for rule in rules]
            await post(database, [settlement(MONTH_AT, end_user="ann"), settlement(MONTH_AT + 901)])
            await post(database, [settlement(MONTH_AT, organization_id="org-2", project_id="proj_2", payer="credit")])
            await apply(database, tmp_path, price=price)
            each = 2_000 if price is NEW else 200
            assert await cost(database, tmp_path) == 2 * each
            assert await cost(database, tmp_path, by=["end_user"]) == each
            assert await receivable(database) == 2 * each
            spent = [(await standing(database, one.id, MONTH_AT)).spent_nano for one in made]
            assert spent == [2 * each, 2 * each, each, each]
            left = await database.read(lambda c: credit(c, tmp_path, "org-2", NOW))
            assert left.left_nano == 10**9 - each
            assert await problems(database) == []

    run(story)


def test_a_second_correction_counts_from_what_was_charged_in_all(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT, end_user="ann")])
            for number, (price, total) in enumerate([(NEW, 2_000), (LOW, 200), (NEW, 2_000), (OLD, 1_000)]):
                made = await apply(database, tmp_path, f"r-{number}", price=price)
                before = [1_000, 2_000, 200, 2_000][number]
                assert made.delta_nano == {"USD": total - before}
                assert await cost(database, tmp_path) == await receivable(database) == total
                assert await problems(database) == []

    run(story)


def test_the_same_id_is_done_once_and_means_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT)])
            first = await apply(database, tmp_path)
            assert await apply(database, tmp_path, at=NOW + 5) == first
            assert await cost(database, tmp_path) == 2_000
            for other in ({"price": LOW}, {"organization_id": "org-1"}, {"until_at": MONTH_AT + 5}):
                with pytest.raises(InvalidRequest, match="used for another") as caught:
                    await apply(database, tmp_path, **other)
                assert caught.value.code == "id_used"

    run(story)


def test_tier_and_whatever_few_calls_use_are_priced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def costs(used: Any, price: Price, tier: str | None) -> int:
        seen.append((used.cache_write_tokens, used.images, used.cached_tokens, used.tier, tier))
        return 7_000

    monkeypatch.setattr("waystation.ledger.rerating.model.cost_nano", costs)
    values: dict[str, Any] = dict.fromkeys(Row._fields, 0) | {
        "extra": '{"cache_write_tokens":4,"images":2,"unheard_of":1}'
    }
    row = Row(**{**values, "tier": "flex", "cached_tokens": 3})
    assert charge_nano(row, NEW) == 7_000
    assert seen == [(4, 2, 3, "flex", "flex")]


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**9))
def test_the_part_that_was_ours_stays_ours(charged: int, variance: int, rate: int) -> None:
    values: dict[str, Any] = dict.fromkeys(Row._fields, 0) | {"input_tokens": 1_000_000, "extra": None, "tier": None}
    row = Row(**{**values, "cost_nano": charged, "variance_nano": variance})
    at_the_same = charge_nano(row, Price("USD", charged + variance, 0))
    assert at_the_same == charged
    anew = charge_nano(row, Price("USD", rate, 0))
    assert 0 <= anew <= rate
    if variance == 0:
        assert anew == rate


@pytest.mark.parametrize(
    ("served", "charged", "then"),
    [
        (Extra(served_by="cache", saved_nano=1_000), 0, 0),
        (Extra(served_by="stale_cache", saved_nano=1_000), 0, 0),
        (Extra(served_by="static"), 0, 0),
        (Extra(served_by="provider", served_model="other"), 1_000, 1_000),  # its own price is not what was wrong
        (Extra(served_by="provider", served_model="other"), 3_000, 2_007),  # never above the model that was asked for
        (Extra(served_by="deployment", attempts=2), 1_000, 2_007),
    ],
)
def test_who_answered_still_counts(served: Extra, charged: int, then: int) -> None:
    row = Row("r", 0, 1, None, 10, 5, 0, 0, charged, 0, None, msgspec.json.encode(served).decode(), 0, "receivable")
    with_fee = msgspec.structs.replace(NEW, request_nano=7)
    assert charge_nano(row, with_fee) == then


def test_a_prepaid_organization_is_not_overdrawn(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 1_500)
            mine: dict[str, Any] = {"organization_id": "org-2", "project_id": "proj_2", "payer": "credit"}
            await post(database, [settlement(MONTH_AT, **mine), settlement(MONTH_AT)])
            with pytest.raises(InvalidRequest, match=r"org-2 would be overdrawn: it has 0.0000005 .* takes 0.000001"):
                await apply(database, tmp_path)
            assert await cost(database, tmp_path) == 1_000, "nor are the others corrected"
            await give(database, ledger, 500)
            asked = funds_store.Asked(0, "credit", ("org-2", "", 0), 1, 1)
            epoch = await database.write(lambda c: ledger_store.open_epoch(c, 5, 1))
            await database.write(lambda c: funds_store.take(c, [asked], epoch, 1, 1))
            with pytest.raises(InvalidRequest, match="that no open call holds"):
                await apply(database, tmp_path)
            await database.write(lambda c: ledger_store.close_epoch(c, epoch, 1))
            await apply(database, tmp_path)
            assert (await database.read(lambda c: credit(c, tmp_path, "org-2", NOW))).left_nano == 0
            assert await problems(database) == []
            await apply(database, tmp_path, "r-2", price=LOW)
            assert (await database.read(lambda c: credit(c, tmp_path, "org-2", NOW))).left_nano == 1_800
            assert await problems(database) == []

    run(story)


def test_an_organization_that_has_become_postpaid_owes_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 1_000)
            await post(database, [settlement(MONTH_AT, organization_id="org-2", project_id="proj_2", payer="credit")])
            await database.write(lambda c: c.exec_driver_sql("UPDATE organizations SET postpaid = 1"))
            await apply(database, tmp_path)
            assert await receivable(database, "org-2") == 1_000
            assert await problems(database) == []

    run(story)


@pytest.mark.parametrize(
    ("asked", "error", "param"),
    [
        ({"model": "unheard-of"}, NotFound, "model"),
        ({"model": ""}, InvalidRequest, "model"),
        ({"model": "large", "organization_id": "org-2"}, NotFound, "model"),
        ({"organization_id": "org-9"}, NotFound, "organization_id"),
        ({"project_id": "proj_9"}, NotFound, "project_id"),
        ({"until_at": NOW + 1}, InvalidRequest, "until"),
        ({"from_at": MONTH_AT + DAY_S}, InvalidRequest, "from"),
        ({"from_at": -1}, InvalidRequest, "from"),
        ({"price": Price("USD", -1, 0)}, InvalidRequest, "price"),
        ({"price": Price("USD", 10**14, 0)}, InvalidRequest, "price"),
        ({"price": Price("CNY", 1, 1)}, InvalidRequest, "price"),
        ({"id": ""}, InvalidRequest, "id"),
        ({"id": "a b"}, InvalidRequest, "id"),
        ({"id": "x" * 81}, InvalidRequest, "id"),
        ({"reason": " "}, InvalidRequest, "reason"),
        ({"reason": "x" * 501}, InvalidRequest, "reason"),
    ],
)
def test_what_can_not_be_priced_anew_is_refused(
    tmp_path: Path, asked: dict[str, Any], error: type[ApiError], param: str
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT), settlement(MONTH_AT, model="large")])
            with pytest.raises(error) as caught:
                await apply(database, tmp_path, **asked)
            assert caught.value.param == param
            assert await cost(database, tmp_path) == 2_000

    run(story)


def test_a_period_of_which_calls_are_open_or_unposted_has_to_wait(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT)])
            with pytest.raises(NotSettled, match="not over long enough"):
                await apply(database, tmp_path, until_at=NOW - ENDED_S + 1)
            hold = (HOLD, "req_6a0000000", MONTH_AT, "org-1", "proj_1", "key_1", "chat", "small", "USD", "local/small",
                    None, 10, 5_000, 0, "receivable", 1, 1, 0, ())  # fmt: skip
            write_journal(tmp_path / "journal", 77, [hold])
            with pytest.raises(NotSettled, match="still being answered") as caught:
                await apply(database, tmp_path)
            assert caught.value.retry_after_ms == 60_000

    run(story)


def test_a_period_of_which_rows_are_gone_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT), settlement(MONTH_AT + 5 * DAY_S)])
            await database.write(lambda c: ledger_store.prune_usage(c, MONTH_AT + 1, 1_000))
            with pytest.raises(InvalidRequest, match="not kept"):
                await apply(database, tmp_path)
            await apply(database, tmp_path, from_at=MONTH_AT + 2 * DAY_S, until_at=MONTH_AT + 6 * DAY_S)
            assert await cost(database, tmp_path) == 3_000
            assert await problems(database) == []

    run(story)


def test_too_many_calls_are_refused_with_where_to_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT + number) for number in range(4)])
            monkeypatch.setattr(service, "CALLS_MAX", 2)
            with pytest.raises(InvalidRequest, match=f"Up to {MONTH_AT + 2} "):
                await apply(database, tmp_path)
            await apply(database, tmp_path, "r-1", until_at=MONTH_AT + 2)
            await apply(database, tmp_path, "r-2", from_at=MONTH_AT + 2)
            assert await cost(database, tmp_path) == 8_000

    run(story)


def test_a_price_that_lacks_a_rate_corrects_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def costs(used: Any, price: Price, tier: str | None) -> int:
        if used.images:
            raise PriceMissing("The price of this model says nothing about images.")
        return 2_000

    monkeypatch.setattr("waystation.ledger.rerating.model.cost_nano", costs)

    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT), settlement(MONTH_AT + 1, extra='{"images":1}')])
            with pytest.raises(PriceMissing):
                await apply(database, tmp_path)
            assert await cost(database, tmp_path) == 2_000
            assert await problems(database) == []

    run(story)
