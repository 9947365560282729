"""Usage is right at every moment: while calls settle, are posted, and their files come and go."""

import asyncio
from pathlib import Path

import pytest

from tests.unit.ledger.ledger_stand import CLOCK, PREPAID, USED_NANO, answered, count_words, give, opened, problems, run
from waystation.ledger import journal as journal_module
from waystation.ledger.journal import segments
from waystation.ledger.reading import standing
from waystation.ledger.reading.usage import usage
from waystation.ledger.service import Ledger

CALLS = 150
GRANTED_NANO = 10**12


def test_every_settled_call_is_counted_once_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES_MAX", 1)
    monkeypatch.setattr(journal_module, "SET_ASIDE_BYTES", 8 * 1024)

    async def story() -> None:
        async with opened(tmp_path) as (database, first):
            second = await Ledger.open(database, tmp_path / "journal", 1, CLOCK, count_words)
            await give(database, first, GRANTED_NANO)
            await second.credit_changed(["org-2"])
            folder, now = tmp_path / "journal", CLOCK.now_s()
            files: set[str] = set()

            async def keep_posting(ledger: Ledger) -> None:
                while True:
                    await ledger.flush()
                    files.update(segment.path.name for segment in segments(folder))
                    await asyncio.sleep(0.001)

            posting = [asyncio.create_task(keep_posting(ledger)) for ledger in (first, second)]
            seen_unposted = 0
            for number in range(CALLS):
                await answered((first, second)[number % 2], f"req_{number}", PREPAID)
                report = await database.read(
                    lambda c: usage(c, folder, "org-2", from_at=now - 900, until_at=now + 900, by=["model"])
                )
                assert [row.requests for row in report.rows] == [number + 1]
                credit = await database.read(lambda c: standing.credit(c, folder, "org-2", now))
                assert credit.left_nano == GRANTED_NANO - (number + 1) * USED_NANO
                seen_unposted += credit.unposted_nano > 0
            for task in posting:
                task.cancel()
            await asyncio.gather(*posting, return_exceptions=True)
            await second.close()
            report = await database.read(lambda c: usage(c, folder, "org-2", from_at=now - 900, until_at=now + 900))
            assert [row.requests for row in report.rows] == [CALLS]
            assert len(files) > 2, "files were begun and pruned meanwhile"
            assert seen_unposted > 0, "some were read from a journal"
            await first.flush()
            assert await problems(database) == []

    run(story)
