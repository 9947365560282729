"""Providers, deployments and routes through the control plane, over the whole app on a real database."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.fleet_stand import FILE, FREE, PUBLIC, SECRET, C, D, P, R, control_of, deployment, keyed, provider
from waystation.accounts import store


def test_a_provider_is_added_changed_listed_and_removed(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = await provider(s, headers={"x-team": "blue"}, total_timeout_s=30)
        assert (made["id"], made["object"], made["source"], made["kind"]) == ("blue", "provider", "api", "openai")
        assert (made["headers"], made["total_timeout_s"], made["problem"]) == ({"x-team": "blue"}, 30, None)
        changed = await s.post(f"{P}/blue", {"region": "eu", "total_timeout_s": None})
        assert (changed["region"], changed["total_timeout_s"], changed["headers"]) == ("eu", 600, {"x-team": "blue"})
        assert await s.get(f"{P}/blue") == changed
        assert [each["id"] for each in (await s.get(P))["data"]] == ["blue"]
        assert (await s.ask("DELETE", f"{P}/blue")).body == {
            "object": "provider.deleted",
            "id": "blue",
            "deleted": True,
        }
        assert (await s.ask("GET", f"{P}/blue")).error == (404, "not_found", "name")

    stand(tmp_path, story)


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"name": "a b"}, "invalid_value", "name"),
        ({"name": "a/b"}, "invalid_value", "name"),
        ({"name": "local"}, "invalid_value", "name"),
        ({"base_url": None}, "invalid_value", "base_url"),
        ({"base_url": "http://127.0.0.1:8000/v1"}, "invalid_value", "base_url"),
        ({"base_url": "http://10.1.2.3/v1"}, "invalid_value", "base_url"),
        ({"base_url": "http://169.254.169.254/latest"}, "invalid_value", "base_url"),
        ({"base_url": "http://[::ffff:10.0.0.1]/v1"}, "invalid_value", "base_url"),
        ({"base_url": "http://0x7f000001/v1"}, "invalid_value", "base_url"),
        ({"base_url": "https://user:pass@example.com"}, "invalid_value", "base_url"),
        ({"base_url": "file:///etc/passwd"}, "invalid_value", "base_url"),
        ({"headers": {"x-a": "b\r\nhost: evil"}}, "invalid_value", "headers.'x-a'"),
        ({"headers": {"x-a\r\nhost": "evil"}}, "invalid_value", "headers.'x-a\\r\\nhost'"),
        ({"headers": {"Host": "evil"}}, "invalid_value", "headers.'Host'"),
        ({"headers": {"x-key": "***"}}, "invalid_value", "headers.x-key"),
        ({"proxy": "ftp://proxy:21"}, "invalid_value", "proxy"),
        ({"proxy": "http://u:***@proxy.example.com:3128"}, "invalid_value", "proxy"),
        ({"ca_file": "ca.pem"}, "invalid_value", "ca_file"),
        ({"concurrency_max": 0}, "invalid_value", "concurrency_max"),
        ({"connect_timeout_s": 0}, "invalid_value", "connect_timeout_s"),
        ({"preset": "nobody"}, "invalid_value", "preset"),
        ({"kind": "smoke"}, "invalid_value", "kind"),
        ({"api_key": "sk-x"}, "unknown_parameter", "api_key"),
    ],
    ids=lambda each: json.dumps(each)[:40] if isinstance(each, dict) else "",
)
def test_a_provider_that_cannot_be_is_refused_by_name(
    tmp_path: Path, given: dict[str, Any], code: str, param: str
) -> None:
    async def story(s: Stand) -> None:
        said = await s.ask("POST", P, {"name": "blue", "base_url": PUBLIC, **given})
        assert said.error == (400, code, param), said
        assert (await s.get(P))["data"] == []

    stand(tmp_path, story)


def test_a_private_network_is_reached_by_who_says_so(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = await provider(s, base_url="http://10.1.2.3:8000/v1", allow_private_network=True)
        assert made["allow_private_network"] is True
        said = await s.ask("POST", f"{P}/blue", {"allow_private_network": None})
        assert said.error == (400, "invalid_value", "base_url")

    stand(tmp_path, story)


def test_what_may_be_secret_in_a_provider_is_hidden_and_stays_through_a_change(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        keyed(s)
        secrets: dict[str, Any] = {
            "proxy": "http://u:proxy-password-1@p.example.com:1",
            "headers": {"X-Token": "token-123", "a": "b"},
        }
        made = await provider(s, **secrets)
        assert made["proxy"] == "http://u:***@p.example.com:1"
        assert made["headers"] == {"X-Token": "***", "a": "b"}
        await s.post(f"{P}/blue", {"region": "eu"})
        config = await s.worker.database.read(lambda c: control_of(s).fleet.providers.config(c, "blue"))
        assert (config.proxy, config.headers) == (secrets["proxy"], {"a": "b", "X-Token": "token-123"})
        assert not leaks(s, "proxy-password-1", "token-123")

    stand(tmp_path, story)


def leaks(s: Stand, *secrets: str) -> list[str]:
    """The files of the data folder, log and database, that have one of these in them."""
    files = [path for path in s.worker.settings.data.rglob("*") if path.is_file()]
    assert any(path.name == "waystation.db" for path in files)
    return [path.name for path in files for secret in secrets if secret.encode() in path.read_bytes()]


def test_a_secret_goes_in_and_never_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(s: Stand) -> None:
        keyed(s)
        await provider(s)
        asked = {"provider": "blue", "name": "main", "secret": SECRET}
        said = [await s.ask("POST", C, asked)]
        id_ = said[0].body["id"]
        assert (said[0].body["redacted"], said[0].body["enabled"]) == ("sk-…cdef", True)
        said.append(await s.ask("POST", C, asked))
        assert said[-1].error == (400, "already_exists", "name")
        rotated = SECRET.replace("upstream", "rotated")
        said.append(await s.ask("POST", f"{C}/{id_}", {"secret": rotated + "\n", "weight": 3}))
        assert (said[-1].status, said[-1].body["weight"]) == (200, 3)
        for wrong in (
            {"secret": f"{SECRET}\r\nx-a: b"},
            {"secret": 5},
            {"secrets": SECRET},
            {"secret": SECRET, "a": 1},
        ):
            said.append(await s.ask("POST", f"{C}/{id_}", wrong))
            assert said[-1].status == 400, said[-1]
        said += [await s.ask("GET", path) for path in (C, f"{C}/{id_}", P, f"{P}/blue", D, R)]
        config = await s.worker.database.read(lambda c: control_of(s).fleet.providers.config(c, "blue"))
        assert config.credentials[0].secret.reveal() == rotated
        told = [str(each) for each in said] + [caplog.text, repr(config.credentials)]
        assert not [text for text in told if SECRET in text or rotated in text]
        assert not leaks(s, SECRET, rotated)
        rows = await s.worker.database.read(lambda c: control_of(s).fleet.load(c))
        assert SECRET not in repr(rows)

    stand(tmp_path, story)


def test_credentials_are_disabled_enabled_and_go_with_their_provider(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        keyed(s)
        await provider(s)
        made = await s.post(C, {"provider": "blue", "name": "main", "secret": SECRET})
        off = await s.post(f"{C}/{made['id']}", {"enabled": False})
        assert (off["enabled"], off["disabled"]["reason"]) == (False, "administrator")
        config = await s.worker.database.read(lambda c: control_of(s).fleet.providers.config(c, "blue"))
        assert [each.disabled for each in config.credentials] == [True]
        assert (await s.post(f"{C}/{made['id']}", {"enabled": True}))["enabled"] is True
        for given, param in (({"weight": 0}, "weight"), ({"provider": "blu"}, "provider"), ({"name": "a b"}, "name")):
            asked = {"provider": "blue", "name": "other", "secret": SECRET, **given}
            said = await s.ask("POST", C, asked)
            assert said.status in (400, 404)
            assert said.error[2] == param
        assert (
            "did you mean 'blue'"
            in (await s.ask("POST", C, asked | {"name": "x", "provider": "blu"})).body["error"]["message"]
        )
        await s.ask("DELETE", f"{P}/blue")
        assert (await s.get(C))["data"] == []

    stand(tmp_path, story)


def test_what_the_file_has_is_listed_and_only_its_credentials_use_is_changed(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        keyed(s)
        (filed,) = (await s.get(P))["data"]
        assert (filed["source"], filed["headers"]) == ("file", {"x-api-token": "***", "x-team": "blue"})
        for method, body in (("POST", {"region": "eu"}), ("DELETE", None)):
            assert (await s.ask(method, f"{P}/filed", body)).error == (400, "set_in_file", "name")
        assert (await s.ask("POST", P, {"name": "filed", "base_url": PUBLIC})).error == (400, "already_exists", "name")
        (key,) = (await s.get(C))["data"]
        assert (key["source"], key["redacted"]) == ("file", "sk-…6789")
        one = f"{C}/{key['id']}"
        assert (await s.ask("POST", one, {"weight": 2})).error == (400, "set_in_file", "credential_id")
        assert (await s.ask("DELETE", one)).error == (400, "set_in_file", "credential_id")
        assert (await s.post(one, {"enabled": False}))["enabled"] is False
        added = await s.post(C, {"provider": "filed", "name": "second", "secret": SECRET})
        config = await s.worker.database.read(lambda c: control_of(s).fleet.providers.config(c, "filed"))
        assert [(each.id, each.disabled) for each in config.credentials] == [(key["id"], True), (added["id"], False)]
        more = await s.post(D, {"model": "filed-chat", "provider": "filed", "upstream_model": "big", "tier": 1})
        assert (more["name"], more["new_model"]) == ("filed/big", None)
        said = await s.ask("POST", D, {"model": "filed-chat", "provider": "filed", "name": "filed/filed-chat"})
        assert said.error == (400, "already_exists", "name")

    stand(tmp_path, story, FILE)


def test_a_deployment_brings_a_model_that_goes_on_with_the_next_one(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        first = await deployment(s, new_model={"price": {"input": "1", "output": "2"}, "vision": True})
        assert (first["name"], first["upstream_model"], first["tier"]) == ("blue/m", "m", 0)
        price = first["new_model"]["price"]
        second = await s.post(D, {"model": "m", "provider": "blue", "upstream_model": "m-2", "weight": 4})
        assert second["new_model"] is None
        assert (await s.post(f"{D}/{second['name']}", {"weight": None, "prefill": True}))["weight"] == 1
        assert (await s.ask("DELETE", f"{D}/{first['id']}")).body["id"] == first["id"]
        heir = await s.get(f"{D}/{second['id']}")
        assert heir["new_model"] == first["new_model"] | {"price": price}
        await s.post(f"{R}/m", {"attempts_max": 2})
        await s.post(f"{R}/alias", {"alias_of": "m"})
        said = await s.ask("DELETE", f"{D}/{second['id']}")
        assert said.error == (400, "in_use", "deployment_id")
        assert "'alias'" in said.body["error"]["message"]
        assert (await s.ask("DELETE", f"{P}/blue")).error == (400, "in_use", "name")
        for path in (f"{R}/alias", f"{R}/m", f"{D}/{second['id']}", f"{P}/blue"):
            assert (await s.ask("DELETE", path)).status == 200, path

    stand(tmp_path, story)


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"model": "m"}, "invalid_value", "new_model"),
        ({"model": "n", "new_model": None}, "not_found", "model"),
        ({"model": "n", "provider": "blu"}, "invalid_value", "provider"),
        ({"model": "n", "weight": 0}, "invalid_value", "weight"),
        ({"model": "n", "weight": -1}, "invalid_value", "weight"),
        ({"model": "n", "tier": 1}, "invalid_value", "tier"),
        ({"model": "n", "tier": 99}, "invalid_value", "tier"),
        ({"model": "n", "name": "blue/m"}, "already_exists", "name"),
        ({"model": "n", "name": "a b"}, "invalid_value", "name"),
        ({"model": "alias"}, "already_exists", "model"),
        ({"model": "n", "new_model": {}}, "price_missing", "new_model.price"),
        ({"model": "n", "new_model": {"price": {"input": 1.5}}}, "invalid_value", "new_model.price"),
        (
            {"model": "n", "new_model": {"price": 0, "context_tokens_max": 0}},
            "invalid_value",
            "new_model.context_tokens_max",
        ),
        ({"model": "n", "upstream_model": "a\nb"}, "invalid_value", "upstream_model"),
    ],
    ids=lambda each: json.dumps(each)[:60] if isinstance(each, dict) else "",
)
def test_a_deployment_that_cannot_be_is_refused_by_name(
    tmp_path: Path, given: dict[str, Any], code: str, param: str
) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        await deployment(s)
        await s.post(f"{R}/alias", {"alias_of": "m"})
        said = await s.ask("POST", D, {"provider": "blue", "new_model": FREE, **given})
        assert said.error[1:] == (code, param), said
        assert len((await s.get(D))["data"]) == 1, "nothing of it was kept"

    stand(tmp_path, story)


def test_a_route_is_set_as_a_whole_read_and_removed(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        for model in ("m", "org/other"):
            await deployment(s, model)
        route = {"fallbacks": ["org/other"], "cache": True, "cache_s": 60, "static": {"en": "Later.", "zh": "稍后。"}}
        made = await s.post(f"{R}/m", route)
        assert {name: made["route"][name] for name in route} == route
        again = await s.post(f"{R}/m", {"canary": {"model": "org/other", "percent": 2.5}})
        assert (again["route"]["fallbacks"], again["route"]["canary"]["percent"]) == ([], 2.5)
        await s.post(f"{R}/org/alias", {"alias_of": "org/other"})
        await s.post(f"{R}/pick", {"auto": [{"when": {"images": True}, "use": "m"}, {"use": "org/alias"}]})
        names = ["m", "org/alias", "pick"]
        seen: list[str] = []
        while len(seen) < len(names):
            page = await s.get(R, order="asc", limit=1, **({"after": seen[-1]} if seen else {}))
            seen += [each["id"] for each in page["data"]]
            assert page["has_more"] is (len(seen) < len(names))
        assert seen == names
        assert (await s.ask("DELETE", f"{R}/org/alias")).error == (400, "in_use", "name")
        assert (await s.ask("DELETE", f"{R}/pick")).status == 200
        assert (await s.ask("DELETE", f"{R}/org/alias")).status == 200
        assert (await s.ask("GET", f"{R}/org/alias")).error == (404, "not_found", "name")

    stand(tmp_path, story)


@pytest.mark.parametrize(
    ("name", "route", "param"),
    [
        ("nobody", {"attempts_max": 2}, "name"),
        ("m", {"alias_of": "n"}, "name"),
        ("a", {"alias_of": "b"}, "alias_of"),
        ("b", {"alias_of": "nobody"}, "alias_of"),
        ("m", {"fallbacks": ["m"]}, "fallbacks[0]"),
        ("m", {"fallbacks": ["nobody"]}, "fallbacks[0]"),
        ("m", {"local": "n"}, "local"),
        ("m", {"canary": {"model": "n", "percent": 101}}, "canary.percent"),
        ("m", {"attempts_max": 0}, "attempts_max"),
        ("m", {"cache_s": -1}, "cache_s"),
        ("m", {"static": {"en": "", "zh": "x"}}, "static.en"),
        ("m", {"static": {"en": "x"}}, "static.zh"),
        ("m", {"replacement": "nobody"}, "replacement"),
        ("m", {"fallback": ["n"]}, "fallback"),
        ("m", {"fallbacks": [5]}, "fallbacks[0]"),
        ("c", {"prefer": ["m"], "alias_of": "n"}, "prefer"),
    ],
    ids=lambda each: json.dumps(each)[:60] if isinstance(each, dict) else str(each),
)
def test_a_route_that_cannot_be_is_refused_by_name(
    tmp_path: Path, name: str, route: dict[str, Any], param: str
) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        await deployment(s, "m")
        await deployment(s, "n")
        await s.post(f"{R}/b", {"alias_of": "m"})
        if name == "a":  # b → a → b
            await s.post(f"{R}/a", {"alias_of": "m"})
            await s.post(f"{R}/b", {"alias_of": "a"})
        said = await s.ask("POST", f"{R}/{name}", route)
        assert (said.status, said.error[2]) == (400, param), said

    stand(tmp_path, story)


def test_of_two_changes_at_once_neither_is_lost(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        changes: list[dict[str, Any]] = [
            {"region": "eu"},
            {"api_version": "v2"},
            {"concurrency_max": 7},
            {"total_timeout_s": 9},
        ]
        await asyncio.gather(*(s.post(f"{P}/blue", change) for change in changes))
        found = await s.get(f"{P}/blue")
        assert [found[name] for change in changes for name in change] == ["eu", "v2", 7, 9]
        said = await asyncio.gather(*(s.ask("POST", P, {"name": "red", "base_url": PUBLIC}) for _ in range(5)))
        assert sorted(each.status for each in said) == [200, 400, 400, 400, 400]

    stand(tmp_path, story)


def test_a_change_is_told_to_all_workers(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        before = await s.worker.database.read(store.last_change)
        await provider(s)
        await deployment(s)
        await s.post(f"{R}/alias", {"alias_of": "m"})
        await s.ask("DELETE", f"{R}/alias")
        changes = await s.worker.database.read(lambda c: store.changes_after(c, before, 100))
        assert [(topic, subject) for _, topic, subject in changes] == [
            ("fleet", "blue"),
            ("fleet", "blue/m"),
            ("fleet", "alias"),
            ("fleet", "alias"),
        ]

    stand(tmp_path, story)


def test_a_name_that_nothing_can_have_is_not_found(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await provider(s)
        names = ("%00", "%ff", "%ed%a0%80", "x" * 4_000, "..%2f..", "%e4%bd%a0", "'; DROP TABLE providers; --")
        for base, method in ((P, "GET"), (P, "DELETE"), (C, "POST"), (D, "DELETE"), (R, "GET"), (R, "DELETE")):
            for name in names:
                said = await s.ask(method, f"{base}/{name}", {} if method == "POST" else None)
                assert said.status == 404, (method, base, name, said)
        assert len((await s.get(P))["data"]) == 1
        assert (await s.ask("POST", f"{R}/%00", {"alias_of": "m"})).error == (400, "invalid_value", "name")

    stand(tmp_path, story)
