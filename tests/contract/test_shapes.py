"""The reduced copy of OpenAI's description says what the whole one says, where that is there."""

import json

import pytest

from tests.contract.reduce_spec import REDUCED
from tests.contract.shapes import assert_shape, complaints, description


def test_the_reduced_copy_is_up_to_date() -> None:
    reduced = json.loads(REDUCED.read_text())
    assert reduced["components"] == description()["components"]
    assert reduced["examples"] == description()["examples"]


def test_a_wrong_body_is_told_from_a_right_one() -> None:
    right = {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}}
    assert_shape("ErrorResponse", right)
    assert complaints("ErrorResponse", {"error": {"message": "No."}})
    with pytest.raises(AssertionError, match="not a ErrorResponse"):
        assert_shape("ErrorResponse", {})
