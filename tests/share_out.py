"""A pytest plugin for `-n`: which tests stay together in one process, so that each server is started once or twice.

The groups that wait for the model's answers are two, one for each process, and of about the same length; all other files
go to whoever is free. llama.cpp gets one thread: with more, each step waits for the thread whose core the other
process has just taken, and an answer takes twice as long. (Groups go by file, because xdist's own, by marks, have no
effect with pytest 9.2.)
"""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "gateway": ("tests/contract/test_gateway.py", "tests/e2e/test_abuse.py", "tests/e2e/test_fuzz.py"),
    "models": ("tests/contract/", "tests/unit/engine/test_real_"),
    "commands": ("tests/e2e/test_commands.py", "tests/e2e/test_faq.py", "tests/e2e/test_questions.py"),
}


def group_of(nodeid: str) -> str:
    """The group of a test: one of those above, else its file."""
    found = (group for group, beginnings in GROUPS.items() if nodeid.startswith(beginnings))
    return next(found, nodeid.partition("::")[0])


def pytest_configure() -> None:
    os.environ.setdefault("WAYSTATION_TEST_ENGINE_THREADS", "1")  # the processes of -n inherit it


class ShareOut(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ShareOut:
    config.option.loadscopereorder = False  # by number of tests, the longest group would not be the first
    return ShareOut(config, log)
