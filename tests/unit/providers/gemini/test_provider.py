"""Gemini over a real socket: what goes out, what comes back, whose fault a refusal is."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from tests.unit.dialects.asks import PNG, hello, text_in
from tests.unit.dialects.gemini.documented import (
    NO_MODEL,
    STREAM,
    TOO_LONG,
    TOO_OFTEN,
    WHOLE,
    WRONG_COUNTRY,
    WRONG_KEY,
    chunk,
    error,
    sse,
)
from tests.unit.providers.stand_foreign import KEY, NOW_S, answer, body_of, call, credential, head_of, target, told
from tests.unit.runtime.http_stand import Line, serving
from waystation.dialects.ask import Ask, Document, Image, Text, ToolResult, Turn
from waystation.dialects.saying import Saying, Used
from waystation.errors import ApiError, InvalidRequest, RateLimitExceeded, Unsupported, UpstreamFailed, UpstreamTimeout
from waystation.providers.gemini.provider import Gemini, path_of
from waystation.providers.model import ProviderConfig
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame, Dialect

MODEL = "gemini-3.5-flash"


def make(config: ProviderConfig, http: Any, **more: Any) -> Gemini:
    return Gemini(config, http, now_s=lambda: NOW_S, **more)


def asked(reply: bytes, ask: Ask | None = None, model: str = MODEL, **more: Any) -> tuple[list[Saying], bytes]:
    return told(make, ask or hello(), model, [reply], **more)


def test_a_whole_answer_is_asked_for_with_our_key() -> None:
    sayings, request = asked(answer(WHOLE), headers={"X-Team": "blue"})
    path, headers = head_of(request)
    assert path == "/base/models/gemini-3.5-flash:generateContent"
    assert headers["x-goog-api-key"] == KEY
    assert headers["x-team"] == "blue"
    assert body_of(request)["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert text_in(sayings) == "Hello there."


def test_a_stream_is_asked_for_as_events() -> None:
    sayings, request = asked(answer(sse(*STREAM), 200, "text/event-stream"), hello(stream=True))
    assert head_of(request)[0] == "/base/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
    assert text_in(sayings) == "Hello thére."
    assert isinstance(sayings[-1], Used)


def test_a_connection_that_breaks_after_the_end_has_lost_nothing() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    data = sse(*STREAM)
    sayings, _ = asked(head + b"%x\r\n%b\r\n" % (len(data), data), hello(stream=True))
    assert isinstance(sayings[-1], Used)
    data = sse(*STREAM[:-1])
    with pytest.raises(UpstreamFailed):
        asked(head + b"%x\r\n%b\r\n" % (len(data), data), hello(stream=True))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3.5-flash", "/models/gemini-3.5-flash:x"),
        ("models/gemini-3.5-flash", "/models/gemini-3.5-flash:x"),
        ("tunedModels/my one?", "/tunedModels/my%20one%3F:x"),
    ],
)
def test_a_models_name_is_one_step_of_the_path(model: str, path: str) -> None:
    assert path_of(model, "x") == path


@pytest.mark.parametrize(
    ("status", "body", "kind", "blame"),
    [
        (400, error(400, "INVALID_ARGUMENT", "Bad."), InvalidRequest, Blame.CALLER),
        (400, WRONG_KEY, UpstreamFailed, Blame.CREDENTIAL),
        (400, WRONG_COUNTRY, UpstreamFailed, Blame.CREDENTIAL),
        (403, error(403, "PERMISSION_DENIED", "No."), UpstreamFailed, Blame.CREDENTIAL),
        (404, NO_MODEL, InvalidRequest, Blame.MODEL),
        (429, TOO_OFTEN, RateLimitExceeded, Blame.LIMIT),
        (500, error(500, "INTERNAL", "Oh."), UpstreamFailed, Blame.DEPLOYMENT),
        (503, error(503, "UNAVAILABLE", "Overloaded."), UpstreamFailed, Blame.DEPLOYMENT),
        (504, error(504, "DEADLINE_EXCEEDED", "Late."), UpstreamTimeout, Blame.DEPLOYMENT),
        (200, TOO_OFTEN, RateLimitExceeded, Blame.LIMIT),
        (200, WRONG_KEY, UpstreamFailed, Blame.CREDENTIAL),
    ],
    ids=str,
)
def test_each_refusal_has_its_blame(status: int, body: dict[str, Any], kind: type[ApiError], blame: Blame) -> None:
    with pytest.raises(kind) as caught:
        asked(answer(body, status))
    assert caught.value.blame is blame
    assert KEY not in f"{caught.value.message} {caught.value.detail}"


def test_a_limit_says_when_to_come_again() -> None:
    with pytest.raises(RateLimitExceeded) as caught:
        asked(answer(TOO_OFTEN, 429))
    assert caught.value.retry_after_ms == 34_074


def test_a_prompt_that_is_too_long_has_openais_code() -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(answer(TOO_LONG, 400))
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("reply", [b"<html>", b"{}", b"[]"])
def test_nonsense_blames_the_deployment(reply: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked(answer(reply))
    assert caught.value.blame is Blame.DEPLOYMENT


def test_what_is_ignored_is_named_in_the_callers_words() -> None:
    made = call(Dialect.ANTHROPIC)
    asked(answer(WHOLE), hello(end_user="me", reasoning_tokens_max=100), made_call=made)
    assert made.ignored == ("metadata.user_id",)
    assert made.mapped == ("thinking.budget_tokens>thinkingLevel=low",)


def test_an_answer_that_has_begun_is_left_to_others() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked(answer(WHOLE), hello(said="Once "))
    assert caught.value.blame is Blame.MODEL


def test_files_by_url_are_brought_once_each() -> None:
    fetched: list[str] = []

    async def fetch(url: str) -> tuple[str, bytes]:
        fetched.append(url)
        return "image/png", b"picture"

    picture = Image(url="https://example.com/a.png")
    turns = (Turn("user", (picture, Document(url="gs://b/a.pdf"), ToolResult("1", "look", (picture, Text("!"))))),)
    _, request = told(partial(make, fetch=fetch), hello(turns=turns), MODEL, [answer(WHOLE)])
    assert fetched == ["https://example.com/a.png"]
    inline = {"inlineData": {"mimeType": "image/png", "data": "cGljdHVyZQ=="}}
    parts = body_of(request)["contents"][0]["parts"]
    assert parts[:2] == [inline, {"fileData": {"fileUri": "gs://b/a.pdf"}}]
    assert parts[2]["functionResponse"]["parts"] == [inline]


@pytest.mark.parametrize(("urls", "kind"), [(1, Unsupported), (21, InvalidRequest)])
def test_files_that_can_not_be_brought_are_the_callers_affair(urls: int, kind: type[ApiError]) -> None:
    async def fetch(url: str) -> tuple[str, bytes]:
        return "image/png", url.encode()

    images = tuple(Image(url=f"https://example.com/{number}") for number in range(urls))
    fetcher = None if kind is Unsupported else fetch
    with pytest.raises(kind) as caught:
        told(partial(make, fetch=fetcher), hello(turns=(Turn("user", images),)), MODEL, [answer(WHOLE)])
    assert caught.value.param == "messages"


def test_a_picture_inline_needs_nobody() -> None:
    _, request = asked(answer(WHOLE), hello(turns=(Turn("user", (Image(data=PNG),)),)))
    assert PNG in json.dumps(body_of(request))


def test_leaving_cancels_upstream() -> None:
    async def run() -> None:
        gone = asyncio.Event()

        async def script(line: Line) -> None:
            await line.request()
            data = sse(chunk("a"))
            await line.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(data), data))
            await line.gone()
            gone.set()

        http = HttpClient(tick_s=0.01)
        async with serving(script) as server:
            url = f"http://{server.origin.host}:{server.origin.port}"
            shown = credential()
            gemini = make(ProviderConfig(name="there", base_url=url, credentials=(shown,)), http)
            sayings = gemini.tell(hello(stream=True), target(MODEL, shown), call())
            await anext(sayings)
            await sayings.aclose()
            await asyncio.wait_for(gone.wait(), 5)
            await http.close()

    asyncio.run(run())


def test_a_call_as_it_came_is_not_taken() -> None:
    gemini = make(ProviderConfig(name="there", kind="gemini", credentials=(credential(),)), None)

    async def run() -> None:
        async for _ in gemini.send(call(), target(MODEL, credential())):
            pass

    with pytest.raises(UpstreamFailed):
        asyncio.run(run())
