"""Crashes: whatever moment a worker dies at, each call is posted once, and the books prove it."""

from pathlib import Path

import pytest

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    POSTPAID,
    USED_NANO,
    Asked,
    answered,
    budget,
    call,
    count_words,
    killed,
    opened,
    piece,
    problems,
    run,
    usage_rows,
)
from waystation.ledger import bounds as bounds_module
from waystation.ledger import replay as replay_module
from waystation.ledger import store
from waystation.ledger.journal import segments
from waystation.ledger.replay import read_left, replay
from waystation.ledger.service import Ledger
from waystation.runtime.db import Database

STEP_BYTES = 32


def cut(folder: Path, size_bytes: int) -> None:
    """Tear the only segment of a journal there."""
    (segment,) = segments(folder / "journal")
    with segment.path.open("r+b") as file:
        file.truncate(size_bytes)


def size_of(folder: Path) -> int:
    (segment,) = segments(folder / "journal")
    return len(segment.path.read_bytes().rstrip(b"\0"))


def test_a_journal_cut_at_any_byte_posts_each_call_once(tmp_path: Path) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger):
            await answered(ledger, "req_posted")
            await ledger.flush()
            await answered(ledger, "req_1")
            before = size_of(folder)
            async with ledger.hold(POSTPAID, MODEL, call("req_2", Asked(stream=True))) as hold:
                hold.meter(piece("four five"))
                held = size_of(folder)
            after = size_of(folder)
            crashed = killed(folder, tmp_path / "crashed")
            (segment,) = segments(crashed / "journal")
            for size in range(after, before - 1, -1):
                cut(crashed, size)
                left = read_left(crashed / "journal", segment.epoch, 0)
                assert [record[1] for _, record in left.settled][:2] == ["req_posted", "req_1"]
                assert (len(left.settled), len(left.open)) == (3 if size == after else 2, int(held <= size < after))
                if size % STEP_BYTES and size not in (before, held - 1, held, after - 1, after):
                    continue  # the whole way takes 0.1 s
                killed(crashed, copy)
                async with opened(copy) as (database, _):
                    rows = await usage_rows(database)
                    assert (rows["req_posted"].status, rows["req_1"].status) == ("ok", "ok")
                    status = rows["req_2"].status if "req_2" in rows else None
                    # A line that lacks its last byte is no line yet.
                    assert status == (None if size < held else "recovered" if size < after else "error"), size
                    assert await problems(database) == []

    run(story)


def test_a_hold_without_an_end_is_charged_its_input_and_what_was_received(tmp_path: Path) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger):
            streamed = ledger.hold(POSTPAID, MODEL, call("req_output", Asked(stream=True)))
            async with ledger.hold(POSTPAID, MODEL, call("req_input")), streamed as hold:
                for _ in range(300):
                    hold.meter(piece("four"))  # 1200 bytes: noted once, at 1024
                killed(folder, copy)
            async with opened(copy) as (database, again):
                rows = await usage_rows(database)
                assert (rows["req_input"].input_tokens, rows["req_input"].output_tokens) == (14, 0)  # 56 bytes
                assert (rows["req_output"].input_tokens, rows["req_output"].output_tokens) == (14, 256)
                assert {row.status for row in rows.values()} == {"recovered"}
                assert rows["req_output"].cost_nano == 14 * 2_000 + 256 * 8_000
                assert (again.replayed.recovered, again.replayed.posted, again.replayed.journals) == (2, 0, 1)
                assert await problems(database) == []

    run(story)


def test_a_stream_that_had_grown_is_recovered_up_to_all_that_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds_module, "STEP_TOKENS", 300)

    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (database, ledger):
            await budget(database, ledger, cap_nano=10**9)
            async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True))) as hold:
                for _ in range(800):
                    hold.meter(piece("word "))
                    if hold.short:
                        await hold.extend()
                killed(folder, copy)
            async with opened(copy) as (database, _):
                row = (await usage_rows(database))["req_1"]
                assert (row.output_tokens, row.variance_nano) == (769, 0), (
                    "as of the last note: each is after a kilobyte"
                )
                assert row.cost_nano == 14 * 2_000 + 769 * 8_000
                assert await problems(database) == []

    run(story)


def test_a_kill_between_posting_and_pruning_posts_nothing_twice(tmp_path: Path) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger):
            for number in range(5):
                await answered(ledger, f"req_{number}")
            await ledger.flush()
            killed(folder, copy)
        async with opened(copy) as (database, again):
            assert len(await usage_rows(database)) == 5
            assert (again.replayed.posted, again.replayed.recovered) == (0, 0)
            assert await problems(database) == []

    run(story)


def test_even_without_the_mark_nothing_is_posted_twice(tmp_path: Path) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (database, ledger):
            await answered(ledger, "req_1")
            await ledger.flush()
            await database.write(lambda c: c.exec_driver_sql("UPDATE journal_marks SET position = 0"))
            await answered(ledger, "req_2")
            killed(folder, copy)
        async with opened(copy) as (database, again):
            rows = await usage_rows(database)
            assert sorted(rows) == ["req_1", "req_2"]
            assert again.replayed.posted == 1
            total = await database.read(
                lambda c: c.exec_driver_sql("SELECT SUM(cost_nano) FROM usage_rollups").scalar()
            )
            assert total == 2 * USED_NANO

    run(story)


def test_a_replay_that_is_killed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "REPLAY_RECORDS_MAX", 2)

    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger):
            for number in range(5):
                await answered(ledger, f"req_{number}")
            async with ledger.hold(POSTPAID, MODEL, call("req_open")):
                killed(folder, copy)
        real, allowed = store.post, 0

        def dies(*arguments: object, **named: object) -> object:
            nonlocal allowed
            allowed -= 1
            if allowed < 0:
                raise KeyboardInterrupt
            return real(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "post", dies)
        for attempt in range(3):  # three transactions of two, and the last one dies
            database = Database.open(f"sqlite:///{copy / 'w.db'}")
            allowed = 1
            with pytest.raises(KeyboardInterrupt):
                await replay(copy / "journal", database, CLOCK)
            assert len(await usage_rows(database)) == min(5, 2 * (attempt + 1))
            database.close()
        monkeypatch.setattr(store, "post", real)
        async with opened(copy) as (database, _):
            assert len(await usage_rows(database)) == 6
            assert await problems(database) == []

    run(story)


def test_a_kill_before_the_files_are_deleted_recovers_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger), ledger.hold(POSTPAID, MODEL, call("req_1")):
            killed(folder, copy)
        with monkeypatch.context() as patch:
            patch.setattr(replay_module, "remove_epoch", lambda *_: None)
            async with opened(copy) as (database, _):
                assert len(await usage_rows(database)) == 1
        async with opened(copy) as (database, again):
            assert (again.replayed.journals, again.replayed.recovered) == (0, 0), "the journal is closed"
            assert len(await usage_rows(database)) == 1
            assert await problems(database) == []

    run(story)


def test_a_mark_does_not_go_back_when_a_power_cut_has_taken_what_was_posted(tmp_path: Path) -> None:
    async def story() -> None:
        folder, copy = tmp_path / "data", tmp_path / "copy"
        folder.mkdir()
        async with opened(folder) as (_, ledger):
            await answered(ledger, "req_1")
            before = size_of(folder)
            await answered(ledger, "req_2")
            await ledger.flush()
            killed(folder, copy)
        cut(copy, before)
        async with opened(copy) as (database, _):
            assert sorted(await usage_rows(database)) == ["req_1", "req_2"]
            assert await problems(database) == []

    run(story)


def test_the_journal_of_a_worker_that_lives_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            async with ledger.hold(POSTPAID, MODEL, call("req_1")):
                successor = await Ledger.open(database, tmp_path / "journal", 0, CLOCK, count_words)
                assert successor.replayed.journals == 0
                await answered(successor, "req_2")
                await successor.close()
            assert sorted(await usage_rows(database)) == ["req_2"]

    run(story)


def test_an_orderly_stop_leaves_nothing_to_replay(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (_, ledger):
            await answered(ledger, "req_1")
        assert list((tmp_path / "journal").iterdir()) == []
        async with opened(tmp_path) as (database, ledger):
            assert ledger.replayed.journals == 0
            assert sorted(await usage_rows(database)) == ["req_1"]

    run(story)
