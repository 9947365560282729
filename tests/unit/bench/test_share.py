"""The ledger's share: what is counted of a profiler's samples."""

from bench.sampling import JOURNAL, LEDGER, share_of

LOOP = "main (waystation/app.py:1);Runner.run (asyncio/runners.py:118)"
STACKS = [
    f"{LOOP};answer (waystation/gateway/answer.py:78);CallHold._begin (waystation/ledger/hold.py:162) 3",
    f"{LOOP};CallHold._settle (waystation/ledger/hold.py:1);Journal._write (waystation/ledger/journal.py:126) 1",
    f"{LOOP};Exchange.answer (waystation/http/exchange.py:213) 4",
    "Thread.run (threading.py:975);Syncer._run (waystation/ledger/sync.py:50) 100",  # no part of the loop's time
]


def test_the_share_is_of_the_loops_samples_and_counts_what_the_ledger_calls() -> None:
    assert share_of(STACKS, LEDGER) == (8, 0.5)
    assert share_of(STACKS, JOURNAL) == (8, 0.125)


def test_without_samples_there_is_no_share() -> None:
    assert share_of([], LEDGER) == (0, 0.0)
