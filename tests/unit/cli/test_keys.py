"""When a new key is known: to all workers that live, by what each says of itself."""

import os
from pathlib import Path

import msgspec
import pytest

from waystation.cli.keys import all_know
from waystation.http.figures import FOLDER, Figures, Share

LIVING = [os.getpid(), os.getppid()]
NOBODY = 2**22 + 1  # above any process id of Linux
FIGURES = Figures("1", *[0] * 9)


@pytest.mark.parametrize(
    ("workers", "knows", "then"),
    [
        ([], {}, True),
        (LIVING[:1], {LIVING[0]: 7}, True),
        (LIVING[:1], {LIVING[0]: 8}, True),
        (LIVING[:1], {LIVING[0]: 6}, False),
        (LIVING, {LIVING[0]: 7, LIVING[1]: 6}, False),
        (LIVING, {LIVING[0]: 7, LIVING[1]: 7}, True),
        (LIVING[:1], {}, False),  # it has said nothing yet
        ([LIVING[0], NOBODY], {LIVING[0]: 7}, True),  # its successor reads everything anew
    ],
)
def test_all_workers_that_live_know_a_change(
    workers: list[int], knows: dict[int, int], then: bool, tmp_path: Path
) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for slot, (pid, change) in enumerate(knows.items()):
        (folder / f"{slot}.json").write_bytes(msgspec.json.encode(Share(pid, change, FIGURES)))
    assert all_know(workers, 7, tmp_path) is then
