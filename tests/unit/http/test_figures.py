"""The figures of several workers: what is added up, what the dead leave, and that nothing that was told goes backwards."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.http.figures import COUNTERS, GAUGES, Figures, Share, SharedFigures, add_up, forget, go_on, read_shares
from waystation.http.metrics import exposition

NOBODY = 2**22 + 1  # above any process id of Linux


def figures(calls: int = 0, connections: int = 0) -> Figures:
    return Figures("1", calls, connections, 0, 0, 0, 0, 0, 0, models=3)


class Slot:
    """A worker that counts as it is told."""

    def __init__(self, folder: Path, number: int) -> None:
        self.calls = 0
        self.change = 0
        self.shared = SharedFigures(folder, number, lambda: figures(self.calls, 1), lambda: self.change)

    def total(self) -> Figures:
        return asyncio.run(self.shared.total())


def test_each_figure_is_a_counter_or_a_gauge_or_the_same_for_all() -> None:
    assert sorted((*COUNTERS, *GAUGES, "version", "models")) == sorted(Figures.__struct_fields__)


@pytest.mark.parametrize(
    ("others", "calls", "connections", "workers"),
    [
        ([], 10, 2, 1),
        ([Share(1, 0, figures(5, 1))], 15, 3, 2),
        ([Share(NOBODY, 0, figures(5, 1))], 15, 2, 1),  # the dead have counted, but have no connections
        ([Share(1, 0, figures(5, 1)), Share(NOBODY, 0, figures(7, 9))], 22, 3, 2),
    ],
)
def test_adding_up(others: list[Share], calls: int, connections: int, workers: int) -> None:
    total = add_up(figures(10, 2), others, lambda pid: pid != NOBODY)
    assert (total.calls, total.connections, total.workers, total.models) == (calls, connections, workers, 3)


def test_a_successor_counts_on() -> None:
    assert go_on(figures(2, 1), figures(10, 5)) == figures(12, 1)


def test_whoever_is_asked_tells_of_all(tmp_path: Path) -> None:
    a, b = Slot(tmp_path, 0), Slot(tmp_path, 1)
    a.calls, b.calls = 3, 4
    a.shared.publish()
    b.shared.publish()
    assert a.total() == b.total() == msgspec.structs.replace(figures(7, 2), workers=2)
    assert b"waystation_calls_total 7.0" in exposition(a.total())


@given(st.lists(st.tuples(st.sampled_from(["call", "ask", "publish", "die"]), st.integers(0, 2)), max_size=40))
def test_what_was_told_never_goes_backwards(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("figures")
    slots = [Slot(folder, number) for number in range(3)]
    told = 0
    for what, number in story:
        slot = slots[number]
        if what == "call":
            slot.calls += 1
        elif what == "publish":
            slot.shared.publish()
        elif what == "die":
            slots[number] = Slot(folder, number)
        else:
            calls = slot.total().calls
            assert calls >= told
            told = calls


def test_a_share_says_who_knows_which_change(tmp_path: Path) -> None:
    slot = Slot(tmp_path, 0)
    slot.change = 17
    slot.shared.publish()
    ((path, share),) = read_shares(tmp_path)
    assert (share.pid, share.change) == (os.getpid(), 17)
    assert path.stat().st_mode & 0o077 == 0


def test_a_share_that_can_not_be_read_or_written_harms_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    folder.mkdir()
    (folder / "1.json").write_bytes(b'{"pid": 1')
    slot = Slot(folder, 0)
    slot.calls = 1
    assert slot.total().calls == 1
    forget(folder)
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    slot.calls = 2
    assert slot.total().calls == 2


def test_a_new_server_begins_at_zero(tmp_path: Path) -> None:
    slot = Slot(tmp_path, 0)
    slot.calls = 5
    slot.shared.publish()
    forget(tmp_path)
    assert Slot(tmp_path, 0).total().calls == 0
    forget(tmp_path / "not there yet")
