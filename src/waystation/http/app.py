"""The URLs that are not calls: health, models, tokens, documents. A Starlette app on the same port as the door."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from waystation.errors import ApiError, Forbidden, MethodNotAllowed, RequestTooLarge, UnknownUrl
from waystation.http.errors import error_body, error_headers
from waystation.http.presented import Presented
from waystation.http.routes import CALL_ROUTES, PREFIXES
from waystation.terms import Caller, Model

_LOOPBACK = ("127.", "::1", "")
_EXPOSED = [
    "x-request-id",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    "x-waystation-cost",
    "x-waystation-deployment",
    "x-waystation-budget-clamped",
    "idempotent-replayed",
]
_TOKENIZE_BYTES_MAX = 8 * 1024 * 1024


class Auth(Protocol):
    def identify_any(self, call: Any) -> Caller: ...
    def identify_admin(self, call: Any) -> Caller: ...


class Catalogue(Protocol):
    def named(self, name: str) -> Model: ...
    def listed(self) -> list[Model]: ...


class Desk(msgspec.Struct):
    """What these routes are given to answer from."""

    auth: Auth
    catalogue: Catalogue
    version: str
    models_list: Callable[[Sequence[Model]], Any]
    model_object: Callable[[Model], Any]
    document: Callable[[str], dict[str, Any]]  # given the URL under which it is asked for
    tokenize: Callable[[bytes], Awaitable[Any]]
    readiness: Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
    metrics: Callable[[], Awaitable[bytes]]
    new_request_id: Callable[[], str]


def build_app(desk: Desk) -> Starlette:
    """The ASGI app. Every error it answers has OpenAI's form."""

    async def health(request: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(request: Request) -> Response:
        is_ready, report = await desk.readiness()
        return _json(report, 200 if is_ready else 503)

    async def version(request: Request) -> Response:
        return _json({"name": "waystation", "version": desk.version})

    async def metrics(request: Request) -> Response:
        # Figures of calls and money are nobody else's business: off this machine they need an admin key.
        if not _from_this_machine(request):
            desk.auth.identify_admin(_presented(request))
        return PlainTextResponse(await desk.metrics(), media_type="text/plain; version=0.0.4")

    async def openapi(request: Request) -> Response:
        return _json(desk.document(str(request.base_url).rstrip("/")))

    async def home(request: Request) -> Response:
        return _json(
            {
                "name": "waystation",
                "version": desk.version,
                "base_url": str(request.base_url) + "v1",
                "openapi": str(request.base_url) + "openapi.json",
            }
        )

    async def models(request: Request) -> Response:
        desk.auth.identify_any(_presented(request))
        return _json(desk.models_list(desk.catalogue.listed()))

    async def model(request: Request) -> Response:
        desk.auth.identify_any(_presented(request))
        return _json(desk.model_object(desk.catalogue.named(request.path_params["model"])))

    async def tokenize(request: Request) -> Response:
        desk.auth.identify_any(_presented(request))
        return _json(await desk.tokenize(await _body(request, _TOKENIZE_BYTES_MAX)))

    async def call_options(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": "POST, OPTIONS"})
        raise MethodNotAllowed(
            f"Not allowed to {request.method} on {request.url.path}. Only POST is.",
            headers=(("allow", "POST, OPTIONS"),),
        )

    routes: list[BaseRoute] = [
        Route("/", home),
        Route("/health", health),
        Route("/ready", ready),
        Route("/version", version),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
    ]
    for prefix in PREFIXES:
        routes += [
            Route(f"{prefix}/models", models),
            Route(f"{prefix}/models/{{model:path}}", model),
            Route(f"{prefix}/waystation/tokenize", tokenize, methods=["POST"]),
        ]
    routes += [Route(path.decode(), call_options, methods=["OPTIONS", "HEAD", "GET"]) for path in CALL_ROUTES]

    async def api_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return _error(error, request)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(_translated(request, error), request)

    async def fault(request: Request, error: Exception) -> Response:
        return _error(
            ApiError(
                "The server had an error while processing your request. Quote the x-request-id when you report it."
            ),
            request,
        )

    return Starlette(
        routes=routes,
        exception_handlers={ApiError: api_error, HTTPException: http_error, Exception: fault},
        middleware=[
            Middleware(
                CORSMiddleware,
                # Keys travel in a header that no browser adds by itself, so any page may ask; there are no cookies here.
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=_EXPOSED,
            ),
            Middleware(_RequestId, new_request_id=desk.new_request_id),
        ],
    )


class _RequestId:
    """Gives each request an x-request-id and says how long it took, as calls have."""

    def __init__(self, app: Any, new_request_id: Callable[[], str]) -> None:
        self._app = app
        self._new_request_id = new_request_id

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_ns = time.monotonic_ns()
        request_id = self._new_request_id().encode()

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                took_ms = (time.monotonic_ns() - started_ns) // 1_000_000
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    (b"openai-processing-ms", b"%d" % took_ms),
                    (b"openai-version", b"2020-10-01"),
                ]
            await send(message)

        await self._app(scope, receive, send_with_id)


async def _body(request: Request, size_bytes_max: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > size_bytes_max:
            raise RequestTooLarge(f"The request body is larger than {size_bytes_max} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def _presented(request: Request) -> Presented:
    authorization = request.headers.get("authorization")
    return Presented(None if authorization is None else authorization.encode("latin-1"))


def _from_this_machine(request: Request) -> bool:
    host = request.client.host if request.client else ""
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return not forwarded and (host in _LOOPBACK or host.startswith("127."))


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _error(error: ApiError, request: Request) -> Response:
    return Response(error_body(error), error.status, dict(error_headers(error)), media_type="application/json")


def _translated(request: Request, error: HTTPException) -> ApiError:
    where = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404:
        return UnknownUrl(
            f"Unknown request URL: {where}. Please check the URL for typos, or see GET /openapi.json for those there are."
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(
            f"Not allowed to {where}. (HINT: Perhaps you meant to use a different HTTP method?)",
            headers=(("allow", allowed),),
        )
    return Forbidden(str(error.detail)) if error.status_code == 403 else ApiError(str(error.detail))
