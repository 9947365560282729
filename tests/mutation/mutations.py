"""The safeguards, how to take each out, and the test that must fail without it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TEST_TIMEOUT_S = 120.0
_BANK, _FAULTS = "funds/test_bank.py", "funds/test_bank_faults.py"


class Mutation(NamedTuple):
    """A change of one file of `src/waystation/ledger`; `test` is one of `tests/unit/ledger`."""

    takes_out: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "the hold: every grab succeeds",
        "funds/model.py",
        "if purse.free < amount or purse.ends_at <= at:\n            return False",
        "if purse.ends_at <= at:\n            return False",
        f"{_BANK}::test_a_cap_is_used_to_the_end_and_not_passed",
    ),
    Mutation(
        "the journal's write of a hold",
        "journal.py",
        "            self._write(line(record))\n        except OSError as error:\n            raise",
        "            pass\n        except OSError as error:\n            raise",
        "test_replay.py::test_a_hold_without_an_end_is_charged_its_input_and_what_was_received",
    ),
    Mutation(
        "the journal's write of a settlement",
        "journal.py",
        "            self._write(data)\n",
        "            pass\n",
        "test_poster.py::test_when_the_server_stops_without_its_database_the_next_start_posts",
    ),
    Mutation(
        "the replay at a start",
        "service.py",
        "replayed = await replay(folder, database, clock, on_closed)",
        "replayed = Replayed()",
        "test_poster.py::test_when_the_server_stops_without_its_database_the_next_start_posts",
    ),
    Mutation(
        "the recovery of open holds",
        "replay.py",
        "for hold in left.open.values()]",
        "for hold in ()]",
        "test_replay.py::test_a_hold_without_an_end_is_charged_its_input_and_what_was_received",
    ),
    Mutation(
        "the idempotency of replay",
        "store.py",
        "            del by_request[request_id]\n",
        "            pass\n",
        "test_replay.py::test_even_without_the_mark_nothing_is_posted_twice",
    ),
    Mutation(
        "the idempotency of posting",
        "poster.py",
        "except IntegrityError:\n            found",
        "except ZeroDivisionError:\n            found",
        "test_poster.py::test_a_request_that_was_posted_before_is_not_posted_again",
    ),
    Mutation(
        "the release: settling gives nothing back",
        "funds/model.py",
        "purse.free += rest",
        "purse.free += 0",
        f"{_BANK}::test_a_call_waits_for_open_holds_and_is_then_answered_whole",
    ),
    Mutation(
        "the journal's record of an extension",
        "hold.py",
        "if not desk.journal.extend((EXTEND, self._call.request_id, self._held_nano + amount)):",
        "if self._held_nano < 0:",
        "test_replay.py::test_a_stream_that_had_grown_is_recovered_up_to_all_that_it_held",
    ),
    Mutation(
        "the allowance's share in posting",
        "store.py",
        "funds_store.settle(connection, settled_of(records), epoch)",
        "settled_of(records)",
        f"{_FAULTS}::test_a_purse_is_not_forgotten_while_a_slow_database_fills_it",
    ),
    Mutation(
        "the counting of what is spent of a budget",
        "store.py",
        "funds_store.spend(connection, _spendings(records), at)",
        "_spendings(records)",
        f"{_BANK}::test_a_budget_counts_what_was_used_before_it_was_made",
    ),
    Mutation(
        "the release of a dead worker's allowances",
        "store.py",
        "    funds_store.release(connection, epoch)\n",
        "",
        f"{_BANK}::test_a_killed_workers_allowances_come_free_when_its_journal_is_replayed",
    ),
    Mutation(
        "the doubt about what was given back",
        "funds/bank.py",
        "for purse, _ in returned:\n                    purse.doubtful = True",
        "for purse, amount in returned:\n                    purse.returning += amount",
        f"{_FAULTS}::test_what_was_given_back_without_an_answer_is_not_given_back_twice",
    ),
    Mutation(
        "the order of posting: memory before the journal",
        "poster.py",
        "self._take() if self._pending else await self._take_again(self._reread_from)",
        "await self._take_again(self._reread_from)",
        "test_poster.py::test_a_kill_while_a_long_outage_is_made_up_for_loses_nothing",
    ),
    Mutation(
        "the bound of a charge by its hold",
        "model.py",
        "return (cost_nano, 0) if cost_nano <= held_nano else (held_nano, cost_nano - held_nano)",
        "return cost_nano, 0",
        "test_hold.py::test_a_customer_is_never_charged_above_the_hold",
    ),
    Mutation(
        "the freedom of kept answers",
        "serving.py",
        "if rung in _KEPT:",
        "if False:",
        "test_serving.py::test_what_nobody_was_asked_for_is_recorded_and_costs_nothing",
    ),
    Mutation(
        "the bound by the price of the model asked for",
        "serving.py",
        "return min(asked, charged_nano(usage, served.price, tier), key=lambda charge: charge[0])",
        "return charged_nano(usage, served.price, tier)",
        "test_serving.py::test_another_model_costs_what_it_costs_but_not_more",
    ),
    Mutation(
        "the adding up of what was saved",
        "store.py",
        "_count_savings(connection, records, series_ids)",
        "_count_savings(connection, (), series_ids)",
        "test_serving.py::test_savings_are_added_up_once_whatever_crashes",
    ),
)


def copy_of_sources(folder: Path, mutation: Mutation | None = None) -> Path:
    """A copy of `src/` with a mutation, which must apply in exactly one place. Raises ValueError."""
    copy = folder / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    if mutation is not None:
        path = copy / "waystation" / "ledger" / mutation.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise ValueError(f"{mutation.takes_out}: {mutation.file} has it {text.count(mutation.old)} times")
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    return copy


def run_tests(sources: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of the ledger on other sources."""
    named = [f"tests/unit/ledger/{test}" for test in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={sources} .", *named]
    environment = os.environ | {"PYTHONPATH": f"{sources}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TEST_TIMEOUT_S, check=False
    )


def why(told: subprocess.CompletedProcess[str]) -> str:
    """The first error of a failed run."""
    lines = (line[1:].strip() for line in told.stdout.splitlines() if line.startswith("E "))
    return next(lines, told.stdout[-200:].strip())


def row(mutation: Mutation, told: str) -> str:
    return f"{mutation.takes_out:<48} {mutation.test:<100} {told[:90]}"
