"""A tool call without tags is seen however its text is cut; all other text passes, letter by letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.engine.gate import HELD_LETTERS_MAX, ToolGate

NAMES = ("get_weather", "get_time")
CALLS = [
    '{"name": "get_weather", "arguments": {"city": "Paris"}}',
    '```json\n{\n  "name": "get_time",\n  "arguments": {}\n}\n```',
    '```\n{"name":"get_time"',
    '[{"name": "get_weather"',
    '  {"function": "get_weather", "x": 1',
    '{"type": "function", "function": {"name": "get_time"',
]
TEXTS = [
    "The weather is fine.",
    '{"name": "Alice", "age": 3}',
    "```python\nprint({})\n```",
    "{",
    "```",
    "a {name} b\n- `x`\n{\n}\n",
    '{"name": "get_weather_now"}',
    "你好\n\n```json\n[1, 2]\n```\n",
    "\n\n  \n",
]


def cut(text: str, places: list[int]) -> list[str]:
    at = sorted({place % (len(text) + 1) for place in places})
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


def fed(pieces: list[str]) -> tuple[str, str | None]:
    gate = ToolGate(NAMES)
    out = ""
    for piece in pieces:
        out += "".join(held.text for held in gate.feed(piece))
        if gate.called:
            return out, gate.called
    return out + "".join(held.text for held in gate.finish()), None


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", ["", "Sure! Here it is:\n", "好的\n\n"])
@given(places=st.lists(st.integers(0, 200), max_size=12))
def test_a_call_is_seen_wherever_the_text_is_cut(before: str, call: str, places: list[int]) -> None:
    out, called = fed(cut(before + call, places))
    assert called in NAMES
    assert called in call
    assert out.rstrip() == before.rstrip()  # blank lines before a call may go with it
    assert before.startswith(out)


@given(st.lists(st.sampled_from(TEXTS)), st.lists(st.integers(0, 400), max_size=20))
def test_other_text_passes_unchanged(texts: list[str], places: list[int]) -> None:
    text = "".join(texts)
    out, called = fed(cut(text, places))
    assert (out, called) == (text, None)


@given(st.text(alphabet='{}[]"`:\n nameget_wthr,', max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_whatever_comes_nothing_is_lost(text: str, places: list[int]) -> None:
    out, called = fed(cut(text, places))
    assert text.startswith(out)
    assert called or out == text


def test_plain_text_streams_on_at_once() -> None:
    gate = ToolGate(NAMES)
    assert [held.text for held in gate.feed("Hello")] == ["Hello"]
    assert [held.text for held in gate.feed(' {"name": "get_time"')] == [
        ' {"name": "get_time"'
    ]  # not at a line's beginning


def test_what_never_becomes_a_call_is_not_held_for_long() -> None:
    gate = ToolGate(NAMES)
    out = "".join(held.text for _ in range(HELD_LETTERS_MAX + 2) for held in gate.feed(" "))
    assert out


def test_extras_stay_with_their_text() -> None:
    gate = ToolGate(NAMES)
    assert gate.feed("{", 1) == []
    assert [(held.text, held.extra) for held in gate.feed("}", 2)] == [("{", 1), ("}", 2)]
