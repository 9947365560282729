"""The shapes of models and tokenizations."""

import json

import msgspec
import pytest

from tests.contract.shapes import assert_shape
from waystation.errors import InvalidRequest
from waystation.wire.models import ModelObject, model_list
from waystation.wire.tokenize import Tokenization, read_tokenize


def test_models_are_listed_as_openai_does_in_the_order_of_their_names() -> None:
    models = [ModelObject(id=name, created=1, owned_by="waystation") for name in ("b", "a")]
    listed = json.loads(msgspec.json.encode(model_list(models)))
    assert_shape("ListModelsResponse", listed)
    assert_shape("Model", listed["data"][0])
    assert [model["id"] for model in listed["data"]] == ["a", "b"]


def test_a_text_texts_or_a_chat_can_be_counted() -> None:
    assert read_tokenize(b'{"model":"m","input":"one"}').texts == ["one"]
    assert read_tokenize(b'{"model":"m","input":["one","two"]}').texts == ["one", "two"]
    assert read_tokenize(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}').texts == ["hi"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", None),
        (b'{"model":""}', None),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":"x","messages":[{"role":"user","content":"hi"}]}', "messages"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":[1]}', "input[0]"),
    ],
)
def test_a_tokenization_of_nothing_or_of_two_things_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_tokenize(body)
    assert caught.value.param == param


def test_what_was_not_asked_for_is_left_out() -> None:
    made = Tokenization(model="m", encoding="o200k_base", count=2)
    assert json.loads(msgspec.json.encode(made)) == {
        "object": "tokenization",
        "model": "m",
        "encoding": "o200k_base",
        "count": 2,
    }
