"""wire/splice.py: changed members in, everything else as it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.wire.splice import splice

names = st.sampled_from(["model", "stream", "mod\u00e9l", "a", "", 'x"model', "模"]) | st.text(max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=6)


@given(objects, objects, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_splicing_equals_decoding_updating_and_encoding(
    before: dict[str, Any], changes: dict[str, Any], ascii_only: bool, indent: int | str | None
) -> None:
    body = json.dumps(before, ensure_ascii=ascii_only, indent=indent).encode()
    assert json.loads(splice(body, changes)) == {**before, **changes}


@given(st.lists(st.tuples(names, values), max_size=8), objects)
def test_of_a_repeated_name_the_last_counts(members: list[tuple[str, Any]], changes: dict[str, Any]) -> None:
    body = ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members) + "}").encode()
    spliced = splice(body, changes)
    assert json.loads(spliced) == {**json.loads(body), **changes}
    pairs = json.loads(spliced, object_pairs_hook=list)
    assert len(pairs) == len({name for name, _ in pairs})


@pytest.mark.parametrize(
    ("body", "spliced"),
    [
        (b'{"mod\\u0065l":"a","n":1.50}', b'{"model":"b","n":1.50}'),
        (b'{"x":{"model":"inner"}, "model" : "a"}', b'{"x":{"model":"inner"},"model":"b"}'),
        (b'{"a\\"model":1}', b'{"a\\"model":1,"model":"b"}'),
        (b'{"n":100000000000000000000000000,"f":1e400}', b'{"n":100000000000000000000000000,"f":1e400,"model":"b"}'),
        (b" {} ", b'{"model":"b"}'),
    ],
)
def test_what_is_not_changed_stays_as_sent(body: bytes, spliced: bytes) -> None:
    assert splice(body, {"model": "b"}) == spliced


def test_another_spelling_of_a_guarded_name_is_left_out() -> None:
    body = '{"model":"cheap","Model":"dear","ſtream":true,"maX_toKens":9,"Other":1,"MODELS":2}'.encode()
    spliced = splice(body, {"model": "there"}, {"model", "stream", "max_tokens"})
    assert json.loads(spliced) == {"model": "there", "Other": 1, "MODELS": 2}


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b'{"a":}', b"{}{}"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        splice(body, {"model": "b"})
