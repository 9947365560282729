"""Nothing that a caller asks for is lost in silence: each field has one fate, and each loss has the caller's own name."""

from collections.abc import Mapping

import msgspec
import pytest

from tests.unit.dialects.asks import hello
from waystation.dialects.ask import Ask
from waystation.dialects.converse.table import TABLE as CONVERSE
from waystation.dialects.gemini.table import TABLE as GEMINI
from waystation.dialects.mapping import Fate, Ignored, Notes, Refused, Sent, Written, plain
from waystation.errors import Unsupported
from waystation.terms import Dialect


@pytest.mark.parametrize("table", [GEMINI, CONVERSE], ids=["gemini", "converse"])
def test_each_field_of_an_ask_has_a_fate(table: Mapping[str, Fate]) -> None:
    assert list(table) == [field.name for field in msgspec.structs.fields(Ask)]


TABLE: dict[str, Fate] = {
    "choices": Refused("One alone."),
    "frequency_penalty": Ignored(),
    "parallel_tool_calls": Ignored(neutral=(True,)),
    "stops": Written("elsewhere"),
    "temperature": Sent("heat"),
    "end_user": Ignored(),
}


def test_what_is_sent_keeps_its_value_and_what_is_ignored_is_named() -> None:
    notes = Notes()
    ask = hello(temperature=0.3, end_user="me", stops=("a",), extra={"wild": 1})
    assert plain(ask, TABLE, notes) == {"heat": 0.3}
    assert notes.ignored == ["user", "wild"]


def test_a_neutral_value_is_not_missed() -> None:
    notes = Notes()
    plain(hello(parallel_tool_calls=True), TABLE, notes)
    assert notes.ignored == []
    plain(hello(parallel_tool_calls=False), TABLE, notes)
    assert notes.ignored == ["parallel_tool_calls"]


@pytest.mark.parametrize(
    ("dialect", "field", "name"),
    [
        (Dialect.OPENAI, "choices", "n"),
        (Dialect.OPENAI, "top_k", "top_k"),
        (Dialect.ANTHROPIC, "stops", "stop_sequences"),
        (Dialect.ANTHROPIC, "reasoning_tokens_max", "thinking.budget_tokens"),
    ],
)
def test_a_field_has_its_callers_name(dialect: Dialect, field: str, name: str) -> None:
    notes = Notes(dialect)
    notes.ignore(field)
    notes.ignore(field)
    notes.map(field, "other")
    assert notes.ignored == [name]
    assert notes.mapped == [f"{name}>other"]
    assert notes.refusal(field, "No.").param == name


def test_what_changes_the_answer_is_refused_with_its_name() -> None:
    with pytest.raises(Unsupported, match="One alone") as caught:
        plain(hello(choices=2), TABLE, Notes())
    assert caught.value.param == "n"
