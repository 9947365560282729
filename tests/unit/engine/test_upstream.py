"""What a child's answers and faults mean to a caller."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from waystation.engine.upstream import Token, Upstream
from waystation.errors import ApiError, ContextLengthExceeded, InvalidRequest, ServiceUnavailable, UpstreamTimeout
from waystation.terms import Blame
from waystation.wire.http import ConnectFailed, Disconnected, HttpFault, Origin, TimedOut, Timeouts


class Answer:
    def __init__(self, status: int, pieces: Sequence[bytes | HttpFault]) -> None:
        self.status = status
        self.headers: dict[bytes, bytes] = {}
        self._pieces = list(pieces)
        self.closed = False

    async def next(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, HttpFault):
            raise piece
        return piece

    async def read(self, size_bytes_max: int) -> bytes:
        return b"".join([piece for piece in self._pieces if isinstance(piece, bytes)])

    def close(self) -> None:
        self.closed = True


class Client:
    """Answers in turn with what it was given."""

    def __init__(self, *answers: Answer | HttpFault) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def request(
        self, origin: Origin, method: str, target: str, headers: Any, body: bytes, timeouts: Timeouts
    ) -> Any:
        self.asked.append(msgspec.json.decode(body))
        answer = self.answers.pop(0)
        if isinstance(answer, HttpFault):
            raise answer
        return answer

    async def close(self) -> None: ...


def upstream(*answers: Answer | HttpFault) -> Upstream:
    return Upstream(Client(*answers), Origin("unix", "/s", 0), "m")


def event(**fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def tokens(up: Upstream) -> list[Token]:
    async def told() -> list[Token]:
        return [token async for token in up.tokens({"prompt": "x"})]

    return asyncio.run(told())


STREAM = (
    b": ping\n\n"
    + event(content="Hé", tokens_evaluated=3)
    + event(content="", stop=True, **{"timings/cache_n": 2, "stop_type": "eos"})
    + b"\n\n"
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_however_they_are_cut(size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    answer = Answer(200, pieces)
    first, last = tokens(upstream(answer))
    assert (first.content, last.stop, last.cached, last.stop_type) == ("Hé", True, 2, "eos")
    assert answer.closed


def test_a_dropped_idle_connection_is_tried_once_more() -> None:
    dropped = Disconnected("gone", before_head=True)
    assert len(tokens(upstream(dropped, Answer(200, [STREAM])))) == 2
    with pytest.raises(ServiceUnavailable):
        tokens(upstream(dropped, Disconnected("gone", before_head=True)))


@pytest.mark.parametrize(
    "fault", [ConnectFailed("no such file"), Disconnected("killed", before_head=False)], ids=["dead", "killed"]
)
def test_a_dead_child_is_503_with_a_time(fault: HttpFault) -> None:
    with pytest.raises(ServiceUnavailable) as failed:
        tokens(upstream(fault))
    assert failed.value.retry_after_ms


@pytest.mark.parametrize("rest", [[], [Disconnected("killed", before_head=False)]])
def test_a_stream_without_an_end_is_an_error(rest: list[HttpFault]) -> None:
    with pytest.raises(ServiceUnavailable):
        tokens(upstream(Answer(200, [event(content="Hi"), *rest])))


def refused(status: int, **error: Any) -> ApiError:
    with pytest.raises(ApiError) as failed:
        tokens(upstream(Answer(status, [msgspec.json.encode({"error": {"code": status, **error}})])))
    return failed.value


def test_a_prompt_that_is_too_long_is_told_in_openais_words() -> None:
    error = refused(400, type="exceed_context_size_error", message="x", n_ctx=32768, n_prompt_tokens=60030)
    assert isinstance(error, ContextLengthExceeded)
    assert error.message == (
        "This model's maximum context length is 32768 tokens. However, your messages resulted in 60030 tokens. "
        "Please reduce the length of the messages."
    )
    assert (error.param, error.code) == ("messages", "context_length_exceeded")


def test_the_childs_own_words_stay_in_the_log() -> None:
    error = refused(400, type="invalid_request_error", message="internals")
    assert isinstance(error, InvalidRequest)
    assert "internals" not in error.message
    assert error.detail == "internals"


@pytest.mark.parametrize("message", ["Loading model", "Context size has been exceeded."])
def test_what_passes_by_itself_is_503(message: str) -> None:
    assert refused(503, type="unavailable_error", message=message).retry_after_ms


def test_an_error_in_the_stream_is_an_error() -> None:
    with pytest.raises(ServiceUnavailable):
        tokens(upstream(Answer(200, [event(content="a"), event(error={"code": 500, "message": "x"})])))


def test_silence_is_a_time_out() -> None:
    with pytest.raises(UpstreamTimeout):
        tokens(upstream(TimedOut("first_byte", 900)))


def blames(*answers: Answer | HttpFault) -> Blame | None:
    with pytest.raises(ApiError) as failed:
        asyncio.run(upstream(*answers).json("/tokenize", {}))
    return failed.value.blame


def error(code: int, message: str, **more: Any) -> Answer:
    return Answer(code, [msgspec.json.encode({"error": {"code": code, "message": message, **more}})])


def test_each_fault_has_its_blame() -> None:
    assert blames(ConnectFailed("no")) is Blame.DEPLOYMENT
    assert blames(TimedOut("idle", 1)) is Blame.DEPLOYMENT
    assert blames(error(503, "Loading model")) is Blame.DEPLOYMENT
    assert blames(error(500, "Context size has been exceeded.")) is Blame.BUSY  # the cache that all answers share
