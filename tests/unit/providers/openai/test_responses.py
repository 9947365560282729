"""The Responses API passed through to an upstream that speaks it, on real sockets."""

import json
from typing import Any

import msgspec
import pytest

from tests.unit.providers.openai.stand import chunks, config_of, model_of, play, response_call, sent, target_of
from waystation.errors import ApiError, PriceMissing, Unsupported
from waystation.providers.openai.paths import responses_path
from waystation.providers.openai.presets import speaks_responses, tools_of
from waystation.providers.openai.provider import RESPONSES, OpenAI
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame, Done, Piece, Price, Usage
from waystation.testing.responses_script import INPUT_TOKENS, RESPONSE_WORDS, SUMMARY
from waystation.testing.upstream import Upstream

TEXT = "".join(RESPONSE_WORDS)
SEARCH = [{"type": "web_search"}]
NATIVE: dict[str, Any] = {"preset": "openai", "allow_private_network": True}


def test_a_whole_answer_passes_under_our_id_and_says_what_the_caller_asked() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = response_call(store=True, metadata={"a": "b"}, previous_response_id="resp_before")
        call.answer_id = "resp_ours"
        pieces, done = await sent(provider, call)
        body = json.loads(done.data)
        assert pieces == []
        assert (body["id"], body["store"], body["previous_response_id"]) == ("resp_ours", True, "resp_before")
        assert body["output"][0]["id"] == "msg_1"  # an item's is the provider's
        assert done.usage == Usage(INPUT_TOKENS, len(RESPONSE_WORDS), 4)

    play(story, **NATIVE)


def test_the_upstream_keeps_nothing_and_hears_no_more_than_can_be_paid() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = response_call(
            store=True, background=True, conversation="conv_1", max_output_tokens=900, temperature=0.5, Store=True
        )
        call.output_tokens_max, call.tool_calls_max = 100, 16
        await sent(provider, call, "theirs")
        request = upstream.requests[-1]
        assert request.target == "/v1/responses"
        assert json.loads(request.body) == {
            "input": "hi",
            "model": "theirs",
            "store": False,
            "max_output_tokens": 100,
            "max_tool_calls": 16,
            "temperature": 0.5,
        }

    play(story, **NATIVE)


@pytest.mark.parametrize(
    ("model", "kept", "asked"), [("gpt-5.6", True, True), ("gpt-4.1", True, False), ("o3", False, False)]
)
def test_encrypted_reasoning_is_asked_for_where_it_will_be_needed(model: str, kept: bool, asked: bool) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = response_call()
        call.answer_id = "resp_ours" if kept else ""
        await sent(provider, call, model)
        assert ("include" in json.loads(upstream.requests[-1].body)) is asked

    play(story, **NATIVE)


def test_reasoning_that_is_only_named_is_left_out() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        items: list[dict[str, Any]] = [
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "user", "content": "hi"},
        ]
        await sent(provider, response_call(input=[*items, {**items[0], "id": "rs_2", "encrypted_content": "x"}]))
        forwarded = json.loads(upstream.requests[-1].body)["input"]
        assert [item.get("encrypted_content") for item in forwarded] == [None, "x"]
        assert forwarded[0]["role"] == "user"

    play(story, **NATIVE)


@pytest.mark.parametrize(
    ("story_name", "text"), [("plain", TEXT), ("incomplete", TEXT), ("reasoning", SUMMARY + TEXT), ("no-usage", TEXT)]
)
def test_a_stream_passes_and_is_metered(story_name: str, text: str) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = response_call(story_name, stream=True)
        call.answer_id = "resp_ours"
        pieces, done = await sent(provider, call)
        assert "".join(piece.text for piece in pieces) == text
        end = done if done.tail is None else Piece(done.tail(Usage(1, 2)))
        events = chunks(*pieces, end)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert {event["response"]["id"] for event in events if "response" in event} == {"resp_ours"}
        assert events[-1]["type"] == ("response.incomplete" if story_name == "incomplete" else "response.completed")
        assert events[-1]["response"]["usage"]["output_tokens"] > 0

    play(story, **NATIVE)


@pytest.mark.parametrize(
    ("story_name", "stream", "blame"),
    [
        ("failed", True, Blame.DEPLOYMENT),
        ("failed", False, Blame.DEPLOYMENT),
        ("rate-limited", False, Blame.LIMIT),
        ("error-late", True, Blame.DEPLOYMENT),
        ("broken", True, Blame.DEPLOYMENT),
        ("fault-400", False, Blame.CALLER),
        ("fault-401", True, Blame.CREDENTIAL),
        ("html", False, Blame.DEPLOYMENT),
    ],
)
def test_what_goes_wrong_has_the_right_blame(story_name: str, stream: bool, blame: Blame) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, response_call(story_name, stream=stream))
        assert caught.value.blame is blame

    play(story, **NATIVE)


def test_a_stream_whose_money_ends_is_an_incomplete_response() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        upstream.pace_s = 0.02
        call, events = response_call(stream=True), []
        async for event in provider.send(call, target_of(model_of("plain"))):
            events.append(event)
            call.cut = (isinstance(event, Piece) and "Once" in event.text) or call.cut
        done = events[-1]
        assert isinstance(done, Done)
        assert done.tail is not None
        told = chunks(*events, Piece(done.tail(Usage(3, 1))))
        assert [event["sequence_number"] for event in told] == list(range(len(told)))
        last = told[-1]["response"]
        assert told[-1]["type"] == "response.incomplete"
        assert (last["status"], last["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert last["output"][0]["content"][0]["text"] == "Once "
        assert last["usage"]["total_tokens"] == 4
        assert [event["type"] for event in told[-4:-1]] == [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
        ]

    play(story, **NATIVE)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("story_name", "tools", "counted"),
    [
        ("web-search", SEARCH, {"web_search": 2}),  # a page that is opened costs nothing
        ("web-search", [{"type": "web_search_preview_2025_03_11"}], {"web_search_preview": 2}),
        ("code", [{"type": "code_interpreter", "container": {"type": "auto"}}], {"code_interpreter": 1}),  # one session
        ("plain", SEARCH, None),
    ],
)
def test_calls_of_the_providers_tools_are_counted(
    story_name: str, tools: list[Any], counted: dict[str, int] | None, stream: bool
) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = response_call(story_name, tools=tools, stream=stream)
        _, done = await sent(provider, call)
        assert done.usage is not None
        assert done.usage.tool_calls == counted == call.tool_calls

    play(story, **NATIVE)


def test_a_tool_that_the_provider_does_not_have_is_refused_by_name_and_nothing_is_sent() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(Unsupported, match="web_search") as caught:
            await sent(provider, response_call(tools=SEARCH))
        assert (caught.value.param, caught.value.blame) == ("tools", Blame.UNABLE)
        assert not upstream.requests

    play(story, responses=True)


@pytest.mark.parametrize("kind", ["file_search", "image_generation", "mcp"])
def test_a_tool_that_nobody_has_priced_is_refused_by_name(kind: str) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        model = msgspec.structs.replace(model_of("plain"), price=Price("USD", 1, 1, tools={"web_search": 1}))
        with pytest.raises(PriceMissing, match=kind) as refused:
            await anext(provider.send(response_call(tools=[*SEARCH, {"type": kind}]), target_of(model)))
        assert (refused.value.status, refused.value.code, refused.value.param) == (403, "price_missing", "tools")
        assert not upstream.requests

    play(story, **NATIVE)


@pytest.mark.parametrize(
    "more",
    [
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
    ],
    ids=["input", "container"],
)
def test_a_file_of_this_server_is_no_file_there(more: dict[str, Any]) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await sent(provider, response_call(**more))
        assert (caught.value.status, caught.value.code) == (400, "unsupported_file")
        assert not upstream.requests

    play(story, **NATIVE)


@pytest.mark.parametrize(
    ("given", "speaks"),
    [
        ({"preset": "openai"}, True),
        ({"preset": "openai", "responses": False}, False),
        ({"preset": "vllm"}, False),
        ({"preset": "vllm", "responses": True}, True),
        ({"kind": "azure", "base_url": "https://x.openai.azure.com/openai/v1"}, True),
        ({"kind": "azure", "base_url": "https://x.openai.azure.com"}, False),
        ({"kind": "azure", "base_url": "https://x.openai.azure.com", "api_version": "2025-04-01-preview"}, True),
    ],
)
def test_who_speaks_it(given: dict[str, Any], speaks: bool) -> None:
    made = config_of(given.get("base_url", ""), **{name: value for name, value in given.items() if name != "base_url"})
    assert speaks_responses(made) is speaks
    assert (RESPONSES in OpenAI(made, HttpClient()).native) is speaks


@pytest.mark.parametrize(
    ("given", "base", "path"),
    [
        ({}, "/v1", "/v1/responses"),
        ({"kind": "azure"}, "/openai/v1", "/openai/v1/responses"),
        (
            {"kind": "azure", "api_version": "2025-04-01-preview"},
            "/openai",
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ],
)
def test_where_it_is(given: dict[str, Any], base: str, path: str) -> None:
    assert responses_path(config_of("https://x", **given), base) == path


def test_the_tools_are_the_presets_unless_they_are_said() -> None:
    assert "web_search" in tools_of(config_of("", preset="openai"))
    assert tools_of(config_of("", preset="openai", hosted_tools=("mcp",))) == {"mcp"}
    assert not tools_of(config_of("http://x"))
