"""Budgets, credit, rate limits, organizations and projects from outside: what the commands print, and how they end."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.command import waystation


def told(home: Path, *arguments: str) -> Any:
    """What a command that went well prints as JSON."""
    said = waystation(*arguments, "--json", home=home)
    assert (said.code, said.err) == (0, "")
    return said.json


def test_a_budget_is_set_raised_listed_and_removed(tmp_path: Path) -> None:
    project = told(tmp_path, "projects", "create", "Search")
    month = ("budgets", "set", "--project", "Search", "--window", "month")
    first = told(tmp_path, *month, "--cap", "12.50", "--threshold", "80")
    again = told(tmp_path, *month, "--cap", "20", "--warn")
    assert (first["scope"], first["subject"]) == ("project", project["id"])
    assert (first["cap_nano"], first["hard"], first["thresholds"]) == ("12500000000", True, [80])
    assert (again["id"], again["cap_nano"], again["hard"], again["thresholds"]) == (
        first["id"],
        "20000000000",
        False,
        [80],
    )
    each = told(tmp_path, "budgets", "set", "--end-user", "*", "--project", "Search", "--cap", "0.5", "--model", "m")
    assert (each["scope"], each["subject"], each["project_id"], each["model"]) == ("end_user", "*", project["id"], "m")
    assert [budget["id"] for budget in told(tmp_path, "budgets", "list")] == sorted([first["id"], each["id"]])
    line = waystation("budgets", "list", home=tmp_path, environ={"LANG": "zh_CN.UTF-8"}).out
    assert "20.00 USD/month（仅预警）" in line
    assert told(tmp_path, "budgets", "remove", first["id"])["deleted"] is True
    assert [budget["id"] for budget in told(tmp_path, "budgets", "list")] == [each["id"]]


def test_limits_are_set_set_anew_listed_and_removed(tmp_path: Path) -> None:
    project = told(tmp_path, "projects", "create", "Search")
    first = told(tmp_path, "limits", "set", "--project", "Search", "--requests", "60", "--tokens", "90000")
    again = told(tmp_path, "limits", "set", "--project", "Search", "--requests", "5", "--streams", "2")
    assert (first["scope"], first["subject"], first["max_tokens_per_1_minute"]) == ("project", project["id"], 90_000)
    assert (again["id"], again["max_requests_per_1_minute"], again["max_concurrent_streams"]) == (first["id"], 5, 2)
    assert again["max_tokens_per_1_minute"] is None
    whole = told(tmp_path, "limits", "set", "--model", "m", "--requests-per-day", "0")
    assert (whole["scope"], whole["model"], whole["max_requests_per_1_day"]) == ("organization", "m", 0)
    assert [each["id"] for each in told(tmp_path, "limits", "list")] == sorted([first["id"], whole["id"]])
    assert [each["id"] for each in told(tmp_path, "limits", "list", "--project", "Search")] == [first["id"]]
    line = waystation("limits", "list", "--project", "Search", home=tmp_path, environ={"LANG": "zh_CN.UTF-8"}).out
    assert line.endswith("5 请求/分钟, 2 并发流\n")
    assert told(tmp_path, "limits", "remove", first["id"])["deleted"] is True
    assert [each["id"] for each in told(tmp_path, "limits", "list")] == [whole["id"]]


def test_an_organization_is_made_with_credit_and_gets_more(tmp_path: Path) -> None:
    made = told(tmp_path, "organizations", "create", "Blue", "--currency", "CNY", "--time-zone", "Asia/Shanghai")
    assert (made["postpaid"], made["currency"]) == (False, "CNY")
    admin = told(tmp_path, "keys", "create", "--admin", "--organization", "Blue")
    assert admin["key"].startswith("sk-admin-")
    grant = told(tmp_path, "credit", "grant", "20", "--organization", "Blue", "--top-up", "--note", "Invoice 7")
    assert (grant["kind"], grant["amount_nano"], grant["note"]) == ("top_up", "20000000000", "Invoice 7")
    codes = told(tmp_path, "credit", "codes", "create", "1.25", "--currency", "CNY", "--count", "2")
    redeemed = told(tmp_path, "credit", "redeem", codes[0]["code"], "--organization", made["id"])
    assert redeemed["kind"] == "redeem_code"
    told(tmp_path, "credit", "codes", "void", codes[1]["id"])
    states = {code["id"]: code["status"] for code in told(tmp_path, "credit", "codes", "list")}
    assert [states[code["id"]] for code in codes] == ["redeemed", "voided"]
    credit = told(tmp_path, "credit", "show", "--organization", "Blue")
    assert credit["balance_nano"] == credit["available_nano"] == "26250000000"
    assert [each["name"] for each in told(tmp_path, "organizations", "list")][-1] in ("Blue", "Default organization")
    assert told(tmp_path, "ledger", "verify")["ok"] is True


def test_a_project_is_changed_and_archived(tmp_path: Path) -> None:
    project = told(tmp_path, "projects", "create", "Search")
    changed = told(tmp_path, "projects", "set", "Search", "--name", "Find", "--on-disconnect", "drain")
    assert (changed["id"], changed["name"], changed["on_disconnect"]) == (project["id"], "Find", "drain")
    assert told(tmp_path, "projects", "archive", "Find")["status"] == "archived"
    assert project["id"] not in [each["id"] for each in told(tmp_path, "projects", "list")]
    assert project["id"] in [each["id"] for each in told(tmp_path, "projects", "list", "--archived")]
    assert waystation("keys", "create", "--project", "Find", home=tmp_path).code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["budgets", "set", "--cap", "abc"], 2, "--cap is 'abc'"),
        (["budgets", "set", "--cap", "-5"], 2, "--cap is '-5'"),
        (["budgets", "set", "--cap", "1", "--window", "year"], 2, "day, week, month, total"),
        (["budgets", "set", "--cap", "1", "--key", "key_1", "--end-user", "u"], 2, "--key stands alone"),
        (["budgets", "set"], 2, "--cap"),
        (["budgets", "set", "--cap", "1", "--project", "Nope"], 1, "There is no project 'Nope'"),
        (["budgets", "set", "--cap", "1", "--key", "key_none"], 1, "There is no key 'key_none'"),
        (["budgets", "remove", "bdg_none"], 1, "There is no budget 'bdg_none'"),
        (["limits", "set"], 2, "at least one limit"),
        (["limits", "set", "--requests", "-1"], 2, "--requests"),
        (["limits", "set", "--requests", "1e3"], 2, "--requests"),
        (["limits", "set", "--requests", "1", "--key", "key_1", "--project", "p"], 2, "--key stands alone"),
        (["limits", "set", "--requests", "1", "--key", "key_none"], 1, "There is no key 'key_none'"),
        (["limits", "set", "--requests", "1", "--project", "Nope"], 1, "There is no project 'Nope'"),
        (["limits", "remove", "rl_none"], 1, "There is no rate limit 'rl_none'"),
        (["credit", "grant", "5"], 2, "--organization"),
        (["credit", "grant", "5", "--organization", "Nope"], 1, "There is no organization 'Nope'"),
        (["credit", "grant", "5", "--organization", "Default organization"], 1, "postpaid"),
        (["credit", "grant", "1e9", "--organization", "Default organization"], 2, "AMOUNT is '1e9'"),
        (["credit", "redeem", "WAY-NONE"], 1, "There is no such code"),
        (["credit", "codes", "create", "1", "--currency", "EUR"], 1, "EUR"),
        (["credit", "codes", "void", "code_none"], 1, "code_none"),
        (["organizations", "create", "x", "--time-zone", "Mars"], 1, "Mars"),
        (["projects", "set", "Default project"], 2, "--on-disconnect"),
        (["projects", "set", "Default project", "--on-disconnect", "stop"], 2, "cancel, drain"),
        (["projects", "archive", "Nope"], 1, "There is no project 'Nope'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    answer = waystation(*arguments, home=tmp_path)
    assert answer.code == code, answer
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
