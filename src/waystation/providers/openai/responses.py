"""Asks an upstream that speaks the Responses API, and passes its answer on to a caller of the same."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from waystation.dialects.responses.told import status_of_failure
from waystation.errors import ApiError, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.asking import ANSWER_BYTES_MAX, Line, Refused, refusal_body
from waystation.providers.openai.responses_echo import Echo
from waystation.providers.openai.responses_stream import ErrorEvent, ResponseStream, read_head
from waystation.providers.refusals import fault
from waystation.terms import Done, Event
from waystation.wire.hosted_tools import ToolMeter, hosted
from waystation.wire.http import Headers, HttpFault, Response


async def respond(
    line: Line, path: str, headers: Headers, body: bytes, call: Call, refused: Refused, *, model: str
) -> AsyncGenerator[Event]:
    """The answer's events, Done last. Raises an ApiError with its blame. Closing the generator cancels the call upstream.

    `model` is the name that errors say.
    """
    try:
        response = await line.http.request(line.origin, "POST", path, headers, body, line.timeouts)
        try:
            if response.status != 200:
                raise refused(response.status, response.headers, await refusal_body(response))
            if not _streams(response, call, model):
                done = _whole(await response.read(ANSWER_BYTES_MAX), call)
                if call.request.stream:
                    raise UpstreamFailed(f"The provider of the model `{model}` did not stream.")
                yield done
                return
            stream = ResponseStream(call)
            while not stream.over:
                data = await response.next()
                if not data:
                    break
                piece = None if call.cut else stream.feed(data)
                if piece is not None:
                    yield piece
                if call.cut and not stream.over:
                    response.close()
                    yield stream.cut()
                    return
            piece, done = stream.finish()
            response.drain()
            if piece is not None:
                yield piece
            yield done
        except ErrorEvent as error:
            raise _failed(error.error, refused) from None
        finally:
            response.close()
    except HttpFault as error:
        raise fault(error, model) from error


def _streams(response: Response, call: Call, model: str) -> bool:
    """Whether what comes is a stream. Raises UpstreamFailed where that is not what was asked for."""
    kind = response.headers.get(b"content-type", b"").lower()
    if b"text/html" in kind:
        raise UpstreamFailed(f"The provider of the model `{model}` answered with a web page.")
    if not call.request.stream and b"event-stream" in kind:
        raise UpstreamFailed(f"The provider of the model `{model}` streamed without being asked to.")
    return call.request.stream and b"json" not in kind


def _whole(body: bytes, call: Call) -> Done:
    """Raises ErrorEvent, UpstreamFailed."""
    try:
        head = read_head(body)
        if head.object != "response" or head.status == "failed":
            raise ErrorEvent(body)
        if head.status not in ("completed", "incomplete"):
            raise UpstreamFailed("The provider sent an answer that is not whole.", detail="its status is another one")
        usage = head.used(meter := ToolMeter(hosted(call.request)))
        call.tool_calls = meter.counts or None
        return Done(Echo(call).response(body), usage)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamFailed("The provider sent what is no answer.", detail=f"{len(body)} bytes: {error}") from None


def _failed(data: bytes, refused: Refused) -> ApiError:
    """The error for the caller of what came as `error`, `response.failed`, or in place of a response."""
    error = _error_in(data)
    if error is None:
        return UpstreamFailed("The provider sent what is no answer.", detail=f"{len(data)} bytes that are no response")
    code = error.get("code")
    told = {name: error.get(name) for name in ("message", "type", "param", "code")}
    return refused(status_of_failure(code or error.get("type")), {}, msgspec.json.encode({"error": told}))


def _error_in(data: bytes) -> dict[str, Any] | None:
    try:
        said = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    within = said.get("response")
    for place in (within if isinstance(within, dict) else {}, said):
        if isinstance(place.get("error"), dict):
            return dict(place["error"])
    return said if said.get("type") == "error" else None
