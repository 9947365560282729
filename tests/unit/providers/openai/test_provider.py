"""providers/openai against the fake upstream, on real sockets: what an upstream does and the caller sees."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.providers.openai.stand import (
    KEY,
    chat_call,
    chunks,
    completion_call,
    config_of,
    embeddings_call,
    model_of,
    moderation_call,
    play,
    sent,
    target_of,
)
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.providers.openai.provider import OpenAI
from waystation.runtime.http_client import HttpClient
from waystation.terms import Done, Piece, Usage
from waystation.testing.script import ARGUMENTS, CHINESE, REASONS, WORDS
from waystation.testing.upstream import Upstream

TEXT = "".join(WORDS)


def test_an_answer_passes_unchanged_and_is_metered() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, done = await sent(provider, chat_call("cached"))
        assert pieces == []
        body = json.loads(done.data)
        assert body["choices"][0]["message"]["content"] == TEXT
        input_tokens = body["usage"]["prompt_tokens"]
        assert done.usage == Usage(input_tokens, len(WORDS), input_tokens // 2)
        assert (upstream.meter.input_tokens, upstream.meter.output_tokens) == (input_tokens, len(WORDS))

    play(story)


def test_the_upstream_sees_its_own_names_and_our_key() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        await sent(provider, chat_call("mine", temperature=0.50, extra={"model": "inner"}), "theirs")
        request = upstream.requests[-1]
        assert request.target == "/v1/chat/completions"
        assert request.headers[b"authorization"] == f"Bearer {KEY}".encode()
        assert request.headers[b"x-extra"] == b"1"
        assert json.loads(request.body) == {
            "messages": [{"role": "user", "content": "hi"}],
            "model": "theirs",
            "temperature": 0.5,
            "extra": {"model": "inner"},
        }

    play(story, headers={"X-Extra": "1"})


@pytest.mark.parametrize(
    ("asked", "forwarded", "shown"),
    [
        ({}, {"include_usage": True}, False),
        ({"stream_options": None}, {"include_usage": True}, False),
        (
            {"stream_options": {"include_obfuscation": False}},
            {"include_obfuscation": False, "include_usage": True},
            False,
        ),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}, True),
    ],
)
def test_usage_of_a_stream_is_always_metered_and_shown_only_if_asked_for(
    asked: dict[str, Any], forwarded: dict[str, Any], shown: bool
) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, done = await sent(provider, chat_call(stream=True, **asked))
        assert json.loads(upstream.requests[-1].body)["stream_options"] == forwarded
        assert "".join(piece.text for piece in pieces) == TEXT
        assert all(chunk["choices"] for chunk in chunks(*pieces))
        assert done.usage is not None
        assert done.usage.output_tokens == len(WORDS)
        assert done.data.endswith(b"data: [DONE]\n\n")
        assert [chunk["usage"]["completion_tokens"] for chunk in chunks(done)] == ([len(WORDS)] if shown else [])

    play(story)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("plain", TEXT),
        ("split-utf8", "".join(CHINESE)),
        ("crlf", TEXT),
        ("burst", TEXT),
        ("slow", TEXT),
        ("no-done", TEXT),
        ("usage-in-choices", TEXT),
        ("tools", "weather" + "".join(ARGUMENTS)),
        ("reasoning", "".join(REASONS) + TEXT),
    ],
)
def test_every_kind_of_stream_passes_and_its_text_is_metered(mode: str, text: str) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, done = await sent(provider, chat_call(mode, stream=True))
        assert "".join(piece.text for piece in pieces) == text
        assert done.data == b"data: [DONE]\n\n"
        assert done.usage is not None
        assert done.usage.output_tokens == upstream.meter.output_tokens
        last = chunks(*pieces)[-1]
        assert last["choices"][0]["finish_reason"] in ("stop", "tool_calls")
        assert ("usage" in last) == (mode == "usage-in-choices")

    play(story)


def test_events_that_arrive_together_go_on_together() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, _ = await sent(provider, chat_call("burst", stream=True))
        assert len(pieces) == 1
        assert len(chunks(*pieces)) == len(WORDS) + 1

    play(story)


def test_several_choices_are_all_waited_for() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, done = await sent(provider, chat_call("no-done", stream=True, n=3))
        assert "".join(piece.text for piece in pieces) == TEXT * 3
        assert done.usage is not None
        assert done.usage.output_tokens == 3 * len(WORDS)

    play(story)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["no-usage", "bad-usage"])
def test_without_usable_usage_there_is_none(mode: str, stream: bool) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        _, done = await sent(provider, chat_call(mode, stream=stream))
        assert done.usage is None

    play(story)


@pytest.mark.parametrize("call", [completion_call(), completion_call(stream=True)], ids=["whole", "streamed"])
def test_completions_take_the_same_way(call: Call) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces, done = await sent(provider, call)
        text = "".join(piece.text for piece in pieces) or json.loads(done.data)["choices"][0]["text"]
        assert text == TEXT
        assert done.usage is not None
        assert done.usage.output_tokens == len(WORDS)
        assert upstream.requests[-1].target == "/v1/completions"

    play(story)


def test_moderations_pass_as_they_came_and_tell_no_usage() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        _, done = await sent(provider, moderation_call(input=["hi", "I will kill you"]), "theirs")
        assert upstream.requests[-1].target == "/v1/moderations"
        assert [each["flagged"] for each in json.loads(done.data)["results"]] == [False, True]
        assert done.usage is None, "the ledger counts what was judged"

    play(story)


def test_embeddings_take_the_same_way() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        _, done = await sent(provider, embeddings_call(dimensions=4))
        assert len(json.loads(done.data)["data"][0]["embedding"]) == 4
        assert done.usage is not None
        assert done.usage.input_tokens > 0
        assert done.usage.output_tokens == 0

    play(story)


def test_a_packed_answer_is_unpacked() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        _, done = await sent(provider, chat_call("gzip"))
        assert json.loads(done.data)["choices"][0]["message"]["content"] == TEXT

    play(story)


FAULTS = [
    # mode, status, code, words of the message, retry_after_ms
    ("fault-400", 400, None, "temperature must be at most 2.", None),
    ("fault-404", 404, "model_not_found", "The model does not exist.", None),
    ("fault-context", 400, "context_length_exceeded", "maximum context length is 4096", None),
    ("fault-401", 502, "upstream_error", "refused this server's credential", None),
    ("fault-quota", 502, "upstream_error", "refused this server's credential or account", None),
    ("fault-429", 429, "rate_limit_exceeded", "at its rate limit", 250),
    ("fault-500", 502, "upstream_error", "failed", None),
    ("fault-502", 502, "upstream_error", "failed", None),
    ("fault-503", 502, "upstream_error", "failed", 1000),
    ("html", 502, "upstream_error", "web page", None),
    ("hang", 504, "upstream_timeout", "took too long", None),
    ("drop", 502, "upstream_error", "could not be reached or broke off", None),
    ("not-json", 502, "upstream_error", "no answer", None),
    ("stream-for-json", 502, "upstream_error", "streamed without being asked to", None),
    ("json-for-stream", 502, "upstream_error", "did not stream", None),
]
OF_WHOLE_ANSWERS = ("not-json", "stream-for-json")
OF_STREAMS = ("json-for-stream",)


@pytest.mark.parametrize(("mode", "status", "code", "words", "retry_after_ms"), FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_becomes_the_callers_error(
    mode: str, status: int, code: str | None, words: str, retry_after_ms: int | None, stream: bool
) -> None:
    if mode in (OF_WHOLE_ANSWERS if stream else OF_STREAMS):
        stream = not stream

    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, chat_call(mode, stream=stream))
        error = caught.value
        assert (error.status, error.code, error.retry_after_ms) == (status, code, retry_after_ms)
        assert words in error.message
        assert status != 401
        for secret in ("<html", "Traceback", KEY, KEY[:12]):
            assert secret not in error.message
            assert secret not in error.detail or secret == "<html" or secret == "Traceback"

    play(story, first_byte_timeout_s=0.05)


BROKEN = [
    ("hang-mid", 504, "took too long"),
    ("drop-mid", 502, "broke off"),
    ("cut", 502, "broke off"),
    ("malformed", 502, "no answer"),
    ("error-event", 502, "failed"),
]


@pytest.mark.parametrize(("mode", "status", "words"), BROKEN)
def test_a_stream_that_breaks_gives_what_came_and_then_an_error(mode: str, status: int, words: str) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        pieces: list[Piece] = []

        async def take_all() -> None:
            async for event in provider.send(chat_call(mode, stream=True), target_of(model_of(mode))):
                assert isinstance(event, Piece)
                pieces.append(event)

        with pytest.raises(ApiError) as caught:
            await take_all()
        assert "".join(piece.text for piece in pieces) == "Once upon"
        assert caught.value.status == status
        assert words in caught.value.message

    play(story, first_byte_timeout_s=0.05, idle_timeout_s=0.05)


def test_our_key_is_taken_out_of_an_upstreams_words() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, chat_call("fault-key-in-400"))
        assert caught.value.status == 400
        assert caught.value.message == "Key [redacted] (it begins with [redacted] may not do this."

    play(story)


def test_closing_the_events_cancels_the_call_upstream() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        upstream.pace_s = 10.0
        events = provider.send(chat_call(stream=True), target_of(model_of("fake")))
        await anext(events)
        assert upstream.meter.open_answers == 1
        await events.aclose()
        for _ in range(50):
            if upstream.meter.cancelled:
                break
            await asyncio.sleep(0.002)
        assert upstream.meter.cancelled == 1
        assert upstream.meter.open_connections == 0

    play(story)


def test_a_cancelled_task_cancels_the_call_upstream() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        task = asyncio.create_task(sent(provider, chat_call("hang")))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.02)
        assert upstream.meter.cancelled == 1
        assert upstream.meter.open_connections == 0

    play(story)


@pytest.mark.parametrize("asked", [chat_call, completion_call])
@pytest.mark.parametrize("usage_asked", [False, True])
def test_a_stream_that_is_cut_ends_as_one_that_is_too_long(asked: Callable[..., Call], usage_asked: bool) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        upstream.pace_s = 0.002
        call = asked(stream=True, stream_options={"include_usage": usage_asked})
        pieces: list[Piece] = []
        done = None
        async for event in provider.send(call, target_of(model_of("fake"))):
            if isinstance(event, Done):
                done = event
                break
            pieces.append(event)
            call.cut = len(pieces) == 3
        assert done is not None
        assert len(pieces) == 3
        assert done.usage is None, "the ledger counts"
        first, last = chunks(*pieces)[0], chunks(done)
        assert [chunk["choices"][0]["finish_reason"] for chunk in last] == ["length"]
        assert [(chunk["id"], chunk["model"]) for chunk in last] == [(first["id"], first["model"])]
        assert last[0]["waystation"] == {"budget_clamped": True}
        tail = done.data if done.tail is None else done.tail(Usage(3, 4, 1))
        assert tail.endswith(b"data: [DONE]\n\n")
        if usage_asked:
            usage = json.loads(tail.partition(b"\n")[0][6:])["usage"]
            assert (usage["prompt_tokens"], usage["total_tokens"]) == (3, 7)
            assert usage["prompt_tokens_details"]["cached_tokens"] == 1
        while not upstream.meter.cancelled:
            await asyncio.sleep(0.002)

    play(story)


def test_a_stream_whose_text_is_whole_is_not_cut_any_more() -> None:
    """All that is still to come is the usage, and that is what an exact bill is made of."""

    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        upstream.pace_s = 0.002
        call = chat_call(stream=True)
        async for event in provider.send(call, target_of(model_of("fake"))):
            if isinstance(event, Done):
                assert event.usage is not None
            else:
                call.cut = b'"finish_reason":"stop"' in event.data

    play(story)


@pytest.mark.parametrize(
    ("said", "tier"), [("default", None), ("flex", "flex"), ("priority", "priority"), (None, None), ({"odd": 1}, None)]
)
def test_the_tier_that_was_served_goes_with_the_usage(said: Any, tier: str | None) -> None:
    provider = OpenAI(config_of("http://there.example/v1"), HttpClient())
    body = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}, "service_tier": said}
    assert provider._done(json.dumps(body).encode(), target_of(model_of("fake"))).usage == Usage(5, 2, tier=tier)


def test_one_connection_carries_calls_one_after_another() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        for stream in (False, True, False, True, True):
            await sent(provider, chat_call(stream=stream))
            await asyncio.sleep(0.001)  # the end of a stream's last chunk may still be on its way
        assert upstream.meter.connections == 1
        assert upstream.meter.calls == 5

    play(story)


def test_no_upstream_is_an_error_of_ours() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        await upstream.stop()
        with pytest.raises(ApiError) as caught:
            await sent(provider, chat_call())
        assert caught.value.status == 502
        assert "could not be reached" in caught.value.message

    play(story)
