"""Usage, invoices and corrections from the command line: exact amounts, exit codes, and files that spreadsheets read."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.command import Said, waystation
from tests.unit.ledger.reading.reading_stand import settlement, write_journal
from waystation.cli.books import Books
from waystation.cli.common import CommandError
from waystation.cli.periods import moment, month_around, shown
from waystation.ledger import store

PRICE = "input=100,output=200"  # of 10 + 5 tokens: 0.002


def two_months_ago() -> datetime:
    now = datetime.now(UTC)
    count = now.year * 12 + now.month - 3
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with three calls of two months ago, one of them still in the journal of a worker that is gone."""
    data = tmp_path / ".local/share/waystation"
    data.mkdir(parents=True)
    books = Books.open(f"sqlite:///{data / 'waystation.db'}")
    organization, project = books.first()
    at = int(two_months_ago().timestamp())
    whose: dict[str, Any] = {"organization_id": organization.id, "project_id": project.id}
    calls = [
        settlement(at, 1_000_000, **whose),
        settlement(at + 86_400, 1_000_000, model="=large", **whose),
        settlement(at + 86_400, 500_000, **whose),
    ]

    def posted(connection: Any) -> None:
        epoch = store.open_epoch(connection, 9, at)
        store.post(connection, calls[:2], epoch, 0, at)
        store.close_epoch(connection, epoch, at)

    books.database.write_sync(posted)
    books.close()
    write_journal(data / "journal", 77, calls[2:])
    return tmp_path


def told(home: Path, *arguments: str, code: int = 0, **environ: str) -> Said:
    said = waystation(*arguments, home=home, environ=environ)
    assert said.code == code, said
    assert "Traceback" not in said.err
    return said


def test_usage_is_told_with_what_is_in_journals(home: Path) -> None:
    month = f"{two_months_ago():%Y-%m}"
    said = told(home, "usage", "--from", month, "--by", "model", "--json").json
    assert {row["model"]: (row["requests"], row["cost"]) for row in said["rows"]} == {
        "=large": (1, "0.001"),
        "small": (2, "0.0015"),
    }
    table = told(home, "usage", "--from", month, "--by", "day", "--only", "model=small").out.splitlines()
    assert table[0].split() == [
        "from", "until", "requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost", "saved",
        "currency",
    ]  # fmt: skip
    assert [line.split()[-3:] for line in table[1:]] == [["0.001", "0.00", "USD"], ["0.0005", "0.00", "USD"]]
    assert "Nothing was used" in told(home, "usage").out
    assert "没有用量" in told(home, "usage", LANG="zh_CN.UTF-8").out


def test_usage_as_csv_is_safe_to_open(home: Path) -> None:
    said = told(home, "usage", "--from", f"{two_months_ago():%Y-%m}", "--by", "model,month", "--csv").out
    rows = list(csv.DictReader(io.StringIO(said)))
    assert [(row["model"], row["requests"], row["cost"]) for row in rows] == [
        ("'=large", "1", "0.001"),
        ("small", "2", "0.0015"),
    ]


def test_invoices_wait_for_the_journal_then_are_issued_once(home: Path) -> None:
    month = f"{two_months_ago():%Y-%m}"
    said = told(home, "invoices", "issue", month, code=1)
    assert "1 calls of it are settled and not posted yet" in said.err
    assert "1 calls" in told(home, "invoices", "issue", code=1).err
    for path in (home / ".local/share/waystation/journal").iterdir():
        path.unlink()
    (issued,) = told(home, "invoices", "issue", "--json").json["issued"]
    assert (issued["month"], issued["total"]) == (month, "0.002")
    assert told(home, "invoices", "issue", month, "--json").json["issued"] == [issued]
    assert "Nothing is due" in told(home, "invoices", "issue").out
    assert told(home, "invoices", "list", "--json").json == [issued]
    assert issued["id"] in told(home, "invoices", "list").out
    assert told(home, "invoices", "show", issued["id"], "--json").json == issued
    assert "合计  0.002 USD" in told(home, "invoices", "show", issued["id"], LANG="zh_CN.UTF-8").out
    rows = list(csv.DictReader(io.StringIO(told(home, "invoices", "show", issued["id"], "--csv").out)))
    assert [(row["kind"], row["amount"]) for row in rows] == [
        ("usage", "0.001"),
        ("usage", "0.001"),
        ("total", "0.002"),
    ]


def test_a_rerating_is_shown_first_and_applied_when_told(home: Path) -> None:
    start = two_months_ago()
    asked = ["ledger", "rerate", "=large", "--price", PRICE, "--from", f"{start:%Y-%m}", "--until", f"{start:%Y-%m}-05"]
    (change,) = told(home, *asked, "--json").json
    assert (change["requests"], change["old"], change["new"], change["delta"]) == (1, "0.001", "0.002", "0.001")
    assert "Nothing was changed" in told(home, *asked).out
    assert "--reason" in told(home, *asked, "--apply", code=2).err
    done = [*asked, "--apply", "--reason", "it was a half", "--id", "once"]
    for path in (home / ".local/share/waystation/journal").iterdir():
        path.unlink()
    first = told(home, *done, "--json").json
    assert (first["id"], first["delta"]) == ("once", {"USD": "0.001"})
    assert told(home, *done, "--json").json == first
    assert told(home, "ledger", "verify", "--json").json == {"ok": True, "problems": []}
    assert "used for another" in told(home, *done[:4], "input=1,output=1", *done[5:], code=1).err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["usage", "--by", "modle"], 2, "model"),
        (["usage", "--by", "day,week"], 2, "one span of time"),
        (["usage", "--only", "small"], 2, "NAME=VALUE"),
        (["usage", "--from", "yesterday"], 2, "--from is 'yesterday'"),
        (["usage", "--from", "2026-11", "--until", "2026-10"], 1, "must be before"),
        (["usage", "--by", "minute", "--from", "2020-01"], 1, "at most 32 days"),
        (["usage", "--csv", "--json"], 2, "Either"),
        (["usage", "--organization", "nobody"], 1, "There is no organization 'nobody'"),
        (["invoices", "issue", "2026-13"], 1, "'month' is a month"),
        (["invoices", "issue", "--organization", "x"], 2, "goes with a month"),
        (["invoices", "show", "7"], 1, "looks like INV-2026-000001"),
        (["invoices", "show", "INV-2026-000001"], 1, "There is no invoice"),
        (["ledger", "rerate", "m", "--price", "x", "--from", "2026-01", "--until", "2026-02"], 2, "--price is 'x'"),
        (
            ["ledger", "rerate", "m", "--price", "unmetered", "--from", "2026-01", "--until", "2026-02"],
            2,
            "amount or 0",
        ),
        (
            ["ledger", "rerate", "m", "--price", PRICE, "--from", "2026-01", "--until", "2026-02"],
            1,
            "Nobody here has used",
        ),
        (["ledger", "rerate", "m", "--price", PRICE, "--from", "2020-01", "--until", "2099-01"], 1, "in the future"),
    ],
)
def test_asking_wrongly_gets_a_sentence(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    assert said in told(tmp_path, *arguments, code=code).err


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2026-11", "UTC", 1_793_491_200),
        ("2026-11-01", "Asia/Shanghai", 1_793_491_200 - 8 * 3_600),
        ("2026-11-01T09:30", "UTC", 1_793_491_200 + 34_200),
        ("2026-11-01T08:00+08:00", "America/New_York", 1_793_491_200),
        ("2026-11-01T00:00:00Z", "Asia/Shanghai", 1_793_491_200),
        ("1793491200", "Asia/Shanghai", 1_793_491_200),
    ],
)
def test_moments_are_those_of_the_zone(text: str, zone: str, at: int) -> None:
    assert moment(text, zone, "--from") == at


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13", "2026-11-31", "2026-11-01T25:00", "-5", "9" * 30, "２０２６-11"]
)
def test_what_is_no_moment_is_asked_wrongly(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        moment(text, "UTC", "--from")
    assert caught.value.code == 2


def test_months_and_days_are_shown_as_in_the_zone() -> None:
    first, after = month_around(1_793_491_200, "Asia/Shanghai")
    assert (shown(first, "Asia/Shanghai"), shown(after, "Asia/Shanghai")) == ("2026-11-01", "2026-12-01")
    assert shown(first, "UTC") == "2026-10-31 16:00"
