"""Setting limits: what is refused, what replaces what, and that the workers hear of it."""

import math
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ledger.rates.rates_stand import RPM, STREAMS, TPM, Stand, stand
from waystation.accounts.store import changes_after
from waystation.errors import InvalidRequest
from waystation.ledger.rates import store
from waystation.ledger.rates.model import LIMIT_MAX, RateLimit
from waystation.ledger.rates.service import LIMITS_PER_SUBJECT_MAX, TOPIC


@pytest.mark.parametrize(
    ("limits", "param", "says"),
    [
        (None, "limits", "at least one"),
        ({}, "limits", "at least one"),
        ([RPM], "limits", "at least one"),
        ({"max_request_per_1_minute": 5}, "max_request_per_1_minute", f"Did you mean '{RPM}'"),
        ({"x" * 500: 5}, "x" * 80, "Unknown limit"),
        ({7: 5}, "7", "Unknown limit"),
        ({RPM: -1}, RPM, "from 0"),
        ({RPM: LIMIT_MAX + 1}, RPM, "from 0"),
        ({RPM: 10**400}, RPM, "from 0"),
        ({RPM: 1.0}, RPM, "integer"),
        ({RPM: math.nan}, RPM, "integer"),
        ({RPM: True}, RPM, "integer"),
        ({RPM: "60"}, RPM, "integer"),
        ({RPM: None}, RPM, "integer"),
        ({str(i): i for i in range(1_000)}, "limits", "only 6 kinds"),
    ],
)
def test_what_is_no_limit_is_refused_by_name(tmp_path: Path, limits: Any, param: str, says: str) -> None:
    with stand(tmp_path) as stage, pytest.raises(InvalidRequest) as refused:
        _set(stage, "key", stage.caller.key_id, None, limits)
    assert refused.value.param == param
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("scope", "subject", "model", "param"),
    [
        ("end_user", "bob", None, "scope"),
        ("key", "key_none", None, "subject"),
        ("project", "' OR 1=1 --", None, "subject"),
        ("organization", "org-other", None, "subject"),
        ("organization", "", None, "subject"),
        ("key", None, "", "model"),
        ("key", None, "a\nb", "model"),
        ("key", None, "m" * 201, "model"),
    ],
)
def test_only_what_the_organization_has_can_be_limited(
    tmp_path: Path, scope: str, subject: str | None, model: str | None, param: str
) -> None:
    with stand(tmp_path) as stage, pytest.raises(InvalidRequest) as refused:
        _set(stage, scope, stage.subject(scope) if subject is None else subject, model, {RPM: 1})
    assert refused.value.param == param


def test_another_organizations_limits_are_out_of_reach(tmp_path: Path) -> None:
    with stand(tmp_path) as stage:
        limit = stage.set_limit("key", {RPM: 5})
        other = stage.database.write_sync(lambda c: stage.accounts.create_organization(c, "Other"))
        with pytest.raises(InvalidRequest, match="in this organization"):
            stage.database.write_sync(
                lambda c: stage.rates.set_limit(c, other.id, "key", stage.caller.key_id, None, {RPM: 1})
            )
        with pytest.raises(InvalidRequest, match="no rate limit"):
            stage.database.write_sync(lambda c: stage.rates.remove_limit(c, other.id, limit.id))
        assert stage.database.read_sync(lambda c: stage.rates.limits(c, other.id)) == []


def test_a_limit_that_is_set_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with stand(tmp_path) as stage:
        first = stage.set_limit("key", {RPM: 5, TPM: 100})
        stage.clock.advance(10)
        second = stage.set_limit("key", {RPM: 0, STREAMS: 2})  # 0: nothing passes
        for_model = stage.set_limit("key", {RPM: 1}, "small")
        of_project = stage.set_limit("project", {RPM: 9})
        assert (second.id, second.created_at) == (first.id, first.created_at)
        assert second.updated_at == first.updated_at + 10
        organization_id = stage.caller.organization_id

        def listed(**which: Any) -> list[RateLimit]:
            return stage.database.read_sync(lambda c: stage.rates.limits(c, organization_id, **which))

        everything = sorted([second, for_model, of_project], key=lambda limit: limit.id)
        assert listed() == everything
        assert sorted(listed(scope="key", subject=stage.caller.key_id), key=lambda limit: limit.model or "") == [
            second,
            for_model,
        ]
        assert listed(after=everything[0].id, rows_max=1) == everything[1:2]
        changes = stage.database.read_sync(lambda c: changes_after(c, 0, 100))
        assert [subject for _, topic, subject in changes if topic == TOPIC] == [
            first.id,
            first.id,
            for_model.id,
            of_project.id,
        ]
        stage.database.write_sync(lambda c: stage.rates.remove_limit(c, organization_id, first.id))
        assert listed(scope="key") == [for_model]
        with pytest.raises(InvalidRequest, match="no rate limit"):
            stage.database.write_sync(lambda c: stage.rates.remove_limit(c, organization_id, first.id))
        for wrong in ({"scope": "team"}, {"rows_max": 0}, {"rows_max": 10**6}):
            with pytest.raises(InvalidRequest):
                listed(**wrong)


def test_a_subject_has_a_bounded_number_of_limits(tmp_path: Path) -> None:
    with stand(tmp_path) as stage:
        for number in range(LIMITS_PER_SUBJECT_MAX):
            stage.set_limit("key", {RPM: 1}, f"model-{number}")
        with pytest.raises(InvalidRequest, match="Remove one first"):
            stage.set_limit("key", {RPM: 1})
        stage.set_limit("key", {RPM: 2}, "model-0")


def test_a_hundred_thousand_limits_are_read_in_a_few_seconds_at_most(tmp_path: Path) -> None:
    with stand(tmp_path) as stage:
        rows = [
            (f"rl_{i}", stage.caller.organization_id, "key", f"key_{i}", None, f'{{"{RPM}":60,"{TPM}":6000}}', 0, 0)
            for i in range(100_000)
        ]
        columns = "id, organization_id, scope, subject, model, limits, created_at, updated_at"
        stage.database.write_sync(
            lambda c: (
                c.exec_driver_sql(f"INSERT INTO rate_limits ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
            )
        )
        began = time.perf_counter()
        assert len(stage.database.read_sync(store.all_limits)) == 100_000
        assert time.perf_counter() - began < 5


def _set(stage: Stand, scope: str, subject: str, model: str | None, limits: object) -> RateLimit:
    return stage.database.write_sync(
        lambda c: stage.rates.set_limit(c, stage.caller.organization_id, scope, subject, model, limits)
    )
