"""Which items are left out so that the rest fits."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.storage.responses.kept_stand import Kept, kept
from waystation.storage.responses.truncating import ITEM_TOKENS, fitted

U1, U2, U3 = ({"role": "user", "content": name} for name in ("u1", "u2", "u3"))
A1, A2, A3 = ({"role": "assistant", "content": name} for name in ("a1", "a2", "a3"))
RULES = {"role": "developer", "content": "rules"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "42"}
SIZE = 10 + ITEM_TOKENS


@pytest.mark.parametrize(
    ("items", "fits", "then"),
    [
        ([U1, A1, U2], 3, [U1, A1, U2]),
        ([U1, A1, U2, A2, U3], 4, [A1, U2, A2, U3]),
        ([U1, A1, U2, A2, U3, A3, U1], 5, [A2, U3, A3, U1]),
        ([RULES, U1, A1, U2], 2, [RULES, U2]),
        ([CALL, U1, RESULT, U2], 3, [U1, U2]),
        ([U1, A1, CALL, RESULT, U2], 4, [A1, CALL, RESULT, U2]),
        ([U1, U2, CALL, RESULT], 1, [U2, CALL, RESULT]),
        ([U1], 0, [U1]),
    ],
    ids=[
        "all",
        "oldest",
        "a-quarter-at-a-time",
        "instructions",
        "call-with-its-output",
        "no-more-than-it-takes",
        "newest-stays",
        "only-one",
    ],
)
def test_the_first_items_go(items: list[dict[str, Any]], fits: int, then: list[dict[str, Any]]) -> None:
    assert fitted(items, fits * SIZE, lambda item: 10) == then


def test_what_is_left_begins_alike_for_several_turns() -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": str(turn)} for turn in range(100)]
    begins = [fitted(turns[:many], 20 * SIZE, lambda item: 10)[0]["content"] for many in range(21, 100)]
    assert len(set(begins)) <= len(begins) / 4


def test_two_hundred_turns_keep_to_the_context_and_count_each_text_once(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        last = None
        for turn in range(200):
            text = f"fact {turn} " + "word " * 20
            last = (await k.ask(text, previous_response_id=last, truncation="auto"))["id"]
            assert sum(len(each.split()) + ITEM_TOKENS for each in k.read) <= 750
        assert k.read[-1].startswith("fact 199 ")
        assert not any(each.startswith("fact 1 ") for each in k.read)
        assert k.counted <= 2 * 200 + 5

    kept(tmp_path, story)
