"""Older completions and embeddings with the real models."""

import base64
import math
from array import array
from typing import Any

import pytest

from tests.unit.engine.engine_stand import Engine
from waystation.errors import InvalidRequest, Unsupported
from waystation.metering.tokens import Tokenizers
from waystation.terms import Operation


def vectors(body: dict[str, Any]) -> list[list[float]]:
    assert [item["index"] for item in body["data"]] == list(range(len(body["data"])))
    return [item["embedding"] for item in body["data"]]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_a_completion_goes_on(engine: Engine) -> None:
    body = engine.completes({"prompt": "1, 2, 3, 4,", "temperature": 0, "max_tokens": 6})
    choice = body["choices"][0]
    assert "5" in choice["text"]
    assert (body["object"], choice["finish_reason"], choice["logprobs"]) == ("text_completion", "length", None)
    assert body["usage"]["completion_tokens"] == 6


def test_each_prompt_has_its_choices(engine: Engine) -> None:
    body = engine.completes({"prompt": ["1,2,3", "a b c"], "n": 2, "echo": True, "max_tokens": 2})
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [choice["text"][:5] for choice in body["choices"]] == ["1,2,3", "1,2,3", "a b c", "a b c"]


def test_token_ids_are_those_of_the_named_model(engine: Engine) -> None:
    assert engine.chat.path is not None
    ids = Tokenizers({engine.chat.name: engine.chat.path}).encode("The capital of France is", engine.chat.name)
    assert "Paris" in engine.completes({"prompt": ids, "temperature": 0, "max_tokens": 3})["choices"][0]["text"]


def test_probabilities_have_the_older_shape(engine: Engine) -> None:
    choice = engine.completes({"prompt": "1, 2, 3,", "temperature": 0, "logprobs": 2, "max_tokens": 4})["choices"][0]
    told = choice["logprobs"]
    assert "".join(told["tokens"]) == choice["text"]
    assert len(told["token_logprobs"]) == len(told["top_logprobs"]) == len(told["text_offset"]) == 4
    assert told["text_offset"][0] == 0


def test_a_middle_is_filled_in(engine: Engine) -> None:
    body = engine.completes(
        {"prompt": "def add(a, b):\n    return ", "suffix": "\n\nprint(add(1, 2))", "temperature": 0, "max_tokens": 5}
    )
    assert "a + b" in body["choices"][0]["text"]


def test_best_of_gives_fewer_than_it_writes(engine: Engine) -> None:
    body = engine.completes({"prompt": "The sky", "best_of": 3, "n": 1, "max_tokens": 4})
    assert len(body["choices"]) == 1
    assert body["usage"]["completion_tokens"] == 12


def test_an_echo_alone_costs_no_output(engine: Engine) -> None:
    body = engine.completes({"prompt": "1,2,3", "echo": True, "max_tokens": 0})
    assert body["choices"][0]["text"] == "1,2,3"
    assert body["usage"]["completion_tokens"] == 0


def test_probabilities_of_a_prompt_are_refused(engine: Engine) -> None:
    with pytest.raises(Unsupported):
        engine.completes({"prompt": "x", "echo": True, "logprobs": 1})


def test_completions_stream(engine: Engine) -> None:
    chunks = engine.streams({"prompt": "1,2,3", "max_tokens": 3, "echo": True}, Operation.COMPLETION)
    assert chunks[0]["choices"][0]["text"].startswith("1,2,3")
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "length"
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])


def test_embeddings_are_unit_vectors_that_know_what_is_alike(engine: Engine) -> None:
    body = engine.embeds(
        {"input": ["How do I bake bread?", "A recipe for a loaf", "Der Aktienmarkt fiel", "如何烤面包？"]}
    )
    bread, loaf, market, chinese = vectors(body)
    assert len(bread) == 384
    assert likeness(bread, bread) == pytest.approx(1, abs=1e-5)
    assert likeness(bread, loaf) > likeness(bread, market)
    assert likeness(bread, chinese) > likeness(bread, market)
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 10


def test_a_text_has_one_vector_alone_or_in_a_list_as_text_or_as_ids(engine: Engine) -> None:
    ids = Tokenizers().encode("hello world", "text-embedding-3-small")
    alone = vectors(engine.embeds({"input": "hello world"}))[0]
    for given in (["x", "hello world"], ids, [[1, 2], ids]):
        assert vectors(engine.embeds({"input": given}))[-1] == pytest.approx(alone, abs=1e-4)


def test_base64_is_the_same_numbers(engine: Engine) -> None:
    text = engine.embeds({"input": "hello", "encoding_format": "base64"})["data"][0]["embedding"]
    numbers = array("f", base64.b64decode(text)).tolist()
    assert numbers == pytest.approx(vectors(engine.embeds({"input": "hello"}))[0])


def test_fewer_dimensions_are_a_unit_vector_and_more_are_refused(engine: Engine) -> None:
    short = vectors(engine.embeds({"input": "hello", "dimensions": 64}))[0]
    assert len(short) == 64
    assert math.sqrt(likeness(short, short)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InvalidRequest) as refused:
        engine.embeds({"input": "hello", "dimensions": 1536})
    assert refused.value.param == "dimensions"


@pytest.mark.slow
def test_the_end_of_a_long_text_counts(engine: Engine) -> None:
    filler = "The committee met on Tuesday and discussed the budget. " * 120
    about_cats = filler + "Cats purr and chase mice. " * 100
    one, other = vectors(engine.embeds({"input": [filler, about_cats]}))
    assert likeness(one, other) < 0.99
    body = engine.embeds({"input": about_cats})
    assert body["usage"]["prompt_tokens"] > 1500


def test_what_comes_after_a_zero_byte_counts(engine: Engine) -> None:
    cut, whole = vectors(engine.embeds({"input": ["a", "a\x00 stock markets fell"]}))
    assert likeness(cut, whole) < 0.99
