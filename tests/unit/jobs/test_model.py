"""The rules of the queue, as tables."""

import pytest

from waystation.jobs.model import Due, back_off_s, chosen


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 2), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10_000, 300)])
def test_each_failed_attempt_waits_longer_up_to_a_bound(attempts: int, wait_s: int) -> None:
    assert back_off_s(attempts) == wait_s


def _due(*projects: str) -> list[Due]:
    return [Due(f"{project}{number}", project) for number, project in enumerate(projects)]


@pytest.mark.parametrize(
    ("due", "running", "room", "taken"),
    [
        (_due("a", "a", "a"), {}, 2, ["a0", "a1"]),  # the oldest first
        (_due("a", "a", "a", "b"), {}, 2, ["a0", "b3"]),  # projects take turns
        (_due("a", "a", "b"), {"a": 3}, 2, ["b2", "a0"]),  # who has much under way comes later
        (_due("a", "b"), {"a": 1, "b": 1}, 1, ["a0"]),  # of equals the one that has waited longest
        (_due("a"), {}, 5, ["a0"]),
        (_due("a"), {}, 0, []),
        ([], {"a": 1}, 4, []),
    ],
    ids=["oldest", "turns", "busy-later", "equals", "few", "no-room", "nothing"],
)
def test_whose_turn_it_is(due: list[Due], running: dict[str, int], room: int, taken: list[str]) -> None:
    assert chosen(due, running, room) == taken
