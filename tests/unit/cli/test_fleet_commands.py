"""Providers, credentials, deployments, routes, drills and notices from outside: what the commands print, and how they end."""

import socket
from pathlib import Path
from typing import Any

from tests.unit.cli.command import Said, waystation

SECRET = "sk-upstream-0123456789abcdef"


def told(home: Path, *arguments: str, stdin: str = "") -> Any:
    """What a command that went well prints as JSON."""
    said = waystation(*arguments, "--json", home=home, stdin=stdin)
    assert (said.code, said.err) == (0, ""), said
    return said.json


def fresh(home: Path) -> None:
    assert waystation("init", home=home).code == 0


def chinese(home: Path, *arguments: str) -> Said:
    return waystation(*arguments, home=home, environ={"LANG": "zh_CN.UTF-8"})


def test_a_provider_is_added_with_a_pool_of_credentials(tmp_path: Path) -> None:
    fresh(tmp_path)
    url = ("--base-url", "https://api.example.com/v1")
    made = told(tmp_path, "providers", "add", "blue", *url, "--header", "x-team=blue", "--concurrency-max", "9")
    assert (made["headers"], made["concurrency_max"], made["source"]) == ({"x-team": "blue"}, 9, "api")
    changed = told(tmp_path, "providers", "set", "blue", "--proxy", "http://u:hush@p.example.com:1")
    assert (changed["proxy"], changed["concurrency_max"]) == ("http://u:***@p.example.com:1", 9)
    main = told(tmp_path, "credentials", "add", "blue", "--secret-file", "-", stdin=SECRET + "\n")
    file = tmp_path / "secret.txt"
    file.write_text(SECRET.replace("upstream", "second") + "\n")
    second = told(tmp_path, "credentials", "add", "blue", "second", "--weight", "3", "--secret-file", str(file))
    assert (main["redacted"], second["name"], second["weight"]) == ("sk-…cdef", "second", 3)
    assert told(tmp_path, "credentials", "disable", "blue/second")["enabled"] is False
    assert "已停用" in chinese(tmp_path, "credentials", "list").out
    assert told(tmp_path, "credentials", "enable", second["id"])["enabled"] is True
    told(tmp_path, "credentials", "rotate", "blue/main", stdin=SECRET.replace("upstream", "rotated"))
    assert len(told(tmp_path, "credentials", "list", "--provider", "blue")) == 2
    assert told(tmp_path, "credentials", "remove", "blue/second")["deleted"] is True
    lines = waystation("providers", "list", home=tmp_path).out
    assert "blue  openai  https://api.example.com/v1" in lines
    assert told(tmp_path, "providers", "remove", "blue")["deleted"] is True
    assert told(tmp_path, "credentials", "list") == []


def test_a_model_gets_deployments_and_a_route(tmp_path: Path) -> None:
    fresh(tmp_path)
    told(tmp_path, "providers", "add", "blue", "--base-url", "https://api.example.com/v1")
    new = ("--new", "--price", "input=1,output=2", "--context", "4096", "--vision")
    first = told(tmp_path, "deployments", "add", "m", "blue", *new)
    assert (first["name"], first["new_model"]["context_tokens_max"], first["new_model"]["vision"]) == (
        "blue/m",
        4096,
        True,
    )
    second = told(tmp_path, "deployments", "add", "m", "blue", "--upstream-model", "m-2", "--tier", "1")
    assert told(tmp_path, "deployments", "set", "blue/m-2", "--weight", "5")["weight"] == 5
    assert "第 1 层，权重 5" in chinese(tmp_path, "deployments", "list").out
    route = told(tmp_path, "routes", "set", "m", "--cache-s", "60", "--from", "-", stdin='{"attempts_max": 3}')
    assert [route["route"][name] for name in ("cache", "cache_s", "attempts_max")] == [True, 60, 3]
    told(tmp_path, "routes", "set", "alias", "--alias-of", "m")
    assert [each["name"] for each in told(tmp_path, "routes", "list")] == ["alias", "m"]
    refused = waystation("routes", "set", "alias", "--alias-of", "alias", home=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert "circle" in refused.err
    assert told(tmp_path, "routes", "remove", "alias")["deleted"] is True
    assert told(tmp_path, "deployments", "remove", second["id"])["deleted"] is True
    assert waystation("deployments", "remove", "blue/m", home=tmp_path).code == 1, "a route is still there"


def test_a_drill_is_started_listed_and_stopped(tmp_path: Path) -> None:
    fresh(tmp_path)
    drill = told(tmp_path, "drills", "start", "--provider", "local", "--seconds", "60")
    assert (drill["status"], drill["kind"], drill["until_at"] - drill["created_at"]) == ("on", "provider", 60)
    assert "进行中" in chinese(tmp_path, "drills", "list").out
    assert told(tmp_path, "drills", "stop", drill["id"])["status"] == "stopped"
    assert waystation("drills", "start", home=tmp_path).code == 2
    assert told(tmp_path, "notices") == []


def test_what_is_asked_wrongly_is_told(tmp_path: Path) -> None:
    said = waystation("providers", "add", "blue", "--base-url", "https://api.example.com/v1", home=tmp_path)
    assert said.code == 0
    said = waystation("credentials", "add", "blue", home=tmp_path, stdin=SECRET)
    assert (said.code, "waystation init" in said.err, SECRET in said.err) == (1, True, False), "no secret.key yet"
    fresh(tmp_path)
    assert waystation("credentials", "add", "blue", home=tmp_path, stdin=" ").code == 2
    assert waystation("credentials", "add", "blue", "--secret-file", "/none", home=tmp_path).code == 2
    assert waystation("credentials", "disable", "blue/none", home=tmp_path).code == 1
    assert waystation("providers", "set", "blue", home=tmp_path).code == 2
    assert waystation("providers", "add", "red", "--header", "x", home=tmp_path).code == 2
    assert "did you mean 'blue'" in waystation("credentials", "add", "blu", home=tmp_path, stdin=SECRET).err
    assert waystation("routes", "set", "m", "--from", "-", home=tmp_path, stdin="[" * 100_000).code == 2


def test_a_provider_is_tested_from_this_machine_and_the_hop_that_fails_is_named(tmp_path: Path) -> None:
    fresh(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = ("--base-url", f"http://127.0.0.1:{port}/v1", "--allow-private-network")
    told(tmp_path, "providers", "add", "dead", *url)
    said = waystation("providers", "test", "dead", "--json", home=tmp_path)
    assert said.code == 1, said
    assert [hop["name"] for hop in said.json["hops"] if hop["outcome"] == "failed"] == ["connect"]
