"""Speak to a model's child: requests as JSON, answers as JSON or as events, its faults as errors for callers.

What a request says is decided elsewhere; no text of the child's goes out raw.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from waystation.errors import ApiError, ContextLengthExceeded, InvalidRequest, ServiceUnavailable, UpstreamTimeout
from waystation.terms import Blame
from waystation.wire.http import (
    ConnectFailed,
    Disconnected,
    Http,
    HttpFault,
    Origin,
    Response,
    TimedOut,
    Timeouts,
    encode_headers,
)

# A long prompt is read in silence, behind those of others: minutes on a small machine are honest work.
TIMEOUTS = Timeouts(connect_s=2.0, first_byte_s=900.0, idle_s=300.0, total_s=7200.0)
ANSWER_BYTES_MAX = 64 << 20
EVENT_BYTES_MAX = 4 << 20
RETRY_AFTER_MS = 2000  # a child that has died is back after this long

_HEADERS = encode_headers((("Content-Type", "application/json"),))
# Of the last event, so that it does not repeat the prompt.
RESPONSE_FIELDS = (
    "content",
    "stop",
    "stop_type",
    "stopping_word",
    "tokens_predicted",
    "tokens_evaluated",
    "timings/cache_n",
    "completion_probabilities",
)


class Candidate(msgspec.Struct):
    """A token with its probability, as the child tells it."""

    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list["Candidate"] = []


class Token(msgspec.Struct):
    """An event of an answer: some text, and at the end why it ended and what was used."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""  # "eos", "limit", "word"
    stopping_word: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0  # of the prompt, cached ones too
    cached: int = msgspec.field(default=0, name="timings/cache_n")
    completion_probabilities: list[Candidate] = []
    error: dict[str, Any] | None = None


_TOKEN = msgspec.json.Decoder(Token)


class Upstream:
    """One model's child."""

    def __init__(self, http: Http, origin: Origin, name: str) -> None:
        self._http = http
        self._origin = origin
        self._name = name

    async def json(self, target: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a POST. Raises an ApiError."""
        try:
            response = await self._send(target, body)
            try:
                data = await response.read(ANSWER_BYTES_MAX)
            finally:
                response.close()
        except HttpFault as fault:
            raise self._error(fault) from fault
        if response.status != 200:
            raise refusal(response.status, data)
        answer: dict[str, Any] = msgspec.json.decode(data)
        return answer

    async def tokens(self, body: Mapping[str, Any]) -> AsyncGenerator[Token]:
        """The events of a completion, the last of which has `stop`. Closing the generator ends the generation."""
        try:
            response = await self._send("/completion", {**body, "stream": True, "response_fields": RESPONSE_FIELDS})
            try:
                if response.status != 200:
                    raise refusal(response.status, await response.read(ANSWER_BYTES_MAX))
                async for token in _events(response):
                    if token.stop:
                        while await response.next():  # read to the end, so that the connection can be used again
                            pass
                        yield token
                        return
                    yield token
            finally:
                response.close()
        except HttpFault as fault:
            raise self._error(fault) from fault
        raise self._error(Disconnected("the answer has no end", before_head=False))

    async def whole(self, body: Mapping[str, Any]) -> Token:
        """A completion in one piece, with all tokens' probabilities (a stream lacks those that end inside a letter)."""
        answer = await self.json("/completion", {**body, "stream": False, "response_fields": RESPONSE_FIELDS})
        return msgspec.convert(answer, Token)

    async def _send(self, target: str, body: Mapping[str, Any]) -> Response:
        data = msgspec.json.encode(body)
        try:
            return await self._http.request(self._origin, "POST", target, _HEADERS, data, TIMEOUTS)
        except Disconnected as fault:
            if not fault.before_head:
                raise
        # The child drops idle connections: it may have done so while this request was on its way.
        return await self._http.request(self._origin, "POST", target, _HEADERS, data, TIMEOUTS)

    def _error(self, fault: HttpFault) -> ApiError:
        if isinstance(fault, TimedOut):
            return UpstreamTimeout(f"The model `{self._name}` took too long to answer.", detail=str(fault))
        if isinstance(fault, ConnectFailed):
            message = f"The model `{self._name}` is starting. Try again in a moment."
        else:
            message = f"The model `{self._name}` has stopped and is being started again. Try again in a moment."
        return _down(message, f"{type(fault).__name__}: {fault}")


async def _events(response: Response) -> AsyncGenerator[Token]:
    """The `data:` lines of the child's stream, which are its only ones beside comments."""
    rest = b""
    while data := await response.next():
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > EVENT_BYTES_MAX:
            raise _down("The model's answer could not be read.", "an event is too long")
        for line in lines:
            if line.startswith(b"data: {"):
                token = _TOKEN.decode(line[6:])
                if token.error is not None:
                    raise _refused(token.error)
                yield token
            elif line.startswith(b"error: {"):
                raise _refused(msgspec.json.decode(line[7:]))


def refusal(status: int, data: bytes) -> ApiError:
    """What the child's answer other than 200 means."""
    try:
        error = msgspec.json.decode(data)["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        error = {}
    return _refused({"code": status, **(error if isinstance(error, dict) else {})})


def _refused(error: Mapping[str, Any]) -> ApiError:
    message = str(error.get("message", ""))
    if error.get("type") == "exceed_context_size_error" and "n_ctx" in error:
        return ContextLengthExceeded(
            f"This model's maximum context length is {error['n_ctx']} tokens. However, your messages resulted in "
            f"{error.get('n_prompt_tokens', 'more')} tokens. Please reduce the length of the messages.",
            param="messages",
        )
    code = error.get("code", 500)
    if isinstance(code, int) and 400 <= code < 500:
        return InvalidRequest("The model could not read this request.", detail=message)
    if "context" in message.lower():  # the cache that all slots share is full: others' answers end soon
        return _down("The model's memory is full with other answers. Try again.", message, Blame.BUSY)
    return _down("The model is not ready. Try again in a moment.", message)


def _down(message: str, detail: str, blame: Blame = Blame.DEPLOYMENT) -> ServiceUnavailable:
    error = ServiceUnavailable(message, detail=detail, retry_after_ms=RETRY_AFTER_MS)
    error.blame = blame
    return error
