"""Answers of upstreams as their documentation has them (URL and date in each file), read right: text, thoughts, usage, errors.

They are made from documentation, and no upstream was asked.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.openai.stand import config_of, model_of, target_of
from waystation.dialects.chat_reader import ChatReader
from waystation.dialects.saying import Begun, Ended, ErrorInAnswer, ReasoningDelta, Saying, TextDelta, Used
from waystation.providers.openai.presets import PRESETS
from waystation.providers.openai.provider import OpenAI
from waystation.providers.openai.stream import ErrorEvent, Stream
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame, Usage

FILES = sorted((Path(__file__).parent / "documented").glob("*.json"))
DOCUMENTED: dict[str, Any] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
NAMES = sorted(DOCUMENTED)


def streamed(chunks: list[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def read(data: bytes, cut: int | None = None) -> list[Saying]:
    reader = ChatReader()
    parts = [data] if cut is None else [data[:cut], data[cut:]]
    sayings = [saying for part in parts if not reader.over for saying in reader.feed(part)]
    return sayings + reader.finish()


def test_the_upstreams_that_are_used_most_are_here() -> None:
    assert {"deepseek", "dashscope", "moonshot", "zhipu", "volcengine", "minimax", "ollama", "vllm"} <= set(NAMES)
    for each in DOCUMENTED.values():
        assert each["preset"] in PRESETS
        assert each["documentation"]
        assert each["read_on"]


@pytest.mark.parametrize("form", ["whole", "stream"])
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_read_right(name: str, form: str) -> None:
    given = DOCUMENTED[name]
    sayings = read(json.dumps(given["whole"]).encode() if form == "whole" else streamed(given["stream"]))
    assert isinstance(sayings[0], Begun)
    assert sayings[0].model == given["whole"]["model"]
    assert "".join(saying.text for saying in sayings if isinstance(saying, TextDelta)) == given["text"]
    assert "".join(saying.text for saying in sayings if isinstance(saying, ReasoningDelta)) == given["reasoning"]
    assert sayings[-2:] == [Ended(given["finish"]), Used(Usage(**given["usage"]))]


@given(st.sampled_from(NAMES), st.integers(0, 4000))
def test_a_stream_reads_the_same_wherever_it_is_cut(name: str, cut: int) -> None:
    data = streamed(DOCUMENTED[name]["stream"])
    whole, parted = read(data), read(data, cut % len(data))
    assert parted == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_passes_is_metered_right(name: str) -> None:
    given = DOCUMENTED[name]
    stream = Stream(include_usage=True)
    piece = stream.feed(streamed(given["stream"]))
    _, done = stream.finish()
    assert piece is not None
    assert piece.text == given["reasoning"] + given["text"]
    assert done.usage == Usage(**given["usage"])
    assert json.loads(done.data.partition(b"\n")[0][6:])["usage"], "whoever asked for the usage is told it"


@pytest.mark.parametrize(
    ("name", "at"), [(name, at) for name in NAMES for at in range(len(DOCUMENTED[name]["errors"]))]
)
def test_an_error_has_its_blame(name: str, at: int) -> None:
    error = DOCUMENTED[name]["errors"][at]
    body = json.dumps(error["body"]).encode()
    provider = OpenAI(config_of("http://there.example/v1", preset=DOCUMENTED[name]["preset"]), HttpClient())
    refused = provider._refused(error["status"], {}, body, target_of(model_of("fake")))
    assert refused.blame is Blame(error["blame"])
    if error["status"] == 0:  # it comes within a 200
        with pytest.raises(ErrorInAnswer):
            read(body)
        with pytest.raises(ErrorEvent):
            Stream(include_usage=False).feed(b"data: " + body + b"\n\n")
