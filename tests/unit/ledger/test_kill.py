"""`kill -9` of a real process at random moments: no answered call is lost, none is doubled, no hold is left."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.ledger.ledger_stand import opened, problems, run, usage_rows

KILLS = 15
ROOT = Path(__file__).parents[3]


def killed_after(folder: Path, number: int, answers: int) -> list[str]:
    """Start a worker, kill it after so many answers and whatever it does then; returns the answers that it gave."""
    command = [sys.executable, "-m", "tests.unit.ledger.killed_worker", str(folder), str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        given = [worker.stdout.readline().strip() for _ in range(answers)]
        worker.kill()
        # What was in the pipe had been answered too; a line cut short had not been.
        return given + [line.strip() for line in worker.stdout if line.endswith("\n")]


@pytest.mark.slow
def test_a_worker_can_be_killed_at_any_moment(tmp_path: Path) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    chance = random.Random(seed)
    answered = [
        request_id
        for number in range(KILLS)
        for request_id in killed_after(tmp_path, number, chance.randrange(1, 3_000))
    ]

    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            rows = await usage_rows(database)
            lost = [request_id for request_id in answered if request_id not in rows]
            assert lost == []
            assert {rows[request_id].status for request_id in answered} == {"ok"}
            assert len(answered) == len(set(answered))
            assert await problems(database) == []
            assert ledger.counts().open == 0
            statuses = [row.status for row in rows.values()]
            print({status: statuses.count(status) for status in sorted(set(statuses))})
        assert list((tmp_path / "journal").iterdir()) == []

    run(story)
