"""Where calls go, told to a server of four workers through its API: all of them act on it within a second, and tell no secrets."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.keyed_upstream import Keyed, keyed_upstream
from tests.e2e.running import Running, free_port, serving
from tests.e2e.served_fleet import CONNECTIONS, NEW, Said, Served, served
from tests.unit.runtime.tls_stand import server as tls_server

WORKERS = 4
KEY_A, KEY_B, KEY_C = ("sk-upstream-a-Zq8xW3vN7tL2", "sk-upstream-b-Jd5rT9mB1kY6", "sk-upstream-c-Hg4wP2cX8sV0")
SPARE_KEY = "sk-spare-upstream-Mf7uR3nD6qA1"
WRONG_KEY = "sk-wrong-Tx2bQ6yE9hK4"
HEADER_SECRET = "hush-Vn3jL7gS1oC5"
PROXY_SECRET = "pass-Wd9kF4zU2iB8"
SECRETS = (KEY_A, KEY_B, KEY_C, SPARE_KEY, WRONG_KEY, HEADER_SECRET, PROXY_SECRET)
FILE = """
[engine]
enabled = false
[providers.filed]
base_url = "http://127.0.0.1:9/v1"
[models.filed]
provider = "filed"
price = 0
"""


@pytest.fixture(scope="module")
def main() -> Iterator[Keyed]:
    with keyed_upstream(KEY_A, KEY_B) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def spare() -> Iterator[Keyed]:
    with keyed_upstream(SPARE_KEY) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, main: Keyed, spare: Keyed) -> Iterator[Served]:
    """Two providers, made through the API of a server whose file has another; at its end it has told no secret."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "data").mkdir()
    (folder / "data" / "waystation.toml").write_text(FILE)
    with serving(folder / "data", workers=WORKERS) as running:
        with served(running) as fleet:
            fleet.provider("main", main.url, KEY_A)
            fleet.provider("spare", spare.url, SPARE_KEY, headers={"x-token": HEADER_SECRET})
            yield fleet
        assert_untold(running, fleet.heard)


def assert_untold(running: Running, heard: list[str]) -> None:
    """No secret is in an answer, the log, or what lies in the data folder."""
    files = [path for path in running.data.rglob("*") if path.is_file() and path.name != "secret.key"]
    assert any(path.name == "waystation.db" for path in files)
    told = {path.name: path.read_bytes() for path in (*files, running.log)} | {"answers": "\n".join(heard).encode()}
    for secret in SECRETS:
        assert [name for name, text in told.items() if secret.encode() in text] == []


def statuses(answers: list[Said]) -> set[int]:
    return {said.status for said in answers}


def places(answers: list[Said]) -> set[str | None]:
    return {said.where for said in answers}


def test_what_is_made_through_the_api_serves_calls_at_every_worker_within_a_second(fleet: Served, main: Keyed) -> None:
    assert statuses(fleet.everywhere("made")) == {404}
    made = fleet.deployment("made", "main", upstream_model="known", new_model=NEW)
    fleet.api("POST", "routes/made-too", {"alias_of": "made"})
    took = fleet.soon(lambda: statuses(fleet.everywhere("made-too")) == {200}, "answers under both names everywhere")
    before = main.models["known"]
    answers = fleet.everywhere("made")
    assert main.models["known"] == before + CONNECTIONS
    assert {said.headers["x-waystation-cost"] for said in answers} == {"0.001515 USD"}, "6 tokens in, 150 out"
    assert places(answers) == {"main/made"}
    assert {said.headers["x-waystation-model"] for said in fleet.everywhere("made-too")} == {"made"}

    fleet.api("POST", "routes/made-too", {"alias_of": "made"})
    other = fleet.deployment("made", "spare", upstream_model="known")
    fleet.api("POST", f"deployments/{made}", {"weight": 0})
    fleet.soon(lambda: places(fleet.everywhere("made")) == {"spare/made"}, "all calls at the other deployment")
    refused = fleet.api("DELETE", f"deployments/{other}", status=400)
    assert refused["error"]["param"] == "weight", "nobody would be left"
    fleet.api("POST", f"deployments/{made}", {"weight": 1})
    fleet.api("DELETE", f"deployments/{other}")
    fleet.soon(lambda: places(fleet.everywhere("made")) == {"main/made"}, "return of all to the first")
    fleet.api("DELETE", "routes/made-too")
    fleet.soon(lambda: statuses(fleet.everywhere("made-too")) == {404}, "end of the name everywhere")
    fleet.api("DELETE", f"deployments/{made}")
    gone = fleet.soon(lambda: statuses(fleet.everywhere("made")) == {404}, "end of the model everywhere")
    print(f"known by all {WORKERS} workers within {took:.2f} s, forgotten within {gone:.2f} s")


def test_a_credential_is_rotated_disabled_and_removed_within_a_second(fleet: Served, main: Keyed) -> None:
    made = fleet.deployment("rotating", "main", upstream_model="known", new_model=NEW)
    (first,) = [each["id"] for each in fleet.api("GET", "credentials")["data"] if each["provider"] == "main"]
    fleet.soon(lambda: statuses(fleet.everywhere("rotating")) == {200}, "answers")
    assert main.asked.keys() <= {KEY_A}
    fleet.api("POST", f"credentials/{first}", {"secret": KEY_B})

    def only_asked(key: str) -> bool:
        main.asked.clear()
        assert statuses(fleet.everywhere("rotating")) == {200}, "no call fails because a key is changed"
        return main.asked == {key: CONNECTIONS}

    took = fleet.soon(lambda: only_asked(KEY_B), "calls with the new key alone")
    second = fleet.api("POST", "credentials", {"provider": "main", "name": "second", "secret": KEY_A})["id"]
    fleet.soon(lambda: not only_asked(KEY_B) and set(main.asked) == {KEY_A, KEY_B}, "calls with both keys")
    fleet.api("POST", f"credentials/{first}", {"enabled": False})
    fleet.soon(lambda: only_asked(KEY_A), "calls without the disabled key")
    fleet.api("POST", f"credentials/{first}", {"enabled": True, "secret": KEY_A})
    fleet.api("DELETE", f"credentials/{second}")
    fleet.soon(lambda: only_asked(KEY_A), "calls without the removed key")
    fleet.api("DELETE", f"deployments/{made}")
    print(f"a new key is used by all within {took:.2f} s")


def test_a_refused_credential_is_left_alone_by_all_and_an_administrator_hears_of_it_once(
    fleet: Served, spare: Keyed
) -> None:
    with keyed_upstream() as strict:
        (bad,) = fleet.provider("strict", strict.url, WRONG_KEY)
        ids = [fleet.deployment("guarded", "strict", upstream_model="known", new_model=NEW)]
        ids.append(fleet.deployment("guarded", "spare", upstream_model="known", tier=1))
        fleet.soon(lambda: statuses(fleet.everywhere("guarded")) == {200}, "answers of the second tier")
        fleet.soon(lambda: fleet.api("GET", f"credentials/{bad}")["enabled"] is False, "disabled credential", 3)
        shown = fleet.api("GET", f"credentials/{bad}")
        assert shown["disabled"]["reason"] == "refused"
        notices = [each for each in fleet.api("GET", "notices")["data"] if each["subject"] == bad]
        assert [each["kind"] for each in notices] == ["credential_refused"]
        strict.keys.add(WRONG_KEY)
        fleet.api("POST", f"credentials/{bad}", {"enabled": True})
        fleet.soon(lambda: places(fleet.everywhere("guarded")) == {"strict/guarded"}, "return of the mended one")
        for each in reversed(ids):
            fleet.api("DELETE", f"deployments/{each}")
        fleet.api("DELETE", "providers/strict")


def test_a_drill_is_met_by_one_project_alone_until_it_is_stopped(fleet: Served) -> None:
    other = fleet.server.command("projects", "create", "Elsewhere", "--json")
    project_id = json.loads(other.stdout)["id"]
    key = fleet.api("POST", "keys", {"name": "elsewhere", "project_id": project_id})["value"]
    ids = [fleet.deployment("drilled", "main", upstream_model="known", new_model=NEW)]
    ids.append(fleet.deployment("drilled", "spare", upstream_model="known", tier=1))
    fleet.soon(lambda: places(fleet.everywhere("drilled")) == {"main/drilled"}, "answers")
    drill = fleet.api("POST", "drills", {"project_id": project_id, "provider": "main", "seconds": 60})
    fleet.soon(lambda: places(fleet.everywhere("drilled", key)) == {"spare/drilled"}, "the drilled project elsewhere")
    assert {said.served_by for said in fleet.everywhere("drilled", key)} == {"provider"}
    assert {said.served_by for said in fleet.everywhere("drilled")} == {"primary"}
    health = {each["deployment"]: each for each in fleet.api("GET", "health")["deployments"]}
    assert health["main/drilled"]["state"] == "closed", "a drill is no fault"
    fleet.api("DELETE", f"drills/{drill['id']}")
    fleet.soon(lambda: places(fleet.everywhere("drilled", key)) == {"main/drilled"}, "return after the drill")
    for each in reversed(ids):
        fleet.api("DELETE", f"deployments/{each}")


def hops(fleet: Served, name: str, model: str | None = None) -> dict[str, str]:
    report = fleet.api("POST", f"providers/{name}/test", {"model": model})
    failed = [hop["name"] for hop in report["hops"] if hop["outcome"] == "failed"]
    assert report["ok"] is (failed == [])
    assert all(hop["found"]["en"] and hop["found"]["zh"] for hop in report["hops"])
    return {hop["name"]: hop["outcome"] for hop in report["hops"]}


def failing(fleet: Served, name: str, model: str | None = None) -> list[str]:
    return [hop for hop, outcome in hops(fleet, name, model).items() if outcome == "failed"]


def test_the_test_of_a_provider_names_the_step_that_fails(fleet: Served, main: Keyed) -> None:
    assert failing(fleet, "main") == []
    assert hops(fleet, "main", "known")["model"] == "ok"
    assert failing(fleet, "main", "unknown") == ["model"], "its list has another"
    proxied = f"http://someone:{PROXY_SECRET}@127.0.0.1:{free_port()}"
    with keyed_upstream(KEY_A, tls=tls_server("good")) as private, socket.create_server(("127.0.0.1", 0)):
        there = (
            ("wrong-key", {"base_url": main.url}, "authentication"),
            ("dead-port", {"base_url": f"http://127.0.0.1:{free_port()}/v1"}, "connect"),
            ("no-host", {"base_url": "https://nobody.invalid/v1"}, "name"),
            ("wrong-ca", {"base_url": private.url}, "tls"),
            ("dead-proxy", {"base_url": "https://api.example.com/v1", "proxy": proxied}, "proxy"),
        )
        for name, given, step in there:
            fleet.provider(name, given.pop("base_url"), WRONG_KEY, **given)
            assert failing(fleet, name) == [step], name
            fleet.api("DELETE", f"providers/{name}")


def models(answers: list[Said]) -> set[str | None]:
    return {said.headers.get("x-waystation-model") for said in answers}


def test_names_that_stand_for_models_are_told_in_headers(fleet: Served) -> None:
    ids = [fleet.deployment("new", "main", upstream_model="known", new_model=NEW)]
    ids.append(fleet.deployment("old", "spare", upstream_model="known", new_model=NEW))
    routes = {
        "snapshot": {"alias_of": "new"},
        "either": {"prefer": ["old", "new"]},
        "auto": {"auto": [{"when": {"task": "code"}, "use": "new"}, {"use": "old"}]},
        "old": {"deprecated_at": 1_780_000_000, "sunset_at": 4_000_000_000, "replacement": "new"},
        "new": {"canary": {"model": "old", "percent": 50}},
    }
    for name, route in routes.items():
        fleet.api("POST", f"routes/{name}", route)
    fleet.soon(lambda: len(places(fleet.everywhere("new"))) == 2, "a canary")
    fleet.soon(lambda: statuses(fleet.everywhere("snapshot")) == {200}, "answers under the new names")
    fleet.soon(lambda: models(fleet.everywhere("either")) == {"old"}, "the first of a list that is there")
    fleet.soon(lambda: "sunset" in fleet.chat("old").headers and statuses(fleet.everywhere("auto")) == {200}, "rules")
    code = [{"role": "user", "content": "```python\nprint(1)\n``` refactor this"}]
    assert fleet.chat("auto", messages=code).headers["x-waystation-model"] in ("new", "old"), "its canary too"
    assert fleet.chat("auto").headers["x-waystation-model"] == "old"
    said = fleet.chat("old").headers
    assert (said["deprecation"], said["sunset"]) == ("@1780000000", "Tue, 02 Oct 2096 07:06:40 GMT")
    assert said["x-waystation-replacement"] == "new"
    seen = [said.headers.get("x-waystation-model", "new") for said in fleet.everywhere("new")]
    assert 10 < seen.count("old") < CONNECTIONS - 10, "half of them meet the canary"
    for person in ("ann", "bob", "eve"):
        assert len(places(fleet.everywhere("new", user=person))) == 1, "a person always meets the same"
    listed = fleet.api("GET", "routes")["data"]
    assert {each["name"] for each in listed} == routes.keys()
    for name in ("snapshot", "either", "auto", "old", "new"):
        fleet.api("DELETE", f"routes/{name}")
    for each in ids:
        fleet.api("DELETE", f"deployments/{each}")


def test_whoever_answers_in_another_models_place_is_named(fleet: Served, main: Keyed) -> None:
    with keyed_upstream(KEY_C) as away:
        away.down = True
        fleet.provider("away", away.url, KEY_C)
        ids = [fleet.deployment("late", "away", upstream_model="known", new_model=NEW)]
        ids.append(fleet.deployment("stand-in", "main", upstream_model="known", new_model=NEW))
        fleet.api("POST", "routes/late", {"fallbacks": ["stand-in"], "deprecated_at": 1_780_000_000})
        fleet.api("POST", "routes/lately", {"alias_of": "late"})
        fleet.soon(lambda: statuses(fleet.everywhere("lately")) == {200}, "answers of the stand-in")
        for name in ("late", "lately"):
            said = fleet.chat(name)
            assert said.headers["x-waystation-model"] == "stand-in"
            assert said.served_by == "provider"
        assert fleet.chat("late").headers["deprecation"] == "@1780000000"
        for name in ("lately", "late"):
            fleet.api("DELETE", f"routes/{name}")
        for each in ids:
            fleet.api("DELETE", f"deployments/{each}")
        fleet.api("DELETE", "providers/away")


def test_parameters_that_a_model_does_not_take_are_named(fleet: Served, main: Keyed) -> None:
    made = fleet.deployment("gpt-5-mini", "main", new_model=NEW, rules="")
    fleet.soon(lambda: statuses(fleet.everywhere("gpt-5-mini")) == {200}, "answers")
    said = fleet.chat("gpt-5-mini", max_tokens=50, temperature=0.2)
    assert said.status == 200
    assert said.headers["x-waystation-mapped"] == "max_tokens>max_completion_tokens"
    assert said.headers["x-waystation-ignored"] == "temperature"
    assert main.bodies[-1]["max_completion_tokens"] == 50
    assert not {"max_tokens", "temperature"} & main.bodies[-1].keys()
    fleet.api("DELETE", f"deployments/{made}")


def test_static_words_answer_when_nobody_else_does_in_the_callers_language(fleet: Served) -> None:
    with keyed_upstream(KEY_C) as away:
        away.down = True
        fleet.provider("away-too", away.url, KEY_C)
        made = fleet.deployment("gone", "away-too", upstream_model="known", new_model=NEW)
        fleet.api("POST", "routes/gone", {"static": {"en": "{model} is away.", "zh": "{model} 暂时不在。"}})
        fleet.soon(lambda: statuses(fleet.everywhere("gone")) == {200}, "static words")
        for language, words in (("en", "gone is away."), ("zh-CN", "gone 暂时不在。")):
            said = fleet.chat("gone", headers={"accept-language": language})
            assert said.body["choices"][0]["message"]["content"] == words
            assert (said.served_by, said.headers["x-waystation-cost"]) == ("static", "0 USD")
            streamed = fleet.chat("gone", headers={"accept-language": language}, stream=True)
            assert words in "".join(deltas(streamed))
        fleet.api("DELETE", "routes/gone")
        fleet.api("DELETE", f"deployments/{made}")
        fleet.api("DELETE", "providers/away-too")


def deltas(streamed: Said) -> list[str]:
    lines = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line.startswith("data: {")]
    choices = [json.loads(line)["choices"] for line in lines]
    return [choice[0]["delta"].get("content") or "" for choice in choices if choice]


def test_kept_answers_are_repeated_by_every_worker_cost_nothing_and_are_forgotten_when_told(
    fleet: Served, main: Keyed
) -> None:
    project = json.loads(fleet.server.command("projects", "create", "Keeps", "--json").stdout)["id"]
    fleet.server.command("projects", "set", project, "--cache-s", "600")
    key = fleet.api("POST", "keys", {"name": "keeps", "project_id": project})["value"]
    made = fleet.deployment("kept", "main", upstream_model="known", new_model=NEW)
    fleet.soon(lambda: statuses(fleet.everywhere("kept")) == {200}, "answers")
    assert {said.served_by for said in fleet.everywhere("kept")} == {"primary"}, "another project keeps nothing"

    first = fleet.chat("kept", key)
    assert (first.served_by, first.headers["x-waystation-cost"]) == ("primary", "0.001515 USD")
    fleet.soon(lambda: all_kept(fleet.everywhere("kept", key)), "the same answer at every worker", 3)
    again = fleet.chat("kept", key)
    assert (again.body["choices"], again.headers["x-waystation-cost"]) == (first.body["choices"], "0 USD")
    assert int(again.headers["age"]) < 60
    anew = fleet.chat("kept", key, headers={"cache-control": "no-cache"})
    assert (anew.served_by, anew.text != first.text) == ("primary", True)
    assert fleet.chat("kept", key, stream=True).served_by == "primary", "a stream is kept for itself"
    fleet.soon(lambda: all_kept(fleet.everywhere("kept", key, stream=True)), "the same stream at every worker", 3)
    assert deltas(fleet.chat("kept", key, stream=True))[:3] == ["Ich ", "bin ", "hier."]

    def saved() -> float:
        (row,) = [row for row in fleet.api("GET", "usage?group_by=project")["data"] if row["project"] == project]
        return float(row["saved"])

    assert saved() >= 0.001515 * CONNECTIONS
    told = fleet.server.command("usage", "--json")
    assert '"saved"' in told.stdout
    asked = main.models["known"]
    kept = {first.text, anew.text} | texts(fleet.everywhere("kept", key))
    done = fleet.api("DELETE", f"projects/{project}/kept_answers")
    assert (done["deleted"], done["count"]) == (True, 2)
    fleet.soon(
        lambda: kept.isdisjoint(texts(fleet.everywhere("kept", key))),
        "end of what was kept everywhere",
    )
    assert main.models["known"] > asked
    fleet.server.command("projects", "forget-answers", project)
    fleet.api("DELETE", f"deployments/{made}")
    assert fleet.server.command("ledger", "verify").returncode == 0


def texts(answers: list[Said]) -> set[str]:
    return {said.text for said in answers}


def all_kept(answers: list[Said]) -> bool:
    return {said.served_by for said in answers} == {"cache"}


def test_commands_beside_the_server_show_and_change_the_same(fleet: Served) -> None:
    command = fleet.server.command
    command("providers", "add", "by-hand", "--preset", "deepseek")
    assert "by-hand" in {each["name"] for each in fleet.api("GET", "providers")["data"]}
    added = json.loads(command("deployments", "add", "handmade", "main", "--new", "--price", "0", "--json").stdout)
    fleet.soon(lambda: statuses(fleet.everywhere("handmade")) == {200}, "answers of what a command made")
    assert {"main", "spare", "by-hand"} <= {
        each["name"] for each in json.loads(command("providers", "list", "--json").stdout)
    }
    assert "handmade" in {each["name"] for each in json.loads(command("models", "list", "--json").stdout)}
    for noun in ("credentials list", "deployments list", "routes list", "drills list", "notices"):
        lines = command(*noun.split()).stdout
        assert not any(secret in lines for secret in SECRETS)
    command("deployments", "remove", added["id"])
    command("providers", "remove", "by-hand")
    fleet.soon(lambda: statuses(fleet.everywhere("handmade")) == {404}, "end of what a command made")


def test_a_restart_keeps_all_of_it(tmp_path: Path, main: Keyed) -> None:
    config = tmp_path / "waystation.toml"
    config.write_text(FILE)
    with serving(tmp_path / "data", config) as running, served(running, 1) as fleet:
        fleet.provider("main", main.url, KEY_A)
        fleet.deployment("stays", "main", upstream_model="known", new_model=NEW)
        fleet.api("POST", "routes/alias", {"alias_of": "stays"})
        fleet.soon(lambda: fleet.chat("alias").status == 200, "an answer")
    with serving(tmp_path / "data", config) as running, served(running, 1) as fleet:
        assert fleet.chat("alias").status == 200
        assert fleet.chat("stays").headers["x-waystation-cost"] == "0.001515 USD"
    assert_untold(running, [])
