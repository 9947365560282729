"""Usage adds up by whatever is asked, in any zone, whether it is posted, corrected or still in a journal."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ledger.ledger_stand import opened, run
from tests.unit.ledger.reading.reading_stand import DAY_S, HOUR_S, MONTH_AT, post, settlement, write_journal
from waystation.errors import InvalidRequest, NotFound, ServiceUnavailable
from waystation.ledger import store
from waystation.ledger.reading import journals as journals_module
from waystation.ledger.reading import unposted as unposted_module
from waystation.ledger.reading import usage as usage_module
from waystation.ledger.reading.buckets import BUCKETS_MAX, buckets
from waystation.ledger.reading.model import UsageReport
from waystation.ledger.reading.usage import usage
from waystation.ledger.serving import Extra
from waystation.runtime.db import Database

ZONES = ["UTC", "Asia/Shanghai", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"]


async def read(database: Database, folder: Path, **asked: Any) -> UsageReport:
    asked = {"from_at": MONTH_AT, "until_at": MONTH_AT + 30 * DAY_S} | asked
    return await database.read(lambda c: usage(c, folder / "journal", "org-1", **asked))


def rows_of(report: UsageReport, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in (*names, "requests", "cost_nano")) for row in report.rows]


CALLS = [
    settlement(MONTH_AT, 1, model="a", key_id="key_1"),
    settlement(MONTH_AT + 899, 20, model="a", key_id="key_2", end_user="ann", tier="flex"),
    settlement(MONTH_AT + DAY_S, 300, model="b", project_id="proj_9", deployment="x/b", end_user="bob"),
    settlement(MONTH_AT + 29 * DAY_S, 4_000, model="a", operation="embeddings", end_user="ann"),
    settlement(MONTH_AT - 1, 50_000, model="a"),
    settlement(MONTH_AT + 30 * DAY_S, 600_000, model="a"),
    settlement(MONTH_AT + 5, 7_000_000, organization_id="org-2"),
]


@pytest.mark.parametrize("where", ["posted", "journal", "both"])
@pytest.mark.parametrize(
    ("asked", "names", "rows"),
    [
        ({}, (), [(4, 4_321)]),
        ({"by": ["model"]}, ("model",), [("a", 3, 4_021), ("b", 1, 300)]),
        ({"by": ["project"]}, ("project",), [("proj_1", 3, 4_021), ("proj_9", 1, 300)]),
        ({"by": ["key"], "filters": {"model": ["a"]}}, ("key",), [("key_1", 2, 4_001), ("key_2", 1, 20)]),
        ({"by": ["operation"]}, ("operation",), [("chat", 3, 321), ("embeddings", 1, 4_000)]),
        ({"by": ["deployment"]}, ("deployment",), [("local/small", 3, 4_021), ("x/b", 1, 300)]),
        ({"by": ["end_user"]}, ("end_user",), [("ann", 2, 4_020), ("bob", 1, 300)]),
        ({"by": ["end_user", "key"]}, ("key", "end_user"), [
            ("key_1", None, 1, 1), ("key_1", "ann", 1, 4_000), ("key_1", "bob", 1, 300), ("key_2", "ann", 1, 20),
        ]),
        ({"by": ["tier"]}, ("tier",), [(None, 3, 4_301), ("flex", 1, 20)]),
        ({"filters": {"end_user": ["ann"]}, "bucket": "month"}, ("from_at",), [(MONTH_AT, 2, 4_020)]),
        ({"filters": {"project": ["proj_9"], "model": ["a"]}}, (), []),
        ({"filters": {"model": ["a'; DROP TABLE usage; --"]}}, (), []),
        ({"bucket": "quarter"}, ("from_at",), [
            (MONTH_AT, 2, 21), (MONTH_AT + DAY_S, 1, 300), (MONTH_AT + 29 * DAY_S, 1, 4_000),
        ]),
        ({"bucket": "minute", "until_at": MONTH_AT + DAY_S}, ("from_at",), [
            (MONTH_AT, 1, 1), (MONTH_AT + 840, 1, 20),
        ]),
        ({"bucket": "day", "by": ["model"]}, ("from_at", "model"), [
            (MONTH_AT, "a", 2, 21), (MONTH_AT + DAY_S, "b", 1, 300), (MONTH_AT + 29 * DAY_S, "a", 1, 4_000),
        ]),
        ({"bucket": "week"}, ("from_at",), [
            (MONTH_AT, 2, 21), (MONTH_AT + DAY_S, 1, 300), (MONTH_AT + 29 * DAY_S, 1, 4_000),
        ]),
        ({"bucket": "month", "until_at": MONTH_AT + 31 * DAY_S}, ("until_at",), [
            (MONTH_AT + 30 * DAY_S, 4, 4_321), (MONTH_AT + 31 * DAY_S, 1, 600_000),
        ]),
        # Kept by quarters of an hour, so the range is widened to those.
        ({"from_at": MONTH_AT + 1, "until_at": MONTH_AT + 2}, ("from_at", "until_at"), [
            (MONTH_AT, MONTH_AT + 900, 2, 21),
        ]),
    ],
)  # fmt: skip
def test_usage_is_the_same_wherever_it_is(
    tmp_path: Path, where: str, asked: dict[str, Any], names: tuple[str, ...], rows: list[Any]
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            split = {"posted": 7, "journal": 0, "both": 2}[where]
            await post(database, CALLS[:split])
            write_journal(tmp_path / "journal", 77, CALLS[split:])
            assert rows_of(await read(database, tmp_path, **asked), *names) == rows

    run(story)


def test_tokens_of_every_kind_are_added(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, CALLS[:3])
            write_journal(tmp_path / "journal", 77, CALLS[3:])
            (row,) = (await read(database, tmp_path)).rows
            assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens) == (40, 20, 8, 4)
            ann, _ = (await read(database, tmp_path, by=["end_user"])).rows
            assert (ann.input_tokens, ann.output_tokens, ann.cached_tokens) == (20, 10, None), "not kept by end user"

    run(story)


@pytest.mark.parametrize("asked", [{}, {"by": ["tier"]}])
def test_corrections_are_in_the_cost(tmp_path: Path, asked: dict[str, Any]) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, CALLS[:1])
            insertion = (
                "INSERT INTO usage_corrections (request_id, rerating_id, at, series_id, delta_nano, entry_id) "
                f"VALUES ('{CALLS[0][1]}', 'r', {MONTH_AT}, 1, 99, 1)"
            )
            await database.write(lambda c: c.exec_driver_sql(insertion))
            (row,) = (await read(database, tmp_path, **asked)).rows
            assert (row.requests, row.cost_nano) == (1, 100)

    run(story)


# -- journals


def test_what_is_posted_is_not_counted_again_from_the_journal(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            folder = tmp_path / "journal"
            first, late, new = (settlement(MONTH_AT, cost) for cost in (1, 20, 300))
            epoch = await database.write(lambda c: store.open_epoch(c, 5, 1))
            written = write_journal(folder, epoch, [first])
            (folder / f"e{epoch}.lock").unlink(missing_ok=True)
            # `late` was refused by a full disk, posted from memory, and written to the journal afterwards.
            await database.write(lambda c: store.post(c, [first, late], epoch, written, MONTH_AT))
            (path,) = folder.glob(f"e{epoch}-*")
            path.unlink()
            write_journal(folder, epoch, [first, late, new])
            assert rows_of(await read(database, tmp_path)) == [(3, 321)]

    run(story)


def test_a_closed_journal_and_a_torn_line_count_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            folder = tmp_path / "journal"
            epoch = await database.write(lambda c: store.open_epoch(c, 5, 1))
            await database.write(lambda c: store.close_epoch(c, epoch, 2))
            write_journal(folder, epoch, [settlement(MONTH_AT, 1)])
            end = write_journal(folder, 88, [settlement(MONTH_AT, 20), settlement(MONTH_AT, 300)])
            (path,) = folder.glob("e88-*")
            with path.open("r+b") as file:
                file.truncate(end - 5)
            assert rows_of(await read(database, tmp_path)) == [(1, 20)]

    run(story)


def test_files_pruned_while_the_books_are_read_are_still_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            folder = tmp_path / "journal"
            record = settlement(MONTH_AT, 20)
            write_journal(folder, 88, [record])
            real = unposted_module.marks_of

            def pruned_meanwhile(connection: Any, epochs: list[int]) -> Any:
                for path in folder.glob("e88*"):
                    path.unlink()
                return real(connection, epochs)

            monkeypatch.setattr(unposted_module, "marks_of", pruned_meanwhile)
            assert rows_of(await read(database, tmp_path)) == [(1, 20)]

    run(story)


def test_marks_older_than_the_files_are_an_invitation_to_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            folder = tmp_path / "journal"
            write_journal(folder, 88, [settlement(MONTH_AT, 20)])
            (path,) = folder.glob("e88-*")
            path.rename(folder / path.name.replace("0000.journal", "9999.journal"))
            with pytest.raises(ServiceUnavailable) as caught:
                await read(database, tmp_path)
            assert caught.value.retry_after_ms == 100

    run(story)


def test_a_backlog_beyond_the_bound_is_said_and_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            write_journal(tmp_path / "journal", 88, [settlement(MONTH_AT, 20)])
            monkeypatch.setattr(journals_module, "READ_BYTES_MAX", 10)
            with pytest.raises(ServiceUnavailable, match="Too much usage"):
                await read(database, tmp_path)
            monkeypatch.setattr(journals_module, "FILES_MAX", 0)
            with pytest.raises(ServiceUnavailable, match="Too much usage"):
                await read(database, tmp_path)

    run(story)


# -- buckets


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("bucket", ["hour", "day", "week", "month"])
def test_buckets_begin_when_clocks_there_say_so(zone: str, bucket: Any) -> None:
    """Over a change of summer time on each half of the earth."""
    cut = buckets(bucket, zone, MONTH_AT - 40 * DAY_S, MONTH_AT + 40 * DAY_S)
    right: Callable[[datetime], bool] = {
        "hour": lambda at: at.minute == 0 or (at.hour, at.minute, zone) == (2, 30, "Australia/Lord_Howe"),
        "day": lambda at: (at.hour, at.minute) == (0, 0),
        "week": lambda at: (at.hour, at.weekday()) == (0, 0),
        "month": lambda at: (at.day, at.hour) == (1, 0),
    }[bucket]
    starts = [datetime.fromtimestamp(edge, ZoneInfo(zone)) for edge in cut.edges[1:-1]]
    assert len(starts) >= 2
    assert all(right(start) and start.second == 0 for start in starts)
    assert cut.edges == sorted(set(cut.edges))
    longest = max(b - a for a, b in zip(cut.edges, cut.edges[1:], strict=False))
    assert longest <= {"hour": 1.5 * HOUR_S, "day": 25 * HOUR_S, "week": 169 * HOUR_S, "month": 745 * HOUR_S}[bucket]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 30 * DAY_S), min_size=1, max_size=20),
    st.sampled_from(ZONES),
    st.sampled_from(["hour", "day", "week", "month"]),
)
def test_the_database_finds_the_same_bucket_as_the_rule(ats: list[int], zone: str, bucket: Any) -> None:
    cut = buckets(bucket, zone, MONTH_AT, MONTH_AT + 30 * DAY_S + 900)
    connection = sqlite3.connect(":memory:")
    for at in ats:
        (number,) = connection.execute(f"SELECT {cut.sql('at')} FROM (SELECT {MONTH_AT + at} AS at)").fetchone()
        assert number == cut.number(MONTH_AT + at)
    connection.close()


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"from_at": MONTH_AT, "until_at": MONTH_AT}, "from"),
        ({"from_at": MONTH_AT + 1, "until_at": MONTH_AT}, "from"),
        ({"from_at": -1}, "from"),
        ({"from_at": 1.5}, "from"),
        ({"from_at": True}, "from"),
        ({"until_at": "now"}, "until"),
        ({"until_at": 10**30}, "until"),
        ({"from_at": 0, "until_at": 10**10}, "until"),
        ({"bucket": "year"}, "bucket"),
        ({"bucket": "quarter", "from_at": 0}, "bucket"),
        ({"bucket": "hour", "until_at": MONTH_AT + (BUCKETS_MAX + 1) * HOUR_S}, "bucket"),
        ({"by": ["colour"]}, "by"),
        ({"by": ["model", "model"]}, "by"),
        ({"filters": {"colour": ["red"]}}, "filters"),
        ({"filters": {"model": []}}, "model"),
        ({"filters": {"model": "small"}}, "model"),
        ({"filters": {"model": ["m"] * 101}}, "model"),
        ({"filters": {"end_user": ["x" * 257]}}, "end_user"),
        ({"filters": {"key": [1]}}, "key"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"by": ["tier"], "from_at": MONTH_AT - 40 * DAY_S}, "from"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, asked: dict[str, Any], param: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            with pytest.raises(InvalidRequest) as caught:
                await read(database, tmp_path, **asked)
            assert caught.value.param == param

    run(story)


def test_the_rows_of_an_answer_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, CALLS)
            monkeypatch.setattr(usage_module, "ROWS_MAX", 1)
            with pytest.raises(InvalidRequest, match="more than 1 rows"):
                await read(database, tmp_path, by=["model"])

    run(story)


def test_only_what_is_kept_of_single_calls_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, CALLS)
            await database.write(lambda c: store.prune_usage(c, MONTH_AT + 1, 1_000))
            with pytest.raises(InvalidRequest, match="not kept"):
                await read(database, tmp_path, by=["tier"])
            assert rows_of(await read(database, tmp_path)) == [(4, 4_321)], "the roll-ups stay"

    run(story)


def test_an_unknown_organization_is_not_found(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            with pytest.raises(NotFound):
                await database.read(lambda c: usage(c, tmp_path, "org-9", from_at=MONTH_AT, until_at=MONTH_AT + DAY_S))

    run(story)


KEPT = msgspec.json.encode(Extra(served_by="cache", saved_nano=70)).decode()
STATIC = msgspec.json.encode(Extra(served_by="static")).decode()
SAVED = [
    settlement(MONTH_AT, 0, deployment="cache", extra=KEPT, end_user="ann"),
    settlement(MONTH_AT + 1, 0, deployment="cache", extra=KEPT),
    settlement(MONTH_AT + DAY_S, 0, deployment="cache", extra=KEPT),
    settlement(MONTH_AT, 0, deployment="static", extra=STATIC),
    settlement(MONTH_AT, 5),
]


@pytest.mark.parametrize("where", ["posted", "journal", "both"])
@pytest.mark.parametrize(
    ("asked", "saved"),
    [
        ({}, [210]),
        ({"by": ["deployment"]}, [210, 0, 0]),  # cache, local/small, static
        ({"bucket": "day"}, [140, 70]),
        ({"by": ["tier"]}, [210]),  # from the rows of single calls
        ({"by": ["end_user", "key"]}, [140, 70]),
        ({"by": ["end_user"]}, [None]),  # kept by day, without it
    ],
)
def test_what_kept_answers_saved_is_told_beside_what_was_spent(
    tmp_path: Path, where: str, asked: dict[str, Any], saved: list[int | None]
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            half = {"posted": len(SAVED), "journal": 0, "both": 2}[where]
            await post(database, SAVED[:half])
            write_journal(tmp_path / "journal", 77, SAVED[half:])
            report = await read(database, tmp_path, **asked)
            assert [row.saved_nano for row in report.rows] == saved

    run(story)
