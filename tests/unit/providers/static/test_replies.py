"""When nobody answers, a caller is told so in their own language and dialect, where words are an answer at all."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from waystation.dialects.ask import Ask, Format, Image, Text, ToolChoice, ToolResult, Turn
from waystation.dialects.saying import Saying
from waystation.dialects.table import Envelope, Spoken
from waystation.errors import Unsupported
from waystation.gateway.call import Call
from waystation.providers.static.replies import CHOICES_MAX, Replies
from waystation.providers.static.words import DEFAULT, language_of, words_of
from waystation.terms import (
    Abilities,
    Deployment,
    Dialect,
    Done,
    Event,
    Model,
    Operation,
    Piece,
    Price,
    Route,
    Static,
    Usage,
)

WORDS = Static(en="{model} sleeps, {request_id} {why}", zh="{model} 睡着了，{request_id}")
MODEL = Model(
    "small",
    Deployment("x/small", "x", "small"),
    Abilities(frozenset(Operation), 4_096, 1_000),
    Price("USD", 1, 1),
    route=Route(static=WORDS),
)


class Request(msgspec.Struct):
    model: str = "nick"


class Plain:
    """A dialect that says everything as JSON."""

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope

    def _told(self, sayings: Iterable[Saying]) -> bytes:
        told = [{"is": type(saying).__name__, **msgspec.to_builtins(saying)} for saying in sayings]
        return json.dumps([self.envelope, told], ensure_ascii=False).encode()

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        return self._told(sayings)

    def done(self, usage: Usage | None) -> Done:
        return Done(b"end", usage)

    def cut(self) -> Done:
        raise AssertionError("nothing of this is paid")

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        return Done(self._told(sayings), usage)


def user(text: str) -> Turn:
    return Turn("user", (Text(text),))


HELLO = Ask(stream=False, turns=(user("hello"),))


def events(ask: Ask, model: Model = MODEL, language: bytes | None = None) -> list[Event] | None:
    """What is said to someone who asks this; None: nothing."""
    spoken = Spoken(
        lambda body, request, most: ask,
        lambda envelope, request: Plain(envelope),
        lambda event: Envelope("", "", 0),
        lambda name, created: Envelope("new", name, created),
    )
    headers = {} if language is None else {b"accept-language": language}
    call = Call(Operation.CHAT, "req_7", b"{}", Request(), None, headers, "127.0.0.1", 0)
    reply = Replies(lambda: 99, {(Dialect.OPENAI, Operation.CHAT): spoken}).reply(call, model)

    async def drained() -> list[Event]:
        return [] if reply is None else [event async for event in reply]

    return None if reply is None else asyncio.run(drained())


def text_of(ask: Ask, **other: Any) -> str:
    found = events(ask, **other)
    assert found is not None
    _, told = json.loads(found[0].data)
    return "".join(saying.get("text", "") for saying in told)


def test_a_whole_reply_is_an_answer_of_no_usage() -> None:
    assert events(HELLO) == [
        Done(
            json.dumps(
                [
                    ["new", "nick", 99],
                    [
                        {"is": "Begun", "id": "", "model": ""},
                        {"is": "TextDelta", "text": "nick sleeps, req_7 {why}", "choice": 0},
                        {"is": "Ended", "reason": "stop", "stop_sequence": None, "choice": 0},
                    ],
                ]
            ).encode(),
            Usage(),
        )
    ]


def test_a_stream_is_answered_by_a_stream() -> None:
    found = events(msgspec.structs.replace(HELLO, stream=True))
    assert found is not None
    piece, end = found
    assert isinstance(piece, Piece)
    assert piece.text == ""  # what costs nothing is not metered
    assert b"nick sleeps" in piece.data
    assert end == Done(b"end", Usage())


@pytest.mark.parametrize(("choices", "said"), [(1, 1), (3, 3), (0, 1), (100_000, CHOICES_MAX)])
def test_every_choice_says_the_same(choices: int, said: int) -> None:
    found = events(msgspec.structs.replace(HELLO, choices=choices))
    assert found is not None
    _, told = json.loads(found[0].data)
    assert [each["choice"] for each in told if each["is"] == "Ended"] == list(range(said))
    assert len({each["text"] for each in told if each["is"] == "TextDelta"}) == 1


@pytest.mark.parametrize(
    ("header", "said", "language"),
    [
        (None, "hello", "en"),
        (None, "你好", "zh"),
        (None, "hello 世界", "zh"),
        (None, "", "en"),
        (None, "𠀀", "zh"),
        (None, "héllo", "en"),
        (b"*", "你好", "zh"),
        (b"fr-FR,fr;q=0.9", "你好", "zh"),
        (b"en-US", "你好", "en"),
        (b"zh-CN,zh;q=0.9,en;q=0.8", "hello", "zh"),
        (b"en;q=0.1, ZH;q=0.2", "hello", "zh"),
        (b"fr, en;q=0.5, zh;q=0.5", "你好", "en"),  # the first of equals
        (b"zh;q=0", "hello", "en"),
        (b"zh;q=nan, en;q=inf", "你好", "zh"),
        (b"zh;q=-1,;;,=,q", "hello", "en"),
        (b"xx," * 100_000 + b"zh", "hello", "en"),
        (b"\xff\xfe", "hello", "en"),
    ],
)
def test_the_language_is_the_one_that_is_preferred_else_the_one_that_was_spoken(
    header: bytes | None, said: str, language: str
) -> None:
    assert language_of(header, said) == language


@pytest.mark.parametrize(
    ("ask", "language"),
    [
        (Ask(stream=False, turns=(user("hello"), Turn("assistant", (Text("hi"),)), user("再说一遍"))), "zh"),
        (Ask(stream=False, turns=(user("你好"), Turn("assistant", (Text("你好"),)), user("again"))), "en"),
        (Ask(stream=False, turns=(Turn("system", (Text("你是助手"),)), user("hello"))), "en"),
        (Ask(stream=False, turns=(user("你好"), Turn("user", (ToolResult("call_1", "ok"),)))), "zh"),
        (Ask(stream=False, turns=(user("你好"), Turn("user", (Image(url="https://a/b"),)))), "zh"),
        (Ask(stream=False, prompt="从前"), "zh"),
        (Ask(stream=False), "en"),
    ],
)
def test_what_the_user_said_last_tells_the_language(ask: Ask, language: str) -> None:
    assert ("睡着了" in text_of(ask)) == (language == "zh")
    assert "sleeps" in text_of(ask, language=b"en")


def test_an_empty_text_is_the_shipped_one() -> None:
    half = msgspec.structs.replace(MODEL, route=Route(static=Static(en="", zh="我的")))
    assert text_of(HELLO, model=half).startswith("Sorry, nick can't answer")
    assert text_of(HELLO, model=half, language=b"zh") == "我的"
    for template in (DEFAULT.en, DEFAULT.zh):
        assert template.count("{model}") == template.count("{request_id}") == 1


@pytest.mark.parametrize("name", ["{request_id}", "{model}", "{0.__class__}", "%s", ""])
def test_a_name_is_only_a_name(name: str) -> None:
    assert words_of(WORDS, "zh", name, "req_7") == f"{name} 睡着了，req_7"


@pytest.mark.parametrize(
    "ask",
    [
        msgspec.structs.replace(HELLO, format=Format()),
        msgspec.structs.replace(HELLO, tool_choice=ToolChoice("required")),
        msgspec.structs.replace(HELLO, tool_choice=ToolChoice("named", "look")),
    ],
    ids=["JSON", "a tool", "this tool"],
)
def test_who_can_not_read_words_is_told_the_error(ask: Ask) -> None:
    assert events(ask) is None


def test_without_words_of_the_route_nothing_is_said() -> None:
    assert events(HELLO, model=msgspec.structs.replace(MODEL, route=None)) is None
    assert events(HELLO, model=msgspec.structs.replace(MODEL, route=Route())) is None
    assert events(msgspec.structs.replace(HELLO, tool_choice=ToolChoice("auto"))) is not None


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.CHAT])
def test_what_is_no_text_or_can_not_be_told_has_no_reply(operation: Operation) -> None:
    def refuses(body: bytes, request: Any, most: int | None) -> Ask:
        raise Unsupported("audio can't be told")

    def envelope(name: str, created: int) -> Envelope:
        return Envelope("", name, created)

    spoken = Spoken(refuses, lambda it, request: Plain(it), lambda event: envelope("", 0), envelope)
    call = Call(operation, "req_7", b"{}", Request(), None, {}, "127.0.0.1", 0)
    assert Replies(lambda: 99, {(Dialect.OPENAI, Operation.CHAT): spoken}).reply(call, MODEL) is None
