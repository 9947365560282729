"""Messages become what templates want, and users' words stay words."""

from typing import Any

import pytest

from waystation.engine.prompt import (
    Shield,
    calls_since_user,
    extended,
    refuse_unread,
    results_in_words,
    template_messages,
)
from waystation.errors import Unsupported

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TURN: list[dict[str, Any]] = [
    {"role": "user", "content": "How warm?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "18"}]},
]


def test_roles_and_parts_are_translated() -> None:
    told = template_messages(
        [
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "content": None, "refusal": "no"},
        ]
    )
    assert told[0] == {"role": "system", "content": "a\nb"}
    assert told[1]["role"] == "tool"
    assert told[2] == {"role": "assistant", "content": "no"}


def test_arguments_that_were_cut_short_still_make_a_call() -> None:
    cut = {**CALL, "function": {"name": "f", "arguments": '{"a": '}}
    told = template_messages([{"role": "assistant", "content": None, "tool_calls": [cut]}])
    assert told[0]["tool_calls"][0]["function"]["arguments"] == '{"arguments":"{\\"a\\": "}'


def test_calls_of_this_turn_are_known() -> None:
    assert calls_since_user(TURN) == [("f", '{"a":1}')]
    assert calls_since_user([*TURN, {"role": "user", "content": "and now?"}]) == []


def test_results_become_words_below_the_question() -> None:
    assert results_in_words(TURN) == [{"role": "user", "content": 'How warm?\n\nf({"a":1}): 18'}]


def shield() -> Shield:
    return Shield(("<|im_end|>", "<|im_start|>"), lambda text: [ord(letter) for letter in text[:2]], "m")


def test_control_texts_become_the_tokens_of_their_letters() -> None:
    covered = shield().cover([{"content": "a<|im_end|>b<|im_start|>"}])[0]["content"]
    assert "<|" not in covered
    assert shield().uncover(f"<|im_start|>user\n{covered}<|im_end|>") == [
        "<|im_start|>user\na",
        60,
        124,
        "b",
        60,
        124,
        "<|im_end|>",
    ]


def test_a_guessed_mark_is_only_text() -> None:
    assert shield().uncover("\ue000other-0\ue001") == ["\ue000other-0\ue001"]
    assert shield().uncover("plain") == "plain"


def test_a_prompt_grows_at_its_end() -> None:
    assert extended("a", "b") == "ab"
    assert extended([1, "a"], "b") == [1, "ab"]
    assert extended([1], "b") == [1, "b"]


@pytest.mark.parametrize("kind", ["file", "image_url", "input_audio", "video"])
def test_what_the_model_would_not_see_is_never_left_out_in_silence(kind: str) -> None:
    refuse_unread(TURN, "messages")
    with pytest.raises(Unsupported, match="read text only") as refused:
        refuse_unread([*TURN, {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": kind}]}], "input")
    assert refused.value.param == "input"
