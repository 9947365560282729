"""Fetch what tests need and no package index of ours pins: the default model, and the SDKs that the FAQ's readers have.

`make setup` runs it, so that no test waits for a network. What can't be had is said here and is no error: the tests that
need it try once more, and fail in their own words.
"""

import sys
from collections.abc import Callable

from tests.e2e.sdks import PYTHON_SDKS, node_is_missing, node_path, python_with
from waystation.engine.model import DEFAULT_CHAT_FILE
from waystation.engine.sources import models_folder, pull


def main() -> None:
    attempt("the default model", lambda: pull(DEFAULT_CHAT_FILE, models_folder()))
    for name in PYTHON_SDKS:
        attempt(name, lambda name=name: python_with(name))
    if not node_is_missing():
        attempt("the Node SDK", node_path)


def attempt(what: str, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        print(f"{what} can't be had at the moment: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
