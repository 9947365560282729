"""Drills: for a project of one's own, of what there is, and never for longer than an hour."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.fleet.fleet_stand import FleetStand, fleet_stand
from waystation.errors import ApiError
from waystation.fleet.model import DRILLS_PER_PROJECT_MAX, Drill


def project(s: FleetStand) -> tuple[str, str]:
    organization, made = s.do(s.accounts.ensure_first)
    return organization.id, made.id


def start(s: FleetStand, ids: tuple[str, str], **given: Any) -> Drill:
    asked: dict[str, Any] = {"kind": "provider", "subject": "blue", "seconds": 60, **given}
    return s.do(lambda c: s.fleet.drills.start(c, *ids, **asked))


def test_a_drill_is_on_until_its_time_or_until_it_is_stopped(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        s.provider()
        ids = project(s)
        first, second = start(s, ids), start(s, ids, seconds=3600)
        assert s.do(s.fleet.drills.on) == sorted([first, second], key=lambda each: each.id)
        s.clock.at += 60
        assert s.do(s.fleet.drills.on) == [second]
        stopped = s.do(lambda c: s.fleet.drills.stop(c, ids[0], second.id))
        assert stopped.ended_at == s.clock.at
        assert s.do(s.fleet.drills.on) == []
        s.clock.at += 10
        assert s.do(lambda c: s.fleet.drills.stop(c, ids[0], second.id)) == stopped, "once more changes nothing"
        assert s.do(lambda c: s.fleet.drills.stop(c, ids[0], first.id)).ended_at is None, "it was over by itself"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": 3601}, "seconds"),
        ({"subject": "blu"}, "provider"),
        ({"kind": "deployment", "subject": "blue"}, "deployment"),
        ({"kind": "credential", "subject": "blue"}, "credential"),
    ],
    ids=lambda each: str(each),
)
def test_what_cannot_be_drilled_is_refused_by_name(tmp_path: Path, given: dict[str, Any], param: str) -> None:
    with fleet_stand(tmp_path) as s:
        s.provider()
        ids = project(s)
        with pytest.raises(ApiError) as caught:
            start(s, ids, **given)
        assert caught.value.param == param


def test_the_engine_and_the_catalogues_deployments_can_be_drilled(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        ids = project(s)
        assert start(s, ids, subject="local").subject == "local"
        assert start(s, ids, kind="deployment", subject="local/m", deployments=["local/m"]).subject == "local/m"


def test_another_organizations_project_is_not_there(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        s.provider()
        ids = project(s)
        drill = start(s, ids)
        for refused in (
            lambda c: s.fleet.drills.start(c, "org_other", ids[1], "provider", "blue", 60),
            lambda c: s.fleet.drills.stop(c, "org_other", drill.id),
        ):
            with pytest.raises(ApiError) as caught:
                s.do(refused)
            assert caught.value.status == 404
        assert s.do(lambda c: s.fleet.drills.all(c, "org_other")) == []


def test_a_project_has_so_many_at_once(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        s.provider()
        ids = project(s)
        for _ in range(DRILLS_PER_PROJECT_MAX):
            start(s, ids)
        with pytest.raises(ApiError) as caught:
            start(s, ids)
        assert caught.value.code == "too_many"
        s.clock.at += 60
        start(s, ids)
