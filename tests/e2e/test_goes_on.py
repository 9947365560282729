"""A stream that is cut anywhere goes on somewhere else, and its reader can't tell: from outside, through a real server.

Every word of the upstream is a chunk, so every place where a stream can be cut is tried. What can't be gone on with (a tool
call, probabilities, several choices, an answer by a schema) ends with a clear error.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import served_stand as stand
from tests.e2e.money_client import Answer, call
from tests.e2e.running import Running, serving
from tests.e2e.served_stand import Faulty, faulty
from waystation.testing.faults_words import INPUT_TOKENS, TEXT, WORDS

pytestmark = pytest.mark.slow

CHAT, COMPLETIONS, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/messages"
CUTS = range(len(WORDS) + 1)  # 0: before the first word; all: only the end is missing
TOLERANCE = 8  # tokens that our count of these words may be off from the upstream's


@dataclass(frozen=True)
class Form:
    """An API and how it is asked."""

    path: str
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def wants_usage(self) -> bool:
        return bool(self.more) or self.path == MESSAGES

    def body(self, model: str) -> bytes:
        asked: dict[str, Any] = {"model": model, "stream": True, "max_tokens": 50} | dict(self.more)
        if self.path == COMPLETIONS:
            return json.dumps(asked | {"prompt": "Tell me a story. "}).encode()
        return json.dumps(asked | {"messages": [{"role": "user", "content": "Tell me a story."}]}).encode()


USAGE = (("stream_options", {"include_usage": True}),)
FORMS = {
    "chat": Form(CHAT),
    "chat-usage": Form(CHAT, USAGE),
    "completions": Form(COMPLETIONS),
    "completions-usage": Form(COMPLETIONS, USAGE),
    "messages": Form(MESSAGES),
}
KINDS = ("drop_mid", "reset_mid", "error_mid", "malformed")


def name_of(kind: str, cut: int) -> str:
    return f"{kind}-{cut}".replace("_", "-")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Faulty]]:
    """A model for each cut, first served by an upstream that makes it, then by one that is well. `x-…`: of Anthropic's kind."""
    folder = tmp_path_factory.mktemp("goes-on")
    with faulty(folder) as first, faulty(folder) as second:
        tables = [
            stand.provider("first", first.url),
            stand.provider("second", second.url),
            stand.provider("claude", first.url, kind="anthropic", base_url=first.url),
            stand.model("uncut", "first"),
        ]
        for kind in KINDS:
            for cut in CUTS:
                name = name_of(kind, cut)
                tables.append(stand.model(name, "first", f"fault-{kind}:{cut}"))
                tables.append(stand.deployment(f"b-{name}", name, "second", prefill=True, tier=1))
        for cut in CUTS:
            name = name_of("claude", cut)
            tables.append(stand.model(name, "claude", f"fault-drop_mid:{cut}"))
            tables.append(stand.deployment(f"b-{name}", name, "second", prefill=True, tier=1))
        with serving(folder / "data", stand.written(folder, *tables)) as running:
            yield running, second


@pytest.fixture
def server(both: tuple[Running, Faulty]) -> Running:
    return both[0]


@pytest.fixture
def second(both: tuple[Running, Faulty]) -> Faulty:
    """The upstream that is well."""
    return both[1]


async def ask(server: Running, form: Form, model: str) -> Answer:
    return await call(server.url, server.key, model, body=form.body(model), path=form.path)


def ask_all(server: Running, form: Form, models: list[str]) -> list[Answer]:
    """One after the other: what one call finds out must not hinder the next."""

    async def run() -> list[Answer]:
        return [await ask(server, form, model) for model in models]

    return asyncio.run(run())


CASES = [(kind, name) for name in FORMS for kind in KINDS] + [("claude", name) for name in FORMS if "compl" not in name]


@pytest.mark.parametrize(("kind", "form"), CASES, ids=[f"{kind}-{form}" for kind, form in CASES])
def test_a_stream_cut_at_any_word_is_the_uncut_one_for_its_reader(
    server: Running, second: Faulty, kind: str, form: str
) -> None:
    how = FORMS[form]
    (uncut,) = ask_all(server, how, ["uncut"])
    assert stand.text_of(uncut) == TEXT
    before = second.calls()
    answers = ask_all(server, how, [name_of(kind, cut) for cut in CUTS])
    assert second.calls() - before == len(CUTS), "each has been gone on with"
    stand.until(lambda: stand.all_is_posted(server), stand.BOOKS_S, "every call's end")
    rows = stand.rows(server)
    for cut, answer in enumerate(answers):
        where = (cut, answer.body.decode())
        assert (answer.status, stand.error_of(answer), answer.ended) == (200, None, True), where
        assert stand.text_of(answer) == TEXT, where
        has_one_envelope(answer, how, uncut)
        row = rows[answer.request_id]
        assert row.status == "ok", where
        assert row.output_tokens == pytest.approx(len(WORDS), abs=TOLERANCE), (where, row)
        assert row.input_tokens == pytest.approx(INPUT_TOKENS, abs=TOLERANCE), (where, row)
        assert row.cost_nano == row.input_tokens * stand.INPUT_NANO + row.output_tokens * stand.OUTPUT_NANO
        if how.wants_usage:
            assert told_usage(answer) == (row.input_tokens, row.output_tokens), where


def has_one_envelope(answer: Answer, form: Form, uncut: Answer) -> None:
    """One beginning, one end, one name: as many of each as the uncut stream has."""
    told = stand.datas(answer)
    if form.path == MESSAGES:
        for kind in ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"):
            assert [data["type"] for data in told].count(kind) == 1, (kind, answer.body)
        assert told[-1]["type"] == "message_stop"
        return
    assert len(stand.ids_of(answer)) == 1, answer.body
    assert len({data["created"] for data in told}) == len({data["model"] for data in told}) == 1, answer.body
    reasons = [choice["finish_reason"] for data in told for choice in data["choices"] if choice["finish_reason"]]
    assert reasons == ["stop"], answer.body
    assert answer.body.count(b"data: [DONE]") == 1
    assert answer.body.count(b'"role"') == (1 if form.path == CHAT else 0), answer.body
    assert sum("usage" in data and data["usage"] is not None for data in told) == int(form.wants_usage), answer.body
    assert {data["object"] for data in told} == {data["object"] for data in stand.datas(uncut)}


def told_usage(answer: Answer) -> tuple[int, int]:
    """(input, output) as the stream's last word on it says."""
    told: dict[str, int] = {}
    for data in stand.datas(answer):
        told |= data.get("message", {}).get("usage") or {}
        told |= data.get("usage") or {}
    if "prompt_tokens" in told:
        return told["prompt_tokens"], told["completion_tokens"]
    return told["input_tokens"], told["output_tokens"]


RESPONSES = "/v1/responses"


@pytest.mark.parametrize("kind", ["drop_mid", "malformed"])
def test_a_response_cut_at_any_word_has_its_ids_and_numbers_to_the_end(
    server: Running, second: Faulty, kind: str
) -> None:
    async def run() -> list[Answer]:
        told = []
        for cut in CUTS:
            asked = {"model": name_of(kind, cut), "stream": True, "store": False, "input": "Tell me a story."}
            told.append(
                await call(server.url, server.key, asked["model"], body=json.dumps(asked).encode(), path=RESPONSES)
            )
        return told

    before = second.calls()
    answers = asyncio.run(run())
    assert second.calls() - before == len(CUTS), "each has been gone on with"
    for cut, answer in enumerate(answers):
        events = [json.loads(line[6:]) for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
        assert [event["sequence_number"] for event in events] == list(range(len(events))), cut
        assert "".join(event["delta"] for event in events if "delta" in event) == TEXT, cut
        assert len({event["item_id"] for event in events if "item_id" in event}) == 1, cut
        assert len({event["response"]["id"] for event in events if "response" in event}) == 1, cut
        assert events[-1]["type"] == "response.completed", cut
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == TEXT, cut


SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
CANNOT: dict[str, dict[str, Any]] = {
    "two choices": {"n": 2},
    "probabilities": {"logprobs": True},
    "a schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "strict": True, "schema": SCHEMA},
        }
    },
}


@pytest.mark.parametrize("why", CANNOT)
def test_what_is_more_than_text_ends_with_a_clear_error(server: Running, why: str) -> None:
    form = Form(CHAT, tuple(CANNOT[why].items()))
    (answer,) = ask_all(server, form, [name_of("drop_mid", 5)])
    assert answer.ended
    ends_with_an_error(server, answer, said="".join(WORDS[:5]))


def ends_with_an_error(server: Running, answer: Answer, said: str) -> None:
    error = stand.error_of(answer)
    assert error is not None, answer.body
    assert error["code"] == "upstream_error"
    assert not answer.done
    assert stand.text_of(answer) == said
    stand.until(lambda: stand.all_is_posted(server), stand.BOOKS_S, "the call's end")
    row = stand.rows(server)[answer.request_id]
    assert (row.status, row.estimated) == ("error", 1)


def test_a_tool_call_that_has_begun_is_not_made_by_another(tmp_path: Path) -> None:
    with faulty(tmp_path) as first, faulty(tmp_path) as second:
        tables = [stand.provider("first", first.url), stand.provider("second", second.url)]
        tables += [stand.model("m", "first", "fault-tool_mid:3")]
        tables += [stand.deployment("b", "m", "second", prefill=True, tier=1)]
        with serving(tmp_path / "data", stand.written(tmp_path, *tables)) as server:
            tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
            (answer,) = ask_all(server, Form(CHAT, (("tools", [tool]),)), ["m"])
            assert b'"tool_calls"' in answer.body
            ends_with_an_error(server, answer, said="".join(WORDS[:3]))
            assert second.calls() == 0


def test_the_books_are_right(server: Running) -> None:
    stand.books_are_right(server)
    assert stand.figures(server)["open_streams"] == 0
