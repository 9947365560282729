"""The URLs that are not calls: health, models, tokens, documents, the control plane. A Starlette app on the door's port.

Who may ask for which is one table: `access.py`.
"""

import re
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

from waystation.errors import ApiError, Forbidden, MethodNotAllowed, UnknownUrl
from waystation.http import files
from waystation.http.access import ACCESS, Access
from waystation.http.errors import ANTHROPIC_ERRORS, OPENAI_ERRORS, error_headers
from waystation.http.operations import refusing_routes
from waystation.http.plain import is_from_this_machine, json_response, presented, read_body
from waystation.http.responses_stream import stream_routes
from waystation.http.routes import ANTHROPIC_PREFIXES, CALL_ROUTES, PREFIXES
from waystation.http.v1 import mount
from waystation.http.v1.control import Control, operator_only
from waystation.http.v1.table import RESOURCES
from waystation.terms import Caller, Model
from waystation.wire.anthropic import countable, read_count
from waystation.wire.anthropic_answers import MessageTokensCount
from waystation.wire.anthropic_models import model_info, model_page

_EXPOSED = [
    "x-request-id",
    "request-id",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    "x-waystation-cost",
    "x-waystation-deployment",
    "x-waystation-budget-clamped",
    "idempotent-replayed",
]
_TEXTS_BYTES_MAX = 8 * 1024 * 1024


class Auth(Protocol):
    def identify(self, call: Any) -> Caller: ...
    def identify_any(self, call: Any) -> Caller: ...
    def identify_admin(self, call: Any) -> Caller: ...


class Catalogue(Protocol):
    def named(self, name: str) -> Model: ...
    def listed(self) -> list[Model]: ...


class Desk(msgspec.Struct):
    """What these routes are given to answer from."""

    auth: Auth
    catalogue: Catalogue
    control: Control
    version: str
    models_list: Callable[[Sequence[Model]], Any]
    model_object: Callable[[Model], Any]
    document: Callable[[str], dict[str, Any]]  # given the URL under which it is asked for
    tokenize: Callable[[bytes], Awaitable[Any]]
    estimate: Callable[[bytes, Caller], Awaitable[Any]]
    readiness: Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
    metrics: Callable[[], Awaitable[bytes]]
    new_request_id: Callable[[], str]


def build_app(desk: Desk) -> Starlette:
    """The ASGI app. Every error it answers has OpenAI's form."""

    async def health(request: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(request: Request) -> Response:
        is_ready, report = await desk.readiness()
        return json_response(report, 200 if is_ready else 503)

    async def version(request: Request) -> Response:
        return json_response({"name": "waystation", "version": desk.version})

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(await desk.metrics(), media_type="text/plain; version=0.0.4")

    async def openapi(request: Request) -> Response:
        return json_response(desk.document(str(request.base_url).rstrip("/")))

    async def home(request: Request) -> Response:
        return json_response(
            {
                "name": "waystation",
                "version": desk.version,
                "base_url": str(request.base_url) + "v1",
                "openapi": str(request.base_url) + "openapi.json",
            }
        )

    async def models(request: Request) -> Response:
        if _speaks_anthropic(request):
            return json_response(model_page(desk.catalogue.listed(), request.query_params))
        return json_response(desk.models_list(desk.catalogue.listed()))

    async def model(request: Request) -> Response:
        found = desk.catalogue.named(request.path_params["model"])
        return json_response(model_info(found) if _speaks_anthropic(request) else desk.model_object(found))

    async def count_tokens(request: Request) -> Response:
        """Counted here, by the model's own tokenizer where it has one; which one is said."""
        asked = read_count(await read_body(request, _TEXTS_BYTES_MAX))
        desk.catalogue.named(asked.model)
        counted = await desk.tokenize(msgspec.json.encode({"model": asked.model, "messages": countable(asked)}))
        response = json_response(MessageTokensCount(input_tokens=counted.count))
        response.headers["x-waystation-tokenizer"] = counted.encoding
        return response

    async def tokenize(request: Request) -> Response:
        return json_response(await desk.tokenize(await read_body(request, _TEXTS_BYTES_MAX)))

    async def estimate(request: Request) -> Response:
        caller = desk.auth.identify_any(presented(request))
        return json_response(await desk.estimate(await read_body(request, _TEXTS_BYTES_MAX), caller))

    async def call_options(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": "POST, OPTIONS"})
        raise MethodNotAllowed(
            f"Not allowed to {request.method} on {request.url.path}. Only POST is.",
            headers=(("allow", "POST, OPTIONS"),),
        )

    pages = {"/": home, "/health": health, "/ready": ready, "/version": version}
    pages |= {"/metrics": metrics, "/openapi.json": openapi}
    beside = {"GET /models": models, "GET /models/{model:path}": model}
    beside |= {"POST /waystation/tokenize": tokenize, "POST /waystation/estimate": estimate}
    routes: list[BaseRoute] = [Route(path, _admitted(desk, f"GET {path}", page)) for path, page in pages.items()]
    for prefix in PREFIXES:
        for label, page in beside.items():
            method, path = label.split(" ")
            routes.append(Route(prefix + path, _admitted(desk, label, page), methods=[method]))
    for label, file_page in files.pages(desk.control.files, desk.control.uploads).items():
        method, path = label.split(" ")
        of_project = _of_project(desk, label, file_page)
        routes += [Route(prefix + path, of_project, methods=[method]) for prefix in PREFIXES]
    for prefix in ANTHROPIC_PREFIXES:
        label = "POST /messages/count_tokens"
        routes.append(Route(f"{prefix}/messages/count_tokens", _admitted(desk, label, count_tokens), methods=["POST"]))
        if prefix not in PREFIXES:
            routes.append(Route(f"{prefix}/models", _admitted(desk, "GET /models", models)))
            routes.append(Route(prefix + "/models/{model:path}", _admitted(desk, "GET /models/{model:path}", model)))
    if desk.control.background is not None:
        routes += stream_routes(desk.control.background, desk.auth, PREFIXES)
    routes += mount.routes(RESOURCES, desk.control, desk.auth, PREFIXES)
    routes += refusing_routes(lambda request: desk.auth.identify_any(presented(request)), PREFIXES)
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


def _admitted(desk: Desk, label: str, page: mount.Endpoint) -> mount.Endpoint:
    """A page behind the access that it needs."""
    access = ACCESS[label]

    async def answer(request: Request) -> Response:
        if access is Access.KEY:
            desk.auth.identify_any(presented(request))
        elif access is Access.PROJECT:
            desk.auth.identify(presented(request))
        elif access is not Access.PUBLIC:
            await _admit_operator(desk, request, access)
        return await page(request)

    return answer


def _of_project(desk: Desk, label: str, page: files.Page) -> mount.Endpoint:
    """A page that is told whose key was shown."""
    assert ACCESS[label] is Access.PROJECT

    async def answer(request: Request) -> Response:
        return await page(request, desk.auth.identify(presented(request)).project_id)

    return answer


async def _admit_operator(desk: Desk, request: Request, access: Access) -> None:
    """Figures of calls and money are nobody else's business."""
    if access is Access.MACHINE and is_from_this_machine(request):
        return
    if not await desk.control.is_operator(desk.auth.identify_admin(presented(request))):
        raise operator_only("This")


_THEIRS = re.compile(r"(/openai|/anthropic)?(/v1)?/messages(/|\Z)")


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
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        speaks_anthropic = any(name == b"anthropic-version" for name, _ in scope["headers"])

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                took_ms = (time.monotonic_ns() - started_ns) // 1_000_000
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    *([(b"request-id", request_id)] if speaks_anthropic else ()),
                    (b"openai-processing-ms", b"%d" % took_ms),
                    (b"openai-version", b"2020-10-01"),
                ]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _error(error: ApiError, request: Request) -> Response:
    form = ANTHROPIC_ERRORS if _speaks_anthropic(request) else OPENAI_ERRORS
    body = form.body(error, getattr(request.state, "request_id", ""))
    return Response(body, form.status(error), dict(error_headers(error)), media_type="application/json")


def _speaks_anthropic(request: Request) -> bool:
    """Anthropic's clients always say the version of their API; nobody else does. Under their own URL all are told alike."""
    return "anthropic-version" in request.headers or _THEIRS.match(request.url.path) is not None


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
