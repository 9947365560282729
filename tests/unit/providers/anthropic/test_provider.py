"""providers/anthropic: what a server of that dialect does and the caller sees."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.messages.documented import OVERLOADED, TEXT, TOOLS, WHOLE
from tests.unit.providers.anthropic.stand import KEY, FakeHttp, message_call, play, sent, target
from waystation.dialects.ask import Ask, Text, Turn
from waystation.dialects.messages.reader import StreamReader
from waystation.dialects.saying import Begun, Ended, TextDelta, Used
from waystation.errors import ApiError, Unsupported
from waystation.providers.anthropic.provider import Anthropic
from waystation.terms import Blame, Price, Usage

STREAM = {b"content-type": b"text/event-stream"}
ASK = Ask(stream=True, turns=(Turn("user", (Text("hi"),)),))


def test_a_whole_message_passes_unchanged_and_is_metered() -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        pieces, done = await sent(provider, message_call())
        assert (pieces, done.data, done.usage) == ([], WHOLE, Usage(12, 6))

    play(story, WHOLE[:30], WHOLE[30:])


@given(st.lists(st.integers(0, len(TOOLS)), max_size=6))
def test_a_stream_passes_unchanged_however_it_arrives(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TOOLS)]
    chunks = [TOOLS[a:b] for a, b in pairwise(places) if a < b]

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        pieces, done = await sent(provider, message_call(stream=True))
        assert b"".join(piece.data for piece in pieces) + done.data == TOOLS
        assert "".join(piece.text for piece in pieces) == 'The weather.get_weather{"location": "Paris"}now'
        assert done.usage == Usage(472, 89, 0, 12)
        assert done.data.startswith(b"event: message_delta")
        assert http.response.drained

    play(story, *chunks, headers=STREAM)


def test_the_upstream_sees_its_own_names_our_key_and_the_callers_betas() -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        call = message_call({b"anthropic-beta": b"files-api-2025-04-14"}, top_k=5, new={"model": "inner"})
        await sent(provider, call, target("claude-sonnet-4-5"))

    http = play(story, WHOLE)
    assert (http.host, http.target) == ("api.anthropic.com", "/v1/messages")
    assert http.headers["x-api-key"] == KEY
    assert http.headers["anthropic-version"] == "2023-06-01"
    assert http.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert http.body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        "top_k": 5,
        "new": {"model": "inner"},
    }


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://api.deepseek.com/anthropic", "/anthropic/v1/messages"),
        ("https://example.org/v1", "/v1/messages"),
        ("https://example.org/proxy/v1/", "/proxy/v1/messages"),
    ],
)
def test_a_base_url_may_have_the_version_or_not(base_url: str, path: str) -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        await sent(provider, message_call())

    assert play(story, WHOLE, base_url=base_url).target == path


@pytest.mark.parametrize(
    ("thinking", "paid", "sent_thinking"),
    [
        (None, 50, None),
        ({"type": "enabled", "budget_tokens": 2000}, 3000, {"type": "enabled", "budget_tokens": 2000}),
        ({"type": "enabled", "budget_tokens": 2000}, 1500, {"type": "enabled", "budget_tokens": 1499}),
        ({"type": "enabled", "budget_tokens": 2000}, 500, {"type": "disabled"}),
        ({"type": "adaptive"}, 500, {"type": "adaptive"}),
    ],
    ids=str,
)
def test_no_more_is_asked_for_than_can_be_paid(thinking: Any, paid: int, sent_thinking: Any) -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        more = {} if thinking is None else {"thinking": thinking}
        call = message_call(**{"max_tokens": 4000, **more})
        call.output_tokens_max = paid
        await sent(provider, call)

    body = play(story, WHOLE).body
    assert (body["max_tokens"], body.get("thinking")) == (paid, sent_thinking)


def test_thoughts_of_models_that_sign_nothing_are_not_handed_on() -> None:
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": ""}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "b", "signature": "signed"},
                {"type": "thinking", "thinking": "c", "signature": ""},
                {"type": "text", "text": "Hello"},
            ],
        },
    ]

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        await sent(provider, message_call(messages=said))

    assert play(story, WHOLE).body["messages"] == [
        said[0],
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "b", "signature": "signed"},
                {"type": "text", "text": "Hello"},
            ],
        },
    ]


def test_fast_mode_needs_a_price() -> None:
    price = Price("USD", 1, 1)

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        with pytest.raises(Unsupported, match="fast mode"):
            await sent(provider, message_call(speed="fast"), target(price=price))
        await sent(provider, message_call(speed="fast"), target(price=Price("USD", 1, 1, tiers={"fast": price})))

    play(story, WHOLE)


def test_a_stream_that_can_be_paid_no_longer_is_ended_properly() -> None:
    head, _, rest = TEXT.partition(
        b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta"'
    )
    first = head + b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta"'
    first += rest.partition(b"\n\n")[0] + b"\n\n"
    call = message_call(stream=True)

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        events = provider.send(call, target())
        piece = await anext(events)
        call.cut = True
        done = await anext(events)
        tail = getattr(done, "tail")  # noqa: B009
        assert getattr(done, "usage") is None  # noqa: B009
        reader = StreamReader()
        said = reader.feed(piece.data + done.data + tail(Usage(30, 4)))
        assert said[1:] == [TextDelta("Hello"), Ended("length"), Used(Usage(30, 4))]
        assert (await anext(events, None), reader.over) == (None, True)

    play(story, first, b"data: more\n\n", headers=STREAM)


@pytest.mark.parametrize(
    "data", [b"", TEXT.partition(b"event: message_delta")[0], b"data: nonsense\n\n", b"data: 7\n\n"]
)
def test_a_stream_that_is_no_answer_is_the_deployments_fault(data: bytes) -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, message_call(stream=True))
        assert caught.value.blame is Blame.DEPLOYMENT

    play(story, *filter(None, [data]), headers=STREAM)


def test_an_error_in_a_stream_comes_after_what_was_good() -> None:
    good = TEXT.partition(b"event: message_delta")[0]

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        events = provider.send(message_call(stream=True), target())
        assert (await anext(events)).data == good
        with pytest.raises(ApiError) as caught:
            await anext(events)
        assert (caught.value.status, caught.value.blame) == (502, Blame.DEPLOYMENT)

    play(story, good + OVERLOADED, headers=STREAM)


def told(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"}).encode()


@pytest.mark.parametrize(
    ("status", "kind", "message", "becomes", "blame"),
    [
        (400, "invalid_request_error", "messages: at least one message is required", 400, Blame.CALLER),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", 502, Blame.CREDENTIAL),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", 400, Blame.CALLER),
        (401, "authentication_error", f"invalid x-api-key {KEY}", 502, Blame.CREDENTIAL),
        (402, "billing_error", "Pay first.", 502, Blame.CREDENTIAL),
        (403, "permission_error", "Not yours.", 502, Blame.CREDENTIAL),
        (404, "not_found_error", "model: claude-9", 404, Blame.MODEL),
        (413, "request_too_large", "Too large.", 413, Blame.CALLER),
        (429, "rate_limit_error", "Slow down.", 429, Blame.LIMIT),
        (500, "api_error", "Internal.", 502, Blame.DEPLOYMENT),
        (504, "timeout_error", "Late.", 504, Blame.DEPLOYMENT),
        (529, "overloaded_error", "Overloaded", 502, Blame.DEPLOYMENT),
    ],
)
@pytest.mark.parametrize("within", [False, True], ids=["refused", "in a 200"])
def test_a_refusal_says_whose_fault_it_is(
    status: int, kind: str, message: str, becomes: int, blame: Blame, within: bool
) -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, message_call())
        error = caught.value
        assert (error.status, error.blame) == (becomes, blame)
        assert KEY not in f"{error.message} {error.detail}"
        if "prompt is too long" in message:
            assert error.code == "context_length_exceeded"
        if status == 429 and not within:
            assert error.retry_after_ms == 7000

    play(story, told(kind, message), status=200 if within else status, headers={b"retry-after": b"7"})


def test_a_web_page_is_no_answer() -> None:
    async def story(provider: Anthropic, http: FakeHttp) -> None:
        with pytest.raises(ApiError, match="web page"):
            await sent(provider, message_call())

    play(story, b"<html>", headers={b"content-type": b"text/html"})


# -- asked in the vocabulary


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_it_tells_what_others_ask(stream: bool) -> None:
    call = message_call()

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        asked = Ask(stream=stream, turns=ASK.turns, seed=7)
        said = [saying async for saying in provider.tell(asked, target(), call)]
        assert isinstance(said[0], Begun)
        assert isinstance(said[-1], Used)

    http = play(story, TEXT if stream else WHOLE)
    assert http.body["max_tokens"] == 8000
    assert http.body.get("stream", False) == stream
    assert call.ignored == ("seed",)


@pytest.mark.parametrize(
    ("said", "spoken", "rest"),
    [
        ("Once upon ", "Once upon", "Hello!"),
        ("Once\n\n", "Once", "Hello!"),
        ("Once", "Once", "Hello!"),
    ],
)
def test_white_space_that_was_sent_is_not_sent_again(said: str, spoken: str, rest: str) -> None:
    lost = said[len(spoken) :]
    answer = TEXT.replace(b'"text": "Hello"', b'"text": %b' % json.dumps(lost + "Hello").encode())

    async def story(provider: Anthropic, http: FakeHttp) -> None:
        asked = Ask(stream=True, turns=ASK.turns, said=said)
        sayings = [saying async for saying in provider.tell(asked, target("claude-3-5-haiku-20241022"), message_call())]
        assert "".join(each.text for each in sayings if isinstance(each, TextDelta)) == rest

    http = play(story, answer)
    assert http.body["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": spoken}]}
