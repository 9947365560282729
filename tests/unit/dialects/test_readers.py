"""Whatever arrives, a reader gives what was said, or one of its two faults; never another exception, never a silent half."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.asks import read
from tests.unit.dialects.converse.documented import WHOLE as CONVERSE_WHOLE
from tests.unit.dialects.converse.documented import stream
from tests.unit.dialects.gemini.documented import STREAM, sse
from tests.unit.dialects.gemini.documented import WHOLE as GEMINI_WHOLE
from waystation.dialects.converse.answer import ConverseStreamReader, ConverseWholeReader
from waystation.dialects.gemini.answer import GeminiReader
from waystation.dialects.saying import BadAnswer, Ended, ErrorInAnswer, Reader

Case = tuple[Callable[[], Reader], bytes]

CASES: dict[str, Case] = {
    "gemini": (lambda: GeminiReader(stream=False), json.dumps(GEMINI_WHOLE).encode()),
    "gemini, streamed": (lambda: GeminiReader(stream=True), sse(*STREAM)),
    "converse": (ConverseWholeReader, json.dumps(CONVERSE_WHOLE).encode()),
    "converse, streamed": (ConverseStreamReader, stream()),
}


@pytest.mark.parametrize("name", CASES)
@given(st.data())
def test_a_spoiled_answer_is_an_answer_or_a_fault(name: str, data: st.DataObject) -> None:
    make, good = CASES[name]
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 40)))
    bad = (
        good[:begin]
        + data.draw(st.binary(max_size=12) | st.sampled_from([b"null", b"[]", b"-1", b'"', b"{}"]))
        + good[end:]
    )
    try:
        sayings = read(make(), [bad])
    except (BadAnswer, ErrorInAnswer):
        return
    assert any(isinstance(saying, Ended) for saying in sayings)


@pytest.mark.parametrize("name", CASES)
@given(st.binary(max_size=300))
def test_nonsense_is_a_fault(name: str, data: bytes) -> None:
    with pytest.raises((BadAnswer, ErrorInAnswer)):
        read(CASES[name][0](), [data])
