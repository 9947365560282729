"""Moderations: what is taken, what is refused and in which words."""

# A refusal is compared as a whole sentence, so rows are as long as sentences.
# ruff: noqa: E501

import json
from typing import Any

import pytest

from tests.contract.shapes import description
from waystation.errors import InvalidRequest
from waystation.wire.moderations import CATEGORIES, INPUTS_MAX, ModerationRequest, read_moderation

TEXT = {"type": "text", "text": "words"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def read(**changes: Any) -> ModerationRequest:
    return read_moderation(json.dumps({"input": "text"} | changes).encode())


@pytest.mark.parametrize(
    ("given", "texts", "image"),
    [
        ("one", ["one"], None),
        ("", [""], None),  # as OpenAI's description has it: the default
        (["one", ""], ["one", ""], None),
        ([TEXT, TEXT], ["words\nwords"], None),
        ([TEXT, PICTURE], ["words"], "input[1]"),
        ([PICTURE], [""], "input[0]"),
        ("a\x00b", ["a\x00b"], None),
    ],
)
def test_texts_are_judged_one_by_one_and_parts_together(given: Any, texts: list[str], image: str | None) -> None:
    request = read(input=given)
    assert (request.texts, request.image_param, request.has_images) == (texts, image, image is not None)
    assert (request.model, request.stream, request.output_tokens_asked) == ("omni-moderation-latest", False, 0)


@pytest.mark.parametrize(
    ("changes", "param", "code", "message"),
    [
        ({"model": ""}, None, None, "you must provide a model parameter"),
        ({"model": None}, "model", "invalid_type", "Invalid type for 'model': expected a string, but got null instead."),
        ({"input": []}, "input", "empty_array", "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."),
        ({"input": ["a"] * (INPUTS_MAX + 1)}, "input", "array_above_max_length", "Invalid 'input': array too long. Expected an array with maximum length 1024, but got an array with length 1025 instead."),
        ({"input": ["a", TEXT]}, "input[1]", "invalid_type", "Invalid type for 'input[1]': expected a string, but got an object instead."),
        ({"input": [TEXT, "a"]}, "input[1]", "invalid_type", "Invalid type for 'input[1]': expected an object, but got a string instead."),
        ({"input": [{"type": "image_url"}]}, "input[0].image_url", "missing_required_parameter", "Missing required parameter: 'input[0].image_url'."),
    ],
)  # fmt: skip
def test_a_fault_is_refused_in_openais_words(changes: dict[str, Any], param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    assert (caught.value.message, caught.value.param, caught.value.code) == (message, param, code)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"input":5}', b'{"input":null}', b'{"input":[1]}', b'{"input":{}}']
)
def test_what_is_no_input_is_a_400(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_moderation(body)


@pytest.mark.parametrize("example", description()["examples"]["/moderations"], ids=lambda example: example["title"])
def test_the_examples_of_openais_description_are_taken(example: dict[str, Any]) -> None:
    read_moderation(json.dumps(example["request"]).encode())


def test_the_categories_are_openais() -> None:
    results = description()["components"]["schemas"]["CreateModerationResponse"]["properties"]["results"]["items"]
    assert set(CATEGORIES) == set(results["properties"]["categories"]["properties"])
