"""Credit: what expires first is spent first, nothing expires while it is held, a code is redeemed once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    PREPAID,
    USED_NANO,
    answered,
    call,
    done,
    found_accounts,
    give,
    new_id,
    opened,
    problems,
    run,
    standing,
)
from waystation.errors import ApiError, InsufficientQuota, InvalidRequest, NotFound
from waystation.ledger.credit import store
from waystation.ledger.credit.model import Grant, code_digest, drawn, make_code, redact_code
from waystation.ledger.credit.service import Credit
from waystation.runtime.db import Database
from waystation.terms import Usage
from waystation.testing.clock import FakeClock

FAR = 4_000_000_000


def grant(name: str, left: int, expires_at: int | None, created_at: int = 1) -> Grant:
    return Grant(name, "org-2", "grant", "USD", 100, left, expires_at, "", created_at, 1)


@pytest.mark.parametrize(
    ("amount", "taken"),
    [
        (10, [("soon", 10)]),
        (30, [("soon", 25), ("late", 5)]),
        (100, [("soon", 25), ("late", 50), ("old", 25)]),
        (1_000, [("soon", 25), ("late", 50), ("old", 60), ("new", 70)]),  # the rest is an overdraft
        (0, []),
    ],
)
def test_what_expires_first_is_spent_first(amount: int, taken: list[tuple[str, int]]) -> None:
    grants = [grant("new", 70, None, 2), grant("late", 50, 90), grant("old", 60, None), grant("soon", 25, 80)]
    assert [(one.id, part) for one, part in drawn(grants, amount, at=79)] == taken


def test_what_had_expired_before_a_call_was_held_does_not_pay_for_it() -> None:
    grants = [grant("gone", 70, 80), grant("old", 60, None)]
    assert [(one.id, part) for one, part in drawn(grants, 100, at=80)] == [("old", 60), ("gone", 40)]


def test_calls_draw_down_grants_in_that_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 10**9)
            await give(database, ledger, 50_000, expires_at=FAR)
            await answered(ledger, "req_1", PREPAID)
            await ledger.flush()
            grants = await database.read(lambda c: store.grants(c, "org-2", "", 10))
            assert [one.left_nano for one in grants] == [0, 10**9 - (USED_NANO - 50_000)]
            assert await problems(database) == []

    run(story)


def test_credit_expires_when_nobody_holds_it(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            await give(database, ledger, 20_000_000, expires_at=clock.now_s() + 60, clock=clock)
            async with ledger.hold(PREPAID, MODEL, call("req_1")) as hold:
                clock.advance(61)
                with pytest.raises(InsufficientQuota):
                    await answered(ledger, "req_2", PREPAID)
                await ledger.tick()
                await ledger.sweep()
                stands = await standing(database, "org-2")
                assert stands.cap_nano == stands.allowed_nano, "only what the open call holds is still there"
                hold.meter(done(Usage(10, 100)))
            await ledger.flush()
            await ledger.tick()
            await ledger.sweep()
            used = 10 * 2_000 + 100 * 8_000
            stands = await standing(database, "org-2")
            assert (stands.cap_nano, stands.spent_nano, stands.allowed_nano) == (used, used, 0)
            await give(database, ledger, 10**9, clock=clock)
            await answered(ledger, "req_3", PREPAID)
            await ledger.flush()
            assert await problems(database) == []

    run(story)


def test_a_call_that_is_held_after_an_expiry_is_paid_from_what_is_left(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            await give(database, ledger, 10**9, clock=clock)
            await give(database, ledger, 50_000, expires_at=clock.now_s() + 60, clock=clock)
            clock.advance(61)
            await answered(ledger, "req_1", PREPAID)
            await ledger.flush()  # before anybody has swept the expired credit away
            await ledger.tick()
            await ledger.sweep()
            assert await database.read(lambda c: store.balance(c, "org-2")) == 10**9 - USED_NANO
            assert await problems(database) == []

    run(story)


def test_a_worker_that_looks_before_credit_is_swept_away_does_not_hold_from_it(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            await give(database, ledger, 10**9, expires_at=clock.now_s() + 60, clock=clock)
            clock.advance(61)
            with pytest.raises(InsufficientQuota):
                await answered(ledger, "req_1", PREPAID)

    run(story)


def test_an_overdraft_is_a_debt_that_the_next_grant_pays(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await database.write(
                lambda c: (
                    c.exec_driver_sql("UPDATE organizations SET overdraft_nano = 20000000 WHERE id = 'org-2'") and None
                )
            )
            await give(database, ledger, 1_000)
            await answered(ledger, "req_1", PREPAID)
            await ledger.flush()
            assert await database.read(lambda c: store.balance(c, "org-2")) == 1_000 - USED_NANO
            given = await give(database, ledger, 100_000)
            (newest, _) = await database.read(lambda c: store.grants(c, "org-2", "", 10))
            assert (newest.id, newest.left_nano) == (given.id, 100_000 + 1_000 - USED_NANO)
            assert await problems(database) == []

    run(story)


@pytest.fixture
def database(tmp_path: Path) -> Any:
    made = Database.open(f"sqlite:///{tmp_path / 'w.db'}")
    made.write_sync(found_accounts)
    yield made
    made.close()


CREDIT = Credit(CLOCK, new_id)


@pytest.mark.parametrize(
    ("organization", "amount", "given", "error", "param"),
    [
        ("org-1", 5, {}, InvalidRequest, "organization_id"),  # postpaid
        ("org-9", 5, {}, NotFound, "organization_id"),
        ("org-2", 0, {}, InvalidRequest, "amount_nano"),
        ("org-2", -5, {}, InvalidRequest, "amount_nano"),
        ("org-2", 1.5, {}, InvalidRequest, "amount_nano"),
        ("org-2", float("nan"), {}, InvalidRequest, "amount_nano"),
        ("org-2", 10**19, {}, InvalidRequest, "amount_nano"),
        ("org-2", 5, {"currency": "CNY"}, InvalidRequest, "currency"),
        ("org-2", 5, {"currency": "XAU"}, InvalidRequest, "currency"),
        ("org-2", 5, {"expires_at": 5}, InvalidRequest, "expires_at"),
        ("org-2", 5, {"note": "x" * 501}, InvalidRequest, "note"),
    ],
)
def test_credit_that_cant_be_given_is_refused(
    database: Database, organization: str, amount: object, given: dict[str, Any], error: type[ApiError], param: str
) -> None:
    with pytest.raises(error) as caught:
        database.write_sync(lambda c: CREDIT.grant(c, organization, amount, **given))
    assert caught.value.param == param


def codes(database: Database, count: int = 1, **given: Any) -> list[str]:
    made = database.write_sync(lambda c: CREDIT.create_codes(c, count, 5_000, "USD", **given))
    return [secret for _, secret in made]


def test_of_many_who_redeem_a_code_at_once_one_gets_it(database: Database) -> None:
    (code,) = codes(database)

    def redeem(_: int) -> str | None:
        try:
            database.write_sync(lambda c: CREDIT.redeem(c, "org-2", code.lower().replace("-", " ")))
        except InvalidRequest as error:
            return error.code
        return "given"

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(redeem, range(24)))
    assert sorted(told, key=str) == ["code_redeemed"] * 23 + ["given"]
    assert database.read_sync(lambda c: store.balance(c, "org-2")) == 5_000


def refused(database: Database, attempt: Callable[[Connection], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        database.write_sync(attempt)
    return caught.value


def test_a_code_that_is_void_expired_or_unknown_gives_nothing(database: Database) -> None:
    code, other = codes(database, 2)
    newest = database.read_sync(lambda c: store.codes(c, "", 10))
    voided = next(one for one in newest if one.redacted == redact_code(code))
    database.write_sync(lambda c: CREDIT.void_code(c, voided.id))
    assert refused(database, lambda c: CREDIT.redeem(c, "org-2", code)).param == "code"
    assert refused(database, lambda c: CREDIT.void_code(c, voided.id)).param == "code_id"
    assert refused(database, lambda c: CREDIT.redeem(c, "org-2", "WAY-NONE")).status == 404
    assert refused(database, lambda c: CREDIT.redeem(c, "org-1", other)).param == "organization_id"
    later = FakeClock(CLOCK.now_s() + 100)
    (short,) = codes(database, expires_at=CLOCK.now_s() + 10)
    assert refused(database, lambda c: Credit(later, new_id).redeem(c, "org-2", short)).code == "code_expired"
    assert database.read_sync(lambda c: store.balance(c, "org-2")) == 0
    database.write_sync(lambda c: CREDIT.redeem(c, "org-2", other))  # a refusal has used nothing up


def test_codes_are_long_legible_and_kept_as_a_hash() -> None:
    made = {make_code() for _ in range(1_000)}
    assert len(made) == 1_000
    code = make_code(lambda count: bytes(range(count)))
    assert code == "WAY-ABCD-EFGH-JKLM-NPQR-STUV"
    assert code_digest(code) == code_digest(" way abcdefghjklmnpqrstuv")
    assert redact_code(code) == "WAY-ABCD…STUV"


def test_an_overdraft_is_never_less_than_what_is_owed_and_held(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            credit = Credit(CLOCK, new_id)

            async def overdraft(nano: int) -> None:
                await database.write(lambda c: credit.set_overdraft(c, "org-2", nano))
                await ledger.credit_changed(["org-2"])

            await overdraft(10**9)
            await answered(ledger, "req_1", PREPAID)
            await ledger.flush()
            for _ in range(8):
                await ledger.tick()  # what the worker keeps is given back
            owed = await database.read(lambda c: credit.standing(c, "org-2"))
            assert (owed.balance_nano, owed.used_nano, owed.held_nano) == (-USED_NANO, USED_NANO, 0)
            assert owed.available_nano == 10**9 - USED_NANO
            with pytest.raises(InvalidRequest) as refused:
                await overdraft(USED_NANO - 1)
            assert refused.value.param == "overdraft_nano"
            await overdraft(USED_NANO)
            with pytest.raises(InsufficientQuota):
                await answered(ledger, "req_2", PREPAID)
            await give(database, ledger, 10**9)
            await answered(ledger, "req_3", PREPAID)
            await ledger.flush()
            assert await problems(database) == []

    run(story)
