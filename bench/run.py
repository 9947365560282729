"""Measures what a call through the gateway costs, beside nginx in the same run (`make bench`)."""

import argparse
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a script, from any folder

from bench.books import BooksDiffer
from bench.measure import LoadFailed
from bench.report import table
from bench.servers import DidNotStart
from bench.session import FULL, PARTS, QUICK, Plan, Running, run
from bench.tools import BUILD, HERE, MissingTool, build, find_tool


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves by way of the blocks that stop the servers
    options = read_options()
    try:
        for tool in ("cc", "nginx", "taskset"):
            find_tool(tool)
        for program in ("upstream", "load"):
            build(program)
        session = run(plan(options), told(options))
    except MissingTool as missing:
        print(missing, file=sys.stderr)
        return 2
    except (DidNotStart, LoadFailed, BooksDiffer) as fault:
        print(f"{type(fault).__name__}: {fault}", file=sys.stderr)
        return 1
    print(table(session.lines))
    print(session.told_books())
    path = options.out or default_path(scratch=options.quick or options.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(session.as_json(), indent=1) + "\n")
    print(f"written to {path}")
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round: does it run? Not for figures that are passed on"
    )
    parser.add_argument(
        "--parts", action="store_true", help="what budgets and limits cost: callers with and without them, in turns"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="where the JSON goes; bench/results/ when left out (bench/build/ with --quick and --parts)",
    )
    running = parser.add_argument_group("a server that already runs (instead of one that is started here)")
    running.add_argument("--url", help="its address, such as http://127.0.0.1:8080")
    running.add_argument("--pid", type=int, help="its first process: the whole tree is measured")
    running.add_argument("--key", help="a key of it; or in OPENAI_API_KEY")
    running.add_argument("--data", type=Path, help="its data folder; without it the books are not checked")
    running.add_argument("--upstream-port", type=int, default=0, help="where its provider of bench-model points to")
    running.add_argument("--paced-port", type=int, default=0, help="where its provider of bench-paced points to")
    options = parser.parse_args()
    if options.parts and options.url:
        parser.error("--parts makes its own callers, so it needs a server of its own")
    options.key = options.key or os.environ.get("OPENAI_API_KEY")
    if options.url and not (options.pid and options.key and options.upstream_port and options.paced_port):
        parser.error("--url needs --pid, --key, --upstream-port and --paced-port")
    return options


def plan(options: argparse.Namespace) -> Plan:
    if options.parts:
        return replace(PARTS, rounds=QUICK.rounds, window_s=QUICK.window_s) if options.quick else PARTS
    return QUICK if options.quick else FULL


def told(options: argparse.Namespace) -> Running | None:
    if not options.url:
        return None
    return Running(options.url, options.pid, options.key, options.data, options.upstream_port, options.paced_port)


def default_path(*, scratch: bool) -> Path:
    folder = BUILD if scratch else HERE / "results"
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"


if __name__ == "__main__":
    sys.exit(main())
