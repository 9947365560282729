"""`waystation serve` for the tests of kills: its workers start again without growing pauses, and die where they are told to.

A folder of small files says where (`steps` beside the data folder): each worker that starts takes one, and kills itself as
`kill -9` would when it has come so often to that step. What has died is written to `steps/done`.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import waystation.app
from waystation.cli import serve as serve_command
from waystation.cli.main import run
from waystation.cli.serving import Serving
from waystation.ledger import journal, replay, store
from waystation.ledger.funds import store as funds_store
from waystation.ledger.funds.bank import Bank
from waystation.runtime import supervisor_process

STEPS = "WAYSTATION_TEST_STEPS"
DONE = "done"
TAKEN = "taken."
TRANSACTIONS: dict[str, tuple[Any, str]] = {
    "post": (store, "post"),  # usage and postings, also of the dead
    "posted": (Bank, "posted"),  # they are committed
    "take": (funds_store, "take"),  # an allowance
    "return": (funds_store, "give_back"),
    "swept": (replay, "remove_epoch"),  # a dead worker's calls are committed, its files not yet removed
}
KINDS = {"hold": b"h", "extend": b"x", "progress": b"p", "settle": b"s", "void": b"v"}


def main() -> None:
    if "WAYSTATION_WORKER" in os.environ:
        take_a_step(Path(os.environ.pop(STEPS)))
        waystation.app.main()
        return
    arguments = sys.argv[1:]
    data = Path(arguments[arguments.index("--data") + 1])
    os.environ[STEPS] = str(data.parent / "steps")
    supervisor_process.PAUSE_MOST_S = supervisor_process.PAUSE_FIRST_S
    supervisor_process.UNREADY_DEATHS_MAX = 1_000
    serve_command.Serving = partial(Serving, worker_command=(sys.executable, "-m", "tests.e2e.dying_server"))  # type: ignore
    sys.exit(run(arguments))


def untaken(folder: Path) -> list[Path]:
    """The steps at which somebody has still to die, in the order of their numbers."""
    found = (path for path in folder.glob("*-*-*-*") if not path.name.startswith(TAKEN))
    return sorted(found, key=lambda path: path.name.rsplit("-", 1)[1])


def taken_by(folder: Path) -> set[int]:
    """The processes that have taken one."""
    return {int(path.name.rsplit(".", 1)[1]) for path in folder.glob(f"{TAKEN}*")}


def take_a_step(folder: Path) -> None:
    """Take one of the files for oneself; its name says where to die: place-kind-count-number."""
    for path in untaken(folder):
        try:
            path.rename(folder / f"{TAKEN}{path.name}.{os.getpid()}")
        except OSError:
            continue  # another worker was faster
        place, kind, count, _ = path.name.split("-")
        die_at(place, kind, int(count), folder / DONE)
        return


def die_at(place: str, kind: str, count: int, done: Path) -> None:
    """`place`: before, in or after a record's write, or a transaction's commit."""
    left = count

    def comes() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def die() -> None:
        with done.open("a") as file:
            file.write(f"{place} {kind}\n")
        os.kill(os.getpid(), signal.SIGKILL)

    if kind in KINDS:
        _die_at_a_write(place, KINDS[kind], comes, die)
    else:
        _die_at_a_transaction(place, kind, comes, die)


def _die_at_a_write(place: str, kind: bytes, comes: Callable[[], bool], die: Callable[[], None]) -> None:
    write = journal.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        mine = data[9:13] == b'["%b"' % kind and comes()
        if mine and place == "before":
            die()
        if mine and place == "in":
            write(fd, data[: len(data) // 2], offset)
            die()
        written = write(fd, data, offset)
        if mine:
            die()
        return written

    journal.pwrite = pwrite  # type: ignore[assignment]


def _die_at_a_transaction(place: str, kind: str, comes: Callable[[], bool], die: Callable[[], None]) -> None:
    """`before`: nothing of it is written; `in`: all of it is, and not committed."""
    owner, name = TRANSACTIONS[kind]
    function: Callable[..., Any] = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        mine = comes()
        if mine and place == "before":
            die()
        done = function(*arguments, **named)
        if mine:
            die()
        return done

    setattr(owner, name, dying)


if __name__ == "__main__":
    main()
