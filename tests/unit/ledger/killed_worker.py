"""A worker that does nothing but calls; `test_kill.py` kills it. Arguments: its folder, its number."""

import asyncio
import sys
from pathlib import Path

from tests.unit.ledger.ledger_stand import MODEL, POSTPAID, Asked, answered, call, opened, piece
from waystation.ledger import poster


async def work(folder: Path, number: str) -> None:
    """Says on standard output which calls are answered: of those, no usage may be lost."""
    async with opened(folder) as (_, ledger):
        print("ready", flush=True)
        for count in range(1_000_000):
            await answered(ledger, f"req_{number}_{count}")
            print(f"req_{number}_{count}", flush=True)
            async with ledger.hold(POSTPAID, MODEL, call(f"req_{number}_{count}_s", Asked(stream=True))) as hold:
                hold.meter(piece("one two"))
                await asyncio.sleep(0)


if __name__ == "__main__":
    poster.POST_EVERY_S = 0.01  # many transactions to be killed in
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
