"""The journal: what it promises of full disks, torn lines, several files and several workers."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from waystation.errors import ServiceUnavailable
from waystation.ledger import journal as journal_module
from waystation.ledger import sync as sync_module
from waystation.ledger.journal import Journal, lock_epoch, read_segment, segments
from waystation.ledger.records import HOLD, VOID, Record, line, read_lines


def void(request_id: str) -> Record:
    return (VOID, request_id)


def held(request_id: str, size: int = 1) -> Record:
    return (
        HOLD,
        request_id,
        1,
        "o",
        "p",
        "k",
        "chat",
        "m" * size,
        "USD",
        "d",
        None,
        2,
        3,
        0,
        "receivable",
        5,
        6,
        0,
        [],
    )


def written(folder: Path) -> list[Record | None]:
    return [record for segment in segments(folder) for _, record in read_segment(segment)]


def test_what_is_written_can_be_read_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, 7)
    journal.begin("a", held("a"))
    journal.end("a", void("a"))
    assert written(tmp_path) == [held("a"), void("a")]
    journal.close(remove=False)
    assert written(tmp_path) == [held("a"), void("a")]


def test_a_journal_from_before_there_were_budgets_is_read() -> None:
    (found,) = [record for _, record in read_lines(line(held("a")[:17]))]
    assert found == (*held("a")[:17], 0, ())


def test_a_damaged_line_is_known_and_the_next_is_read() -> None:
    whole = line(void("a")) + line(void("b")) + line(void("c"))
    for at in range(len(line(void("a"))), len(line(void("a")) + line(void("b"))) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        records = [record for _, record in read_lines(bytes(damaged))]
        assert records[0] == void("a")
        assert records[-1] == void("c")
        assert void("b") not in records


def test_a_journal_goes_on_in_the_next_file_and_forgets_those_that_are_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES_MAX", 20_000)
    monkeypatch.setattr(journal_module, "SET_ASIDE_BYTES", 10_000)
    journal = Journal(tmp_path, 0, 1)
    journal.begin("first", held("first"))
    for number in range(200):
        journal.begin(str(number), held(str(number), 300))
        journal.end(str(number), void(str(number)))
    assert len(segments(tmp_path)) > 2
    assert len(written(tmp_path)) == 401
    journal.prune(journal.position)
    assert len(written(tmp_path)) == 401, "the oldest hold is still open, so all is kept"
    journal.end("first", void("first"))
    journal.prune(journal.position)
    assert len(segments(tmp_path)) == 1
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == []


class FullDisk:
    """A disk that takes nothing more: neither space set aside nor writes beyond what was set aside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, writes_too: bool) -> None:
        self._monkeypatch = monkeypatch
        self._writes_too = writes_too
        self._real = os.pwrite

    def fill(self) -> None:
        self._monkeypatch.setattr(os, "posix_fallocate", self._refuse)
        if self._writes_too:
            self._monkeypatch.setattr(journal_module, "pwrite", self._half)

    def empty(self) -> None:
        self._monkeypatch.undo()

    def _refuse(self, _fd: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    def _half(self, fd: int, data: bytes, offset: int) -> int:
        return self._real(fd, data[: len(data) // 2], offset)


def test_a_full_disk_refuses_new_holds_and_takes_the_ends_of_open_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, 0, 1)
    disk = FullDisk(monkeypatch, writes_too=False)
    disk.fill()
    held_ones = []
    with suppress(ServiceUnavailable):
        for number in range(100_000):
            journal.begin(str(number), held(str(number), 300))
            held_ones.append(str(number))
    assert 0 < len(held_ones) < 100_000
    for request_id in held_ones:
        journal.end(request_id, void(request_id))
    assert journal._room >= journal._offset, "all ends found the space that was set aside for them"
    assert len(written(tmp_path)) == 2 * len(held_ones)
    journal.close(remove=True)


def test_an_end_that_a_disk_refuses_is_written_when_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, 0, 1)
    journal.begin("a", held("a"))
    journal.begin("b", held("b"))
    disk = FullDisk(monkeypatch, writes_too=True)
    disk.fill()
    journal.end("a", void("a"))
    with pytest.raises(ServiceUnavailable):
        journal.begin("c", held("c"))
    assert void("a") not in written(tmp_path)
    disk.empty()
    journal.begin("c", held("c"))
    assert [record for record in written(tmp_path) if record] == [held("a"), held("b"), void("a"), held("c")]
    journal.close(remove=True)


def test_a_hold_is_kept_until_its_end_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES_MAX", 3_000)
    monkeypatch.setattr(journal_module, "SET_ASIDE_BYTES", 3_000)
    monkeypatch.setattr(journal_module, "ROOM_FOR_END_BYTES", 300)
    journal = Journal(tmp_path, 0, 1)
    journal.begin("first", held("first"))
    for number in range(40):
        journal.begin(str(number), held(str(number), 300))
        journal.end(str(number), void(str(number)))
    disk = FullDisk(monkeypatch, writes_too=True)
    disk.fill()
    assert not journal.end("first", void("first"))
    journal.prune(journal.position)
    assert held("first") in written(tmp_path), "a crash now must still find it"
    disk.empty()
    journal.begin("last", held("last"))
    journal.prune(journal.position)
    assert held("first") not in written(tmp_path)
    journal.close(remove=True)


def test_a_journal_that_cant_begin_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch, writes_too=True)
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        Journal(tmp_path, 0, 1)
    assert list(tmp_path.iterdir()) == []
    disk.empty()
    Journal(tmp_path, 0, 1).close(remove=True)


def test_the_names_of_a_journals_files_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(journal_module, "sync_folder", synced.append)
    monkeypatch.setattr(sync_module, "sync_folder", synced.append)
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES_MAX", 3_000)
    monkeypatch.setattr(journal_module, "SET_ASIDE_BYTES", 3_000)
    monkeypatch.setattr(journal_module, "ROOM_FOR_END_BYTES", 300)
    journal = Journal(tmp_path, 0, 1)
    assert synced == [tmp_path], "before anything is allowed on its account"
    for number in range(40):
        journal.begin(str(number), held(str(number), 300))
        journal.end(str(number), void(str(number)))
    assert len(segments(tmp_path)) > 1
    journal.close(remove=True)
    assert len(synced) > 1


def test_a_journal_belongs_to_one_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, 1)
    assert lock_epoch(tmp_path, 1) is None
    with pytest.raises(ServiceUnavailable):
        Journal(tmp_path, 0, 1)
    journal.close(remove=False)
    lock = lock_epoch(tmp_path, 1)
    assert lock is not None
    os.close(lock)


def test_what_comes_after_the_end_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, 1)
    journal.close(remove=False)
    with pytest.raises(ServiceUnavailable):
        journal.begin("a", held("a"))
