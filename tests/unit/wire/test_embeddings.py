"""Embeddings: what is taken, what is refused and in which words."""

# A refusal is compared as a whole sentence, so rows are as long as sentences.
# ruff: noqa: E501

import json
from typing import Any

import pytest

from tests.contract.shapes import complaints, description
from waystation.errors import InvalidRequest
from waystation.wire.embeddings import EmbeddingsRequest, read_embeddings


def read(**changes: Any) -> EmbeddingsRequest:
    return read_embeddings(json.dumps({"model": "m", "input": "text"} | changes).encode())


@pytest.mark.parametrize(
    ("changes", "param", "code", "message"),
    [
        ({"model": ""}, None, None, "you must provide a model parameter"),
        ({"input": None}, "input", "invalid_type", "Invalid type for 'input': expected one of a string or array of values, but got null instead."),
        ({"input": ""}, "input", None, "Invalid 'input': input cannot be an empty string."),
        ({"input": ["a", ""]}, "input[1]", None, "Invalid 'input[1]': input cannot be an empty string."),
        ({"input": []}, "input", "empty_array", "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."),
        ({"input": ["a"] * 2049}, "input", "array_above_max_length", "Invalid 'input': array too long. Expected an array with maximum length 2048, but got an array with length 2049 instead."),
        ({"input": [1, "a"]}, "input[1]", "invalid_type", "Invalid type for 'input[1]': expected an integer, but got a string instead."),
        ({"input": ["a", [1]]}, "input[1]", "invalid_type", "Invalid type for 'input[1]': expected a string, but got an array of integers instead."),
        ({"input": [1.5]}, "input[0]", "invalid_type", "Invalid type for 'input[0]': expected one of a string, integer or array of integers, but got a decimal number instead."),
        ({"input": [[]]}, "input[0]", "empty_array", "Invalid 'input[0]': empty array. Expected an array with minimum length 1, but got an empty array instead."),
        ({"encoding_format": "int8"}, "encoding_format", "invalid_value", "Invalid value: 'int8'. Supported values are: 'float' and 'base64'."),
        ({"dimensions": 0}, "dimensions", "integer_below_min_value", "Invalid 'dimensions': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    ],
)  # fmt: skip
def test_a_fault_is_refused_in_openais_words(changes: dict[str, Any], param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    assert (caught.value.message, caught.value.param, caught.value.code) == (message, param, code)


def test_missing_input_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_embeddings(b'{"model":"m"}')
    assert (caught.value.param, caught.value.code) == ("input", "missing_required_parameter")


@pytest.mark.parametrize("example", description()["examples"]["/embeddings"], ids=lambda example: example["title"])
def test_the_examples_of_openais_description_are_taken(example: dict[str, Any]) -> None:
    read_embeddings(json.dumps(example["request"]).encode())


@pytest.mark.parametrize(
    ("given", "inputs", "text"),
    [
        ("one", ["one"], "one"),
        (["one", "two"], ["one", "two"], "one\ntwo"),
        ([1], [[1]], ""),
        ([1, 2, 3], [[1, 2, 3]], ""),
        ([[1], [2, 3]], [[1], [2, 3]], ""),
    ],
)
def test_the_inputs_come_one_by_one(given: Any, inputs: list[Any], text: str) -> None:
    request = read(input=given, user="u", dimensions=3, encoding_format="base64")
    assert (request.inputs, request.prompt_text) == (inputs, text)
    assert (request.stream, request.choices, request.output_tokens_asked, request.end_user) == (False, 1, 0, "u")
    assert complaints("CreateEmbeddingRequest", {"model": "m", "input": given}) == []
