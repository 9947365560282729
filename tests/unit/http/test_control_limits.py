"""Rate limits over the whole app on a real database: set anew, listed by what they limit, and as OpenAI has a project's."""

from pathlib import Path
from typing import Any

from tests.contract.shapes import assert_shape
from tests.unit.http.control_stand import Stand, stand
from waystation.ledger.rates import model
from waystation.wire.limits import LIMIT_MAX

LIMITS = "/waystation/rate_limits"
RPM, RPD, TPM = "max_requests_per_1_minute", "max_requests_per_1_day", "max_tokens_per_1_minute"
IMAGES, AUDIO, STREAMS = "max_images_per_1_minute", "max_audio_megabytes_per_1_minute", "max_concurrent_streams"


def test_what_may_be_asked_for_is_what_may_be_set() -> None:
    assert LIMIT_MAX == model.LIMIT_MAX


def test_limits_are_set_anew_listed_by_what_they_limit_and_removed(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        project = {"scope": "project", "subject": s.project_id}
        first = await s.post(LIMITS, {**project, RPM: 60, TPM: 1_000})
        again = await s.post(LIMITS, {**project, RPM: 0, STREAMS: 2})
        assert again == {
            **{name: first[name] for name in ("id", "organization_id", "created_at")},
            "object": "rate_limit",
            **project,
            "model": None,
            **dict.fromkeys((RPD, TPM, IMAGES, AUDIO)),
            RPM: 0,
            STREAMS: 2,
            "updated_at": again["updated_at"],
        }
        for_model = await s.post(LIMITS, {**project, "model": "m", RPM: 5})
        whole = await s.post(LIMITS, {"scope": "organization", RPD: 10**10})
        assert whole["subject"] == s.organization_id

        async def listed(**which: Any) -> list[str]:
            return [each["id"] for each in (await s.get(LIMITS, order="asc", **which))["data"]]

        assert await listed() == sorted([first["id"], for_model["id"], whole["id"]])
        assert await listed(scope="project", subject=s.project_id) == sorted([first["id"], for_model["id"]])
        assert await listed(model="m") == [for_model["id"]]
        assert await listed(scope="key") == []
        assert (await s.ask("GET", LIMITS, scope="team")).error == (400, None, "scope")
        page = await s.get(LIMITS, limit=2)
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ((await listed())[:0:-1], True)
        one = f"{LIMITS}/{for_model['id']}"
        assert await s.get(one) == for_model
        gone = await s.ask("DELETE", one)
        assert gone.body == {"object": "rate_limit.deleted", "id": for_model["id"], "deleted": True}
        assert (await s.ask("GET", one)).error == (404, "not_found", "rate_limit_id")

    stand(tmp_path, story)


def test_a_projects_limits_have_openais_shape_and_are_changed_in_part(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        path = f"/organization/projects/{s.project_id}/rate_limits"
        assert (await s.get(path))["data"] == []
        project = {"scope": "project", "subject": s.project_id}
        made = [(await s.post(LIMITS, {**project, "model": name, RPM: 5, IMAGES: 7}))["id"] for name in ("a", "b", "c")]
        whole = await s.post(LIMITS, {**project, TPM: 90})
        await s.post(LIMITS, {"scope": "organization", RPM: 1})
        ids = [*made, whole["id"]]
        page = await s.get(path)
        assert_shape("ProjectRateLimitListResponse", page)
        assert [each["id"] for each in page["data"]] == sorted(ids)
        changed = await s.post(f"{path}/{made[0]}", {RPM: 9, RPD: 100})
        assert_shape("ProjectRateLimit", changed)
        assert changed == {
            "id": made[0], "object": "project.rate_limit", "model": "a", RPM: 9, TPM: LIMIT_MAX, RPD: 100, IMAGES: 7,
        }  # fmt: skip
        assert (await s.get(f"{LIMITS}/{made[0]}"))[TPM] is None
        assert await s.post(f"{path}/{made[0]}", {}) == changed, "nothing is asked for, nothing is changed"
        shown = await s.post(f"{path}/{whole['id']}", {})
        assert (shown["model"], shown[RPM], shown[TPM]) == ("*", LIMIT_MAX, 90)
        for body, error in (
            ({"batch_1_day_max_input_tokens": 5}, (400, "unknown_parameter", "batch_1_day_max_input_tokens")),
            ({RPM: -1}, (400, "integer_below_min_value", RPM)),
        ):
            assert (await s.ask("POST", f"{path}/{made[0]}", body)).error == error

    stand(tmp_path, story)


def test_a_projects_limits_are_read_a_page_at_a_time_forwards_and_back(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        path = f"/organization/projects/{s.project_id}/rate_limits"
        project = {"scope": "project", "subject": s.project_id}
        ids = sorted([(await s.post(LIMITS, {**project, "model": f"m{n}", RPM: 5}))["id"] for n in range(5)])

        async def page(**query: Any) -> tuple[list[str], bool]:
            told = await s.get(path, **query)
            found = [each["id"] for each in told["data"]]
            assert (told["first_id"], told["last_id"]) == (found[0], found[-1])
            return found, told["has_more"]

        assert await page(limit=2) == (ids[:2], True)
        assert await page(limit=2, after=ids[1]) == (ids[2:4], True)
        assert await page(limit=2, after=ids[3]) == (ids[4:], False)
        assert await page(limit=2, before=ids[4]) == (ids[2:4], True)
        assert await page(limit=2, before=ids[2]) == (ids[:2], False)
        assert await page(after=ids[0], before=ids[3]) == (ids[1:3], False)
        for query in ({"before": "a b"}, {"limit": 0}, {"order": "asc"}):
            assert (await s.ask("GET", path, **query)).status == 400, query

    stand(tmp_path, story)
