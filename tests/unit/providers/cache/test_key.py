"""Which requests are the same, and which are never repeated."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.cache.cache_stand import BODY, CALLER, MODEL, OTHER, call
from waystation.gateway.call import Call
from waystation.providers.cache.key import REQUEST_BYTES_MAX, key_of
from waystation.terms import Dialect, Model, Operation

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"why": {"type": "string"}, "so": {"type": "string"}}}
TURNED = {"type": "object", "properties": {"so": {"type": "string"}, "why": {"type": "string"}}}


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


def key(made: Call, model: Model = MODEL) -> bytes:
    found = key_of(made, model)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "same",
    [
        call(b'{ "messages":[{"content":"why?","role":"user"}],\n "model":"small"}'),
        call(b'{"model":"small","messages":[{"role":"user","content":"\\u0077hy?"}]}'),
        call(model="another-name-of-it"),
        call(user="ann"),
        call(safety_identifier="ann"),
        call(metadata={"a": "b"}),
        call(store=True),
        call(prompt_cache_key="k"),
        call(stream=False),
        call(temperature=None),
        call(caller=msgspec.structs.replace(CALLER, key_id="another")),
    ],
)
def test_what_does_not_change_the_answer_does_not_matter(same: Call) -> None:
    assert key(same) == key(call())


@pytest.mark.parametrize(
    "other",
    [
        call(caller=OTHER),  # never another tenant's
        call(messages=[{"role": "user", "content": "why? "}]),
        call(messages=[{"role": "system", "content": "why?"}]),
        call(messages=[*BODY["messages"], *BODY["messages"]]),
        call(temperature=0.5),
        call(seed=1),
        call(n=2),
        call(max_tokens=10),
        call(stop=["\n"]),
        call(service_tier="flex"),
        call(tools=[TOOL]),
        call(stream=True),
        call(later="a parameter that nobody here knows"),
    ],
)
def test_what_may_change_the_answer_does(other: Call) -> None:
    assert key(other) != key(call())


def test_numbers_are_what_they_are_worth() -> None:
    assert key(call(temperature=1)) == key(call(temperature=1.0))
    assert key(call(b'{"model":"small","messages":[{"role":"user","content":"why?"}],"temperature":1e0}')) == key(
        call(temperature=1)
    )
    assert key(call(seed=2**53)) != key(call(seed=2**53 + 1))


def test_streams_and_their_usage_are_kept_apart() -> None:
    plain, stream = key(call()), key(call(stream=True))
    with_usage = key(call(stream=True, stream_options={"include_usage": True}))
    without = key(call(stream=True, stream_options={"include_usage": False}))
    assert len({plain, stream, with_usage}) == 3
    assert without == stream


def test_the_order_of_a_schema_and_of_tools_counts() -> None:
    """Models fill in the fields in this order: who asks for the reasons first gets another answer."""
    assert key(call(response_format=form(SCHEMA))) != key(call(response_format=form(TURNED)))
    assert key(call(messages=[{"content": "why?", "role": "user"}])) == key(call())


def test_model_dialect_operation_and_versions_are_part_of_it() -> None:
    alias = msgspec.structs.replace(MODEL, name="nick", alias_of="small")
    assert key(call(), alias) == key(call())
    assert key(call(), msgspec.structs.replace(alias, alias_of="large")) != key(call())  # the name means another now
    other = call()
    other.dialect = Dialect.ANTHROPIC
    versioned = call()
    versioned.headers[b"anthropic-beta"] = b"long-context"
    completion = call()
    completion.operation = Operation.COMPLETION
    assert len({key(each) for each in (call(), other, versioned, completion)}) == 4


@pytest.mark.parametrize(
    "made",
    [
        call(web_search_options={}),
        call(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}),
        call(messages=[{"role": "user", "content": "x" * REQUEST_BYTES_MAX}]),
    ],
    ids=["the provider searches", "audio has an id there", "too long"],
)
def test_some_are_never_kept(made: Call) -> None:
    assert key_of(made, MODEL) is None


def test_the_id_under_which_an_answer_will_be_kept_changes_nothing() -> None:
    made = call()
    made.answer_id = "chatcmpl-1"  # who keeps it, and who tells it again, give it that
    assert key_of(made, MODEL) == key_of(call(), MODEL)


@pytest.mark.parametrize(
    "tools",
    [
        [TOOL, {"type": "web_search_20250305", "name": "web_search"}],
        [{"type": "code_execution_20250522", "name": "code_execution"}],
        ["nonsense"],
    ],
)
def test_tools_that_the_provider_runs_are_not_repeated(tools: list[Any]) -> None:
    made = call()
    made.body = json.dumps(BODY | {"tools": tools}).encode()
    assert key_of(made, MODEL) is None
    made.body = json.dumps(BODY | {"tools": [{"name": "look", "input_schema": {}}]}).encode()  # Anthropic's form
    assert key_of(made, MODEL) is not None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b"[" * 100_000, b'{"a":' * 100_000, b'{"a":1e999}', b'{"a":"\xff"}']
)
def test_what_can_not_be_read_is_not_kept(body: bytes) -> None:
    made = call()
    made.body = body
    assert key_of(made, MODEL) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def turned(value: Any) -> Any:
    """The same JSON with all names the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


@given(json_values)
def test_any_json_is_the_same_in_any_order_and_white_space(value: Any) -> None:
    one, other = call(), call()
    one.body = json.dumps({"x": value, "y": 1}, ensure_ascii=True).encode()
    other.body = json.dumps({"y": 1, "x": turned(value)}, ensure_ascii=False, indent=2).encode()
    assert key(one) == key(other)


@given(json_values, json_values)
def test_different_json_is_different(one: Any, other: Any) -> None:
    first, second = call(), call()
    first.body, second.body = json.dumps({"x": one}).encode(), json.dumps({"x": other}).encode()
    same = json.loads(json.dumps([one])) == json.loads(json.dumps([other])) and repr(one).count("True") == repr(
        other
    ).count("True")
    if not same and one != other:
        assert key(first) != key(second)
