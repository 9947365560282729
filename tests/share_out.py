"""A pytest plugin for `-n`: which tests stay together in one process, so that each server is started once.

The models' tests are one group, and the longest: llama.cpp takes every core, and two that do so at once are only in each
other's way. They begin first, since `tests/contract` is collected first. All other files go to whoever is free. (Groups
go by file, because xdist's own, by marks, have no effect with pytest 9.2.)
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "gateway": ("tests/contract/test_gateway.py", "tests/e2e/test_abuse.py", "tests/e2e/test_fuzz.py"),
    "models": (
        "tests/contract/",
        "tests/e2e/test_commands.py",
        "tests/e2e/test_faq.py",
        "tests/e2e/test_questions.py",
        "tests/unit/engine/test_real_",
    ),
}


def group_of(nodeid: str) -> str:
    """The group of a test: one of those above, else its file."""
    found = (group for group, beginnings in GROUPS.items() if nodeid.startswith(beginnings))
    return next(found, nodeid.partition("::")[0])


class ShareOut(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ShareOut:
    config.option.loadscopereorder = False  # by number of tests, the longest group would not be the first
    return ShareOut(config, log)
