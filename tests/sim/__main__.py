"""`python -m tests.sim SEED`: replay one seed and print what happened. `python -m tests.sim FIRST COUNT`: run many."""

import sys
import time

from tests.sim.plan import describe
from tests.sim.sim import Outcome, run_seed


def show(outcome: Outcome) -> None:
    for line in outcome.trace:
        print(line)
    print(f"seed {outcome.seed}: {describe(outcome.plan)}")
    print(f"{outcome.calls} calls, {outcome.steps} steps, {outcome.deaths} deaths")
    for told in outcome.wrong:
        print(f"WRONG: {told}")


def main(arguments: list[str]) -> int:
    seeds = [int(one) for one in arguments]
    if len(seeds) == 1:
        outcome = run_seed(seeds[0], traced=True)
        show(outcome)
        return 1 if outcome.wrong else 0
    first, count = seeds
    began, failed = time.process_time(), 0
    for seed in range(first, first + count):
        outcome = run_seed(seed)
        if outcome.wrong:
            failed += 1
            print(f"seed {seed}: {outcome.wrong[0]}" + f" (and {len(outcome.wrong) - 1} more)")
    print(f"{count} seeds, {failed} wrong, {(time.process_time() - began) / count * 1e3:.1f} ms of CPU each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
