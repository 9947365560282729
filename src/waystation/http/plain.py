"""What all URLs that are no calls share: a request's credentials and its bounded body, and JSON as an answer."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from waystation.errors import RequestTooLarge
from waystation.http.presented import Presented, shown_key

_LOOPBACK = ("127.", "::1", "")


async def read_body(request: Request, size_bytes_max: int) -> bytes:
    """Raises RequestTooLarge as soon as it is."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > size_bytes_max:
            raise RequestTooLarge(f"The request body is larger than {size_bytes_max} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def presented(request: Request) -> Presented:
    return Presented(shown_key(dict(request.headers.raw)))


def is_from_this_machine(request: Request) -> bool:
    host = request.client.host if request.client else ""
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return not forwarded and (host in _LOOPBACK or host.startswith("127."))


def json_response(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
