"""Completions: what is taken, what is refused and in which words."""

# A refusal is compared as a whole sentence, so rows are as long as sentences.
# ruff: noqa: E501

import json
from typing import Any

import pytest

from tests.contract.shapes import complaints, description
from waystation.errors import InvalidRequest
from waystation.wire.completions import CompletionRequest, read_completion

MORE_THAN_MADE = (
    "You requested that the server return more choices than it will generate (HINT: you must set 'n' (currently 3) to be "
    "at most 'best_of' (currently 2), or omit either parameter if you don't specifically want to use them.)"
)


def read(**changes: Any) -> CompletionRequest:
    return read_completion(json.dumps({"model": "m", "prompt": "Once"} | changes).encode())


@pytest.mark.parametrize(
    ("changes", "param", "code", "message"),
    [
        ({"model": ""}, None, None, "you must provide a model parameter"),
        ({"prompt": 7}, "prompt", "invalid_type", "Invalid type for 'prompt': expected one of a string or array of values, but got an integer instead."),
        ({"prompt": []}, "prompt", "empty_array", "Invalid 'prompt': empty array. Expected an array with minimum length 1, but got an empty array instead."),
        ({"prompt": ["a", 1]}, "prompt[1]", "invalid_type", "Invalid type for 'prompt[1]': expected a string, but got an integer instead."),
        ({"prompt": [[1], []]}, "prompt[1]", "empty_array", "Invalid 'prompt[1]': empty array. Expected an array with minimum length 1, but got an empty array instead."),
        ({"prompt": [1, -5]}, "prompt[1]", "integer_below_min_value", "Invalid 'prompt[1]': integer below minimum value. Expected a value >= 0, but got -5 instead."),
        ({"prompt": [[1, "x"]]}, "prompt[0][1]", "invalid_type", "Invalid type for 'prompt[0][1]': expected an integer, but got a string instead."),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 0, but got -1 instead."),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value", "Invalid 'logprobs': integer above maximum value. Expected a value <= 5, but got 6 instead."),
        ({"best_of": 21}, "best_of", "integer_above_max_value", "Invalid 'best_of': integer above maximum value. Expected a value <= 20, but got 21 instead."),
        ({"n": 3, "best_of": 2}, "best_of", None, MORE_THAN_MADE),
        ({"best_of": 2, "stream": True}, "best_of", None, "Invalid value for 'best_of': results can't be streamed when 'best_of' is greater than 'n'."),
        ({"stream_options": {}}, "stream_options", None, "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
        ({"echo": 1}, "echo", "invalid_type", "Invalid type for 'echo': expected a boolean, but got an integer instead."),
    ],
)  # fmt: skip
def test_a_fault_is_refused_in_openais_words(changes: dict[str, Any], param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    assert (caught.value.message, caught.value.param, caught.value.code) == (message, param, code)


@pytest.mark.parametrize("example", description()["examples"]["/completions"], ids=lambda example: example["title"])
def test_the_examples_of_openais_description_are_taken(example: dict[str, Any]) -> None:
    read_completion(json.dumps(example["request"]).encode())


def test_every_parameter_of_openais_description_is_known() -> None:
    described = description()["components"]["schemas"]["CreateCompletionRequest"]["properties"]
    assert set(described) == set(CompletionRequest.__struct_encode_fields__)


@pytest.mark.parametrize(
    ("prompt", "choices", "text"),
    [
        ("a", 2, "a"),
        (["a", "b"], 4, "a\nb"),
        ([1, 2, 3], 2, ""),
        ([[1], [2], [3]], 6, ""),
        (None, 2, ""),
    ],
)
def test_each_prompt_is_answered_as_often_as_asked(prompt: Any, choices: int, text: str) -> None:
    request = read(prompt=prompt, n=2)
    assert (request.choices, request.prompt_text) == (choices, text)
    if prompt is not None:
        assert complaints("CreateCompletionRequest", {"model": "m", "prompt": prompt, "n": 2}) == []


def test_the_properties_that_stages_ask_for() -> None:
    request = read(best_of=4, user="u", suffix=" end")
    assert (request.choices, request.end_user, request.prompt_text) == (4, "u", "Once end")
    assert (request.has_images, request.image_param, request.stream, request.include_usage) == (
        False,
        None,
        False,
        False,
    )
    assert request.output_tokens_asked == 16  # OpenAI's default for completions
    assert read(max_tokens=0).output_tokens_asked == 0
    assert read(stream=True, stream_options={"include_usage": True}).include_usage is True
