"""GET /v1/responses/{id}?stream=true: the events of a response in the background, from any number on, by whatever worker.

Without stream=true the same URL is a resource (`v1/responses.py`).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Protocol
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route

from waystation.errors import InvalidRequest
from waystation.http.access import ACCESS, Access
from waystation.http.plain import presented
from waystation.storage.responses.model import not_found
from waystation.terms import Caller
from waystation.wire.listing import is_id

PATH = "/responses/{response_id}"
SILENCE_S = 15.0
NUMBER_MAX = 2**53
_COMMENT = b": keep-alive\n\n"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Auth(Protocol):
    def identify(self, call: Any) -> Caller: ...


class Background(Protocol):
    async def followable(self, project_id: str, response_id: str) -> None: ...
    def follow(self, response_id: str, starting_after: int) -> AsyncGenerator[bytes]: ...


class _Streamed(Route):
    """Only requests that ask for a stream."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, found = super().matches(scope)
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("stream", [""])[-1]
        return (match, found) if match is Match.FULL and asked == "true" else (Match.NONE, {})


def stream_routes(background: Background, auth: Auth, prefixes: Iterable[str]) -> list[Route]:
    assert ACCESS[f"GET {PATH}"] is Access.PROJECT

    async def stream(request: Request) -> Response:
        project_id, response_id = auth.identify(presented(request)).project_id, request.path_params["response_id"]
        if not is_id(response_id):
            raise not_found(response_id)
        number = _starting_after(request.query_params.get("starting_after"))
        await background.followable(project_id, response_id)
        events = _audible(background.follow(response_id, number))
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    return [_Streamed(prefix + PATH, stream, methods=["GET"]) for prefix in prefixes]


def _starting_after(value: str | None) -> int:
    """-1: from the beginning. Raises InvalidRequest."""
    if value is None:
        return -1
    if not (value.isascii() and value.isdigit() and len(value) <= 16 and int(value) <= NUMBER_MAX):
        raise InvalidRequest(
            "Invalid 'starting_after': it is the sequence number of an event, a whole number from 0.",
            param="starting_after",
        )
    return int(value)


async def _audible(events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """With a comment whenever nothing has come for a while, so that no proxy closes the stream."""
    async with aclosing(events):
        while True:
            coming = asyncio.ensure_future(anext(events, None))
            try:
                while not coming.done():
                    await asyncio.wait({coming}, timeout=SILENCE_S)
                    if not coming.done():
                        yield _COMMENT
            except BaseException:
                coming.cancel()
                with contextlib.suppress(BaseException):
                    await coming
                raise
            data = coming.result()
            if data is None:
                return
            yield data
