"""Many clients in one process, as bare as can be: a connection for each call, so that any worker may get it.

Raw HTTP and not an SDK: a test says itself whether a call is made again, and when its client leaves.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

CALL_S = 60.0
MODEL = "words-40"
OUTPUT_TOKENS = 40  # what that model says, however much more is asked for
ASKED_TOKENS = 200  # so a hold is several times what is used
# Letters are tokens of our count; the upstream counts a token for four bytes of the body, which is a little less.
CONTENT = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 4


@dataclass
class Answer:
    """What a client got. `status` 0: its connection broke before there was one."""

    user: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False  # to the last byte of HTTP
    left: bool = False  # its client did not wait for that

    @property
    def whole(self) -> bool:
        """A good answer, all of it."""
        return self.status == 200 and self.ended and not self.left and (not self.streamed or self.done)

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def done(self) -> bool:
        return b"data: [DONE]" in self.body

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def code(self) -> str:
        """Of an error; that of a stream comes as its last event."""
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(self.body)["error"]["code"])
        return ""

    @property
    def final(self) -> bool:
        """It says that trying again is of no use."""
        return self.headers.get("x-should-retry") == "false"

    @property
    def wait_s(self) -> float:
        """How long it says to wait. Raises KeyError where it doesn't."""
        return int(self.headers["retry-after-ms"]) / 1000


def body_of(
    user: str, *, stream: bool, model: str = MODEL, max_tokens: int = ASKED_TOKENS, end_user: str | None = None
) -> bytes:
    """A request. `user` is how the upstream's meter names it, and the books too unless there is another `end_user`."""
    asked = {"model": model, "messages": [{"role": "user", "content": CONTENT}], "max_tokens": max_tokens, "user": user}
    if stream:
        asked["stream"] = True
    if end_user is not None:
        asked["safety_identifier"] = end_user
    return json.dumps(asked).encode()


async def call(
    url: str,
    key: str,
    user: str,
    *,
    stream: bool = False,
    leave_after: int | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/chat/completions",
) -> Answer:
    """One call on a connection of its own. `leave_after`: it is closed when so many events have come."""
    answer = Answer(user)
    place = urlsplit(url)
    reader = _Reading(answer)
    with suppress(OSError, TimeoutError, httptools.HttpParserError):
        async with asyncio.timeout(CALL_S):
            incoming, outgoing = await asyncio.open_connection(place.hostname, place.port)
            try:
                outgoing.write(_request(path, key, body or body_of(user, stream=stream), headers or {}))
                while not answer.ended and (data := await incoming.read(65_536)):
                    reader.feed(data)
                    if leave_after is not None and answer.body.count(b"data: ") >= leave_after:
                        answer.left = not answer.ended
                        break
            finally:
                outgoing.transport.abort() if answer.left else outgoing.close()
    return answer


def _request(path: str, key: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: waystation",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Reading:
    """httptools' callbacks: they fill an answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._answer.body += body

    def on_message_complete(self) -> None:
        self._answer.ended = True
