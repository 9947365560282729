"""Drills, notices, the health of routing and the test of a provider through the control plane."""

from pathlib import Path

import msgspec

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.fleet_stand import FILE, SECRET, C, D, P, R, control_of, deployment, keyed, provider
from waystation.http.v1 import health, providers
from waystation.http.v1.control import Asked
from waystation.providers.model import ProviderConfig
from waystation.terms import Caller, Secret
from waystation.wire.drills import HealthObject
from waystation.wire.providers import ProviderHop, ProviderTest, Words


def test_a_project_drills_for_itself_and_nobody_else(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        path = "/waystation/drills"
        await provider(s)
        _, admin, theirs = await s.new_organization()
        asked = {"project_id": s.project_id, "provider": "blue", "seconds": 60}
        made = await s.post(path, asked)
        assert (made["status"], made["kind"], made["subject"]) == ("on", "provider", "blue")
        assert made["until_at"] == made["created_at"] + 60
        their = await s.post(path, asked | {"project_id": theirs}, key=admin)
        assert (await s.ask("POST", path, asked, key=admin)).error == (404, "not_found", "project_id")
        assert (await s.ask("DELETE", f"{path}/{made['id']}", key=admin)).status == 404
        assert [each["id"] for each in (await s.get(path, key=admin))["data"]] == [their["id"]]
        stopped = await s.ask("DELETE", f"{path}/{made['id']}")
        assert (stopped.status, stopped.body["status"]) == (200, "stopped")
        for given, param in (
            ({"provider": None}, "provider"),
            ({"deployment": "blue/m"}, "deployment"),
            ({"seconds": 3601}, "seconds"),
            ({"seconds": 0}, "seconds"),
        ):
            said = await s.ask("POST", path, asked | given)
            assert (said.status, said.error[2]) == (400, param)
        assert (await s.ask("POST", path, asked, key=s.key)).status == 403

    stand(tmp_path, story)


def test_every_deployment_that_answers_calls_can_be_drilled(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        asked = {"project_id": s.project_id, "deployment": "filed/filed-chat"}
        assert (await s.post("/waystation/drills", asked))["subject"] == "filed/filed-chat"

    stand(tmp_path, story, FILE)


def test_notices_are_listed_the_newest_first(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        fleet = control_of(s).fleet
        (key,) = (await s.get(C))["data"]
        for _ in range(3):
            assert await s.worker.database.write(lambda c: fleet.refuse_credential(c, key["id"], "filed", "401"))
            await s.post(f"{C}/{key['id']}", {"enabled": True})
        page = await s.get("/waystation/notices", limit=2)
        assert ([each["id"] for each in page["data"]], page["has_more"]) == (["3", "2"], True)
        assert page["data"][0]["detail"] == {"provider": "filed", "credential": key["id"], "detail": "401"}
        rest = await s.get("/waystation/notices", after=page["last_id"])
        assert [each["id"] for each in rest["data"]] == ["1"]
        assert (await s.ask("GET", "/waystation/notices", after="x")).error[2] == "after"

    stand(tmp_path, story, FILE)


def test_a_provider_is_tested_with_all_that_it_is_reached_by(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        keyed(s)
        await provider(s, headers={"x-token": "t"})
        await s.post(C, {"provider": "blue", "name": "main", "secret": SECRET})
        control = control_of(s)
        seen: list[tuple[ProviderConfig, str | None]] = []

        async def test_provider(config: ProviderConfig, model: str | None) -> ProviderTest:
            seen.append((config, model))
            words = Words(en="No such host.", zh="没有这个主机。")
            hop = ProviderHop(name="name", outcome="failed", ms=3, found=words, next_step=None)
            return ProviderTest(provider="", ok=False, hops=[hop])

        control.test_provider = test_provider
        asked = Asked(caller=Caller("", "", ""), organization_id="", path={"provider": "blue"}, body=b'{"model": "m"}')
        report = await providers.test(control, asked)
        assert (report.provider, report.ok, report.hops[0].found.en) == ("blue", False, "No such host.")
        ((config, model),) = seen
        assert (config.headers, config.credentials[0].secret, model) == ({"x-token": "t"}, Secret(SECRET), "m")
        await providers.test(control, msgspec.structs.replace(asked, body=b""))
        assert seen[1][1] is None
        assert (await s.ask("POST", f"{P}/nobody/test", {})).error == (404, "not_found", "name")

    stand(tmp_path, story)


def test_the_health_of_routing_is_what_this_worker_has_seen(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        control = control_of(s)
        control.health = lambda: HealthObject(at=5, deployments=[], credentials=[])
        asked = Asked(caller=Caller("", "", ""), organization_id="")
        assert await health.retrieve(control, asked) == control.health()

    stand(tmp_path, story)


def test_what_was_set_is_there_after_a_restart_and_another_key_breaks_nothing_else(tmp_path: Path) -> None:
    async def first(s: Stand) -> None:
        keyed(s)
        await provider(s)
        await s.post(C, {"provider": "blue", "name": "main", "secret": SECRET})
        await deployment(s)
        await s.post(f"{R}/alias", {"alias_of": "m"})
        (s.worker.settings.data / "secret.key").write_bytes(b"x" * 32)

    async def second(s: Stand) -> None:
        assert [(await s.get(path))["data"][0]["id"] for path in (P, R)] == ["blue", "alias"]
        assert (await s.get(D))["data"][0]["name"] == "blue/m"
        (credential,) = (await s.get(C))["data"]
        assert credential["id"] in credential["problem"]
        assert "secret.key" in credential["problem"]
        renewed = await s.post(f"{C}/{credential['id']}", {"secret": SECRET})
        assert renewed["problem"] is None

    stand(tmp_path, first)
    stand(tmp_path, second)
