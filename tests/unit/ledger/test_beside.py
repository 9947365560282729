"""Several workers on one data folder, with real processes: they open, post and recover at the same moment."""

import subprocess
import sys
from pathlib import Path

from tests.unit.ledger.ledger_stand import opened, problems, run, usage_rows

WORKERS = 4
ANSWERS = 50  # of each, before it is killed
ROOT = Path(__file__).parents[3]


def lives(folder: Path, generation: int, answers: int) -> list[str]:
    """Start workers at the same moment, kill them all while they answer; returns the answers that they gave."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.ledger.killed_worker", str(folder), f"{generation}_{number}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WORKERS)
    ]
    given: list[str] = []
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdout is not None
            given += [worker.stdout.readline().strip() for _ in range(answers)]
    finally:
        for worker in workers:
            worker.kill()
    for worker in workers:
        assert worker.stdout is not None
        given += [line.strip() for line in worker.stdout if line.endswith("\n")]
        worker.stdout.close()
        worker.wait()
    return given


def test_workers_that_start_at_once_open_post_and_recover_each_call_once(tmp_path: Path) -> None:
    """The first four find an empty folder; the next four find four journals of the dead, and all want to replay them."""
    answered = lives(tmp_path, 1, ANSWERS) + lives(tmp_path, 2, 1)

    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            rows = await usage_rows(database)
            assert [request_id for request_id in answered if request_id not in rows] == []
            assert {rows[request_id].status for request_id in answered} == {"ok"}
            assert len(answered) == len(set(answered))
            assert await problems(database) == []
            assert ledger.counts().open == 0
        assert list((tmp_path / "journal").iterdir()) == []

    run(story)
