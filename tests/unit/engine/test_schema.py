"""What becomes of a schema before llama.cpp sees it."""

from typing import Any

import pytest

from waystation.engine.schema import NUMBER_MOST, for_answer, for_arguments

RANGE = {"minimum": -NUMBER_MOST, "maximum": NUMBER_MOST}


@pytest.mark.parametrize(
    ("schema", "bounded"),
    [
        ({"type": "integer"}, {"type": "integer"} | RANGE),
        ({"type": ["number", "null"]}, {"type": ["number", "null"]} | RANGE),
        ({"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 0}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "string"}, {"type": "string"}),
        ({"const": {"type": "integer"}}, {"const": {"type": "integer"}}),
        (
            {"type": "object", "properties": {"type": {"type": "number"}}, "anyOf": [{"type": "integer"}]},
            {
                "type": "object",
                "properties": {"type": {"type": "number"} | RANGE},
                "anyOf": [{"type": "integer"} | RANGE],
            },
        ),
    ],
)
@pytest.mark.parametrize("prepare", [for_answer, for_arguments])
def test_a_number_without_a_bound_gets_one(prepare: Any, schema: dict[str, Any], bounded: dict[str, Any]) -> None:
    prepared = prepare(schema)
    del prepared["x-guidance"]
    assert prepared == bounded
