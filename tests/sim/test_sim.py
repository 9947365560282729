"""Many worlds, in each of which something else goes wrong, keep their books; and the simulator can tell when one does not."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests.sim import defects
from tests.sim.plan import Plan, PlannedBudget, PlannedGrant, describe
from tests.sim.process import AFTER, BEFORE, TORN
from tests.sim.sim import Outcome, run_seed

LONG = os.environ.get("WAYSTATION_TEST_ALL") == "1"
SEEDS = 10_000 if LONG else 1_000
FINDS_WITHIN = 300  # worlds
TRACE_LINES_MAX = 400


@contextmanager
def no_collection() -> Iterator[None]:
    """Worlds are small and many: looking for cycles after each few of them costs a tenth of the time."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def fail(outcome: Outcome, plan: Plan | None = None) -> None:
    """Run the world again and show it."""
    traced = run_seed(outcome.seed, plan=plan, traced=True)
    print(f"replay with: python -m tests.sim {outcome.seed}" if plan is None else f"seed {outcome.seed}")
    print(*traced.trace[-TRACE_LINES_MAX:], sep="\n")
    pytest.fail(f"seed {outcome.seed} ({describe(outcome.plan)}): " + "; ".join(outcome.wrong))


def run_all(seeds: Iterable[int]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for seed in seeds:
        if seed % 100 == 0:
            gc.collect()
        outcome = run_seed(seed)
        if outcome.wrong:
            fail(outcome)
        outcomes.append(outcome)
    return outcomes


def test_whatever_fails_the_books_add_up_and_no_cap_is_passed() -> None:
    with no_collection():
        outcomes = run_all(range(SEEDS))
    calls, deaths = (sum(getattr(one, name) for one in outcomes) for name in ("calls", "deaths"))
    print(f"{SEEDS} worlds, {calls} calls, {deaths} workers that ended")
    assert calls > 5 * SEEDS, "something happens in them"


STORY = Plan(
    workers=1,
    clients=2,
    calls_each=2,
    budgets=[PlannedBudget("org-1", "organization", "org-1", "total", 2_500_000)],
    grants=[PlannedGrant(2_500_000, None)],
)
TWO_WORKERS = Plan(
    workers=2,
    clients=3,
    calls_each=2,
    budgets=[PlannedBudget("org-1", "end_user", "*", "day", 900_000)],
    grants=[PlannedGrant(900_000, 3.0), PlannedGrant(400_000, None)],
)
STORIES = [(1, STORY, False)]
if LONG:
    STORIES += [(seed, plan, power) for seed in (2, 3, 5) for plan in (STORY, TWO_WORKERS) for power in (False, True)]


@pytest.mark.parametrize(("seed", "story", "power"), STORIES)
def test_a_worker_may_die_in_any_step(seed: int, story: Plan, power: bool) -> None:
    """Before, in the middle of and after each write, each transaction and each change of files."""
    with no_collection():
        steps = run_seed(seed, plan=story).steps_in_trouble
        assert steps > 20
        for step in range(1, steps + 1):
            for when in (BEFORE, TORN, AFTER):
                plan = with_crash(story, step, when, power)
                outcome = run_seed(seed, plan=plan)
                if outcome.wrong:
                    fail(outcome, plan)


def with_crash(story: Plan, step: int, when: str, power: bool) -> Plan:
    return replace(story, crashes={step: (when, power)}, comes_back=1.0)


def test_a_seed_is_the_same_world_each_time() -> None:
    for seed in (1, 5, 8):
        first, again = (run_seed(seed, traced=True) for _ in range(2))
        assert first.trace == again.trace
        assert len(first.trace) > 20


@pytest.mark.parametrize("defect", defects.ALL, ids=[defect.__name__ for defect in defects.ALL])
def test_the_simulator_finds_planted_defects(
    defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    for seed in range(FINDS_WITHIN):
        outcome = run_seed(seed)
        if outcome.wrong:
            print(f"{defect.__name__}: found by seed {seed}: {outcome.wrong[0]}")
            return
    pytest.fail(f"{defect.__doc__} Nobody has noticed.")
