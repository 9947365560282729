"""Every body is either read or refused with a 400 whose words, code and `param` are OpenAI's."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.errors import InvalidRequest
from waystation.wire.bounds import JSON_DEPTH_MAX, JSON_DIGITS_MAX
from waystation.wire.chat import ChatRequest, read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.read import refuse_unknown, unknown_parameters
from waystation.wire.tokenize import read_tokenize

READERS = (read_chat, read_completion, read_embeddings, read_tokenize)
CHAT = '"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]'
COULD_NOT = "We could not parse the JSON body of your request. "


def outcome(read: Any, body: bytes) -> Any:
    """The request, or the InvalidRequest that it got; anything else that is raised fails the test."""
    try:
        return read(body)
    except InvalidRequest as error:
        return error


def refusal(read: Any, body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n ",
        b"{",
        b"{" + CHAT.encode(),
        b"not json",
        b"{'model': 'x'}",
        b"{" + CHAT.encode() + b"} trailing",
        b"{" + CHAT.encode() + b",}",
        b"\xef\xbb\xbf{" + CHAT.encode() + b"}",
        b'{"temperature":NaN,' + CHAT.encode() + b"}",
        b'{"temperature":Infinity,' + CHAT.encode() + b"}",
        b'{"temperature":-Infinity,' + CHAT.encode() + b"}",
        b'{"temperature":01,' + CHAT.encode() + b"}",
        b'{"user":"\xff",' + CHAT.encode() + b"}",
        b'{"unknown":"\xff",' + CHAT.encode() + b"}",
        b'{"\xff":1,' + CHAT.encode() + b"}",
        b'{"unknown":"\xed\xa0\x80",' + CHAT.encode() + b"}",
        b'{"user":"\\ud800",' + CHAT.encode() + b"}",
        b'{"unknown":"\\udc00 and more",' + CHAT.encode() + b"}",
        b'{"user":"line\nbreak",' + CHAT.encode() + b"}",
        b'{"unknown":[' * 200_000,
    ],
)
def test_what_is_not_json_is_a_400_that_says_so(body: bytes) -> None:
    error = refusal(read_chat, body)
    assert error.message.startswith(COULD_NOT) or error.code == "nested_too_deeply"
    assert (error.param, error.code) in {(None, None), (None, "nested_too_deeply")}


@pytest.mark.parametrize(
    ("body", "got"),
    [(b"[]", "an array"), (b"3", "an integer"), (b"null", "null"), (b'"x"', "a string"), (b"true", "a boolean")],
)
def test_json_that_is_no_object_is_refused(body: bytes, got: str) -> None:
    error = refusal(read_chat, body)
    assert error.message == f"Invalid type for the request body: expected an object, but got {got} instead."


def nested(levels: int) -> bytes:
    """A request whose JSON has exactly that many levels, the outermost object included."""
    inner = levels - 1
    return (
        b'{"extra":'
        + b'[1,{"a":' * (inner // 2)
        + b"[" * (inner % 2)
        + b"]" * (inner % 2)
        + (b"" if inner % 2 else b"1")
        + b"},2]" * (inner // 2)
        + b","
        + CHAT.encode()
        + b"}"
    )


@pytest.mark.parametrize("levels", [JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX])
def test_json_as_deep_as_allowed_is_read(levels: int) -> None:
    assert read_chat(nested(levels)).model == "gpt-4o"


@pytest.mark.parametrize("levels", [JSON_DEPTH_MAX + 1, JSON_DEPTH_MAX + 2, 500, 50_000])
def test_json_too_deep_is_refused(levels: int) -> None:
    assert refusal(read_chat, nested(levels)).code == "nested_too_deeply"


def test_brackets_in_texts_are_not_depth() -> None:
    text = json.dumps("[{" * 5000 + '\\" "')
    assert read_chat(b'{"model":"m","messages":[{"role":"user","content":' + text.encode() + b"}]}").messages


def test_a_number_may_have_as_many_digits_as_allowed_and_no_more() -> None:
    for lead in range(0, 40, 7):  # wherever in the body it stands
        pad = '"p":"' + "x" * lead + '",'
        read_chat(f'{{{pad}"seedling":{"7" * JSON_DIGITS_MAX},{CHAT}}}'.encode())
        error = refusal(read_chat, f'{{{pad}"seedling":{"7" * (JSON_DIGITS_MAX + 1)},{CHAT}}}'.encode())
        assert error.code == "number_too_long"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 200, "1" * 200 + ".5", "1e-400"])
@pytest.mark.parametrize("where", ["unknown", "seed", "temperature", "n", "logit_bias", "parameters", "deep"])
def test_a_number_of_any_size_is_read_or_refused(number: str, where: str) -> None:
    given = {
        "logit_bias": f'"logit_bias":{{"1":{number}}}',
        "parameters": f'"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"maximum":{number}}}}}}}]',
        "deep": f'"unknown":[{"[]," * 80}{number}]',
    }.get(where, f'"{where}":{number}')
    met = outcome(read_chat, f"{{{given},{CHAT}}}".encode())
    assert isinstance(met, ChatRequest) or met.status == 400


def test_digits_in_texts_are_not_numbers() -> None:
    digits = "12345678" * 500
    read_chat(f'{{"model":"m","messages":[{{"role":"user","content":"{digits}\\"{digits}"}}]}}'.encode())


def test_of_a_key_sent_twice_the_last_counts() -> None:
    assert read_chat(f'{{"model":"first",{CHAT}}}'.encode()).model == "gpt-4o"


def test_a_fault_in_the_first_of_two_equal_keys_is_still_a_400() -> None:
    refusal(read_chat, f'{{"n":"x","n":5,{CHAT}}}'.encode())


def test_unknown_parameters_are_named_in_order_and_let_pass() -> None:
    body = f'{{"zebra":1,{CHAT},"stream":false,"apple":{{"stream_asked":1}},"stream_asked":true}}'.encode()
    assert read_chat(body).stream is False
    assert unknown_parameters(body, ChatRequest) == ("zebra", "apple", "stream_asked")


def test_strict_mode_refuses_an_unknown_parameter_as_openai_does() -> None:
    refuse_unknown(())
    with pytest.raises(InvalidRequest) as caught:
        refuse_unknown(("zebra", "apple"))
    assert (caught.value.message, caught.value.param, caught.value.code) == (
        "Unknown parameter: 'zebra'.",
        "zebra",
        "unknown_parameter",
    )


def test_what_is_quoted_back_is_short_and_cannot_move_the_param() -> None:
    evil = "x' - at `$.model`" * 100
    body = json.dumps({"model": "m", "messages": [{"role": evil, "content": ""}]}).encode()
    error = refusal(read_chat, body)
    assert error.param == "messages[0].role"
    assert len(error.message) < 300


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    for read in READERS:
        met = outcome(read, body)
        assert not isinstance(met, InvalidRequest) or met.message


NAMES = sorted(
    {*ChatRequest.__struct_encode_fields__, "prompt", "input", "best_of", "dimensions", "role", "content", "type"}
    | {"text", "function", "name", "parameters", "id", "arguments", "tool_call_id", "json_schema", "schema", "strict"}
)
WORDS = ["user", "assistant", "tool", "system", "function", "text", "auto", "json_schema", "json_object", "m", "", "1"]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), anything, max_size=5), st.booleans())
def test_arbitrary_json_is_read_or_refused(body: dict[str, Any], plausible: bool) -> None:
    if plausible:
        body = {"model": "m", "messages": [{"role": "user", "content": "json"}], "prompt": "p", "input": "i"} | body
    for read in READERS:
        met = outcome(read, json.dumps(body).encode())
        if isinstance(met, InvalidRequest):
            assert met.message
        elif read is not read_tokenize:
            assert met.choices >= 1
            assert isinstance(met.prompt_text, str)
            assert met.has_images is (met.image_param is not None)
            assert isinstance(met.stream, bool)


_message = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "developer", "function"])},
    optional={
        "content": st.text(max_size=3) | st.none() | st.lists(st.just({"type": "text", "text": "t"}), max_size=2),
        "tool_call_id": st.sampled_from(["a", "b"]),
        "name": st.just("n"),
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {
                    "id": st.sampled_from(["a", "b"]),
                    "type": st.just("function"),
                    "function": st.just({"name": "f", "arguments": "{}"}),
                }
            ),
            max_size=2,
        ),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_message, max_size=6))
def test_any_sequence_of_messages_is_read_or_refused(messages: list[Any]) -> None:
    met = outcome(read_chat, json.dumps({"model": "m", "messages": messages}).encode())
    assert met.message if isinstance(met, InvalidRequest) else isinstance(met.prompt_text, str)
