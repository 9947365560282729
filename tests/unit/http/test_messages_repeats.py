"""Messages with an Idempotency-Key: answered once as every call is, and told in Anthropic's words."""

from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from tests.unit.http.door_stand import BOUNDS, Stand, chat
from tests.unit.http.test_messages import KEY as ANTHROPICS
from tests.unit.http.test_messages import message
from tests.unit.http.test_repeats import KEY, Once, once
from waystation.errors import ServiceUnavailable
from waystation.gateway.call import Call
from waystation.terms import Event, Piece


@pytest.mark.parametrize("stream", [False, True])
def test_a_repeat_gets_the_first_answer_to_the_byte(tmp_path: Path, stream: bool) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        first = await at.ask(message(stream=stream, extra=ANTHROPICS + KEY))
        again = await at.ask(message(stream=stream, extra=ANTHROPICS + KEY, target="/anthropic/v1/messages"))
        assert (first[0], first[2]) == (again[0], again[2])
        assert first[1]["request-id"] == again[1]["request-id"] == again[1]["x-request-id"]
        assert (again[1]["idempotent-replayed"], way.dispatched) == ("true", 1)

    once(tmp_path, scenario)


def test_an_openai_call_with_the_same_key_never_gets_its_answer(tmp_path: Path) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        same_caller = "Authorization: Bearer sk-abc\r\n"
        assert (await at.ask(message(extra=same_caller + KEY)))[0] == 200
        assert (await at.ask(chat(extra=same_caller + KEY)))[0] == 409
        assert way.dispatched == 1

    once(tmp_path, scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_told_in_anthropics_words(tmp_path: Path, stream: bool) -> None:
    async def busy(call: Call) -> AsyncGenerator[Event]:
        if call.request.model == "m":
            raise ServiceUnavailable("Busy.")
        yield Piece(b"")

    async def scenario(at: Stand, way: Once) -> None:
        status, headers, body = await at.ask(message(stream=stream, extra=ANTHROPICS + KEY))
        told = msgspec.json.decode(body)
        assert (status, told["error"]["type"]) == (529, "overloaded_error")
        assert told["request_id"] == headers["request-id"]

    once(tmp_path, scenario, Once(busy))


def test_an_error_after_a_comment_is_an_event_of_that_name(tmp_path: Path) -> None:
    async def late(call: Call) -> AsyncGenerator[Event]:
        await way.go_on.wait()
        if call.request.model == "m":
            raise ServiceUnavailable("Busy.")
        yield Piece(b"")

    way = Once(late)

    async def scenario(at: Stand, way: Once) -> None:
        way.go_on.clear()
        line = await at.connect()
        line.send(message(stream=True, extra=ANTHROPICS + KEY))
        await line.reader.readuntil(b": still working\n\n")
        way.go_on.set()
        assert b'event: error\ndata: {"type":"error"' in await line.reader.readuntil(b"}\n\n")
        await line.close()

    once(tmp_path, scenario, way, msgspec.structs.replace(BOUNDS, silence_s=0.02))
