"""Puts the control plane on the Starlette app: who asks, for whose objects, and the answer as JSON."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from waystation.errors import NotFound
from waystation.http.access import ACCESS, Access
from waystation.http.plain import json_response, presented, read_body
from waystation.http.v1.control import ORGANIZATION, Asked, Control, File, Json, Resource, operator_only
from waystation.terms import Caller
from waystation.wire.complaint import unknown_parameter
from waystation.wire.listing import is_id

_BETA = "beta"  # SDKs tell beta operations by it; they stand on the same URLs
Endpoint = Callable[[Request], Awaitable[Response]]


class Auth(Protocol):
    def identify(self, call: Any) -> Caller: ...
    def identify_any(self, call: Any) -> Caller: ...
    def identify_admin(self, call: Any) -> Caller: ...


def routes(resources: Iterable[Resource], control: Control, auth: Auth, prefixes: Iterable[str]) -> list[Route]:
    """A route for each path; its methods are answered together, so that a wrong one is told which there are."""
    by_path: dict[str, dict[str, Resource]] = {}
    for resource in resources:
        by_path.setdefault(resource.path, {})[resource.method] = resource
    endpoints = {path: _endpoint(methods, control, auth) for path, methods in by_path.items()}
    return [
        Route(prefix + path, endpoint, methods=list(by_path[path]))
        for prefix in prefixes
        for path, endpoint in endpoints.items()
    ]


def _endpoint(methods: dict[str, Resource], control: Control, auth: Auth) -> Endpoint:
    access = {method: ACCESS[f"{method} {resource.path}"] for method, resource in methods.items()}

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        resource = methods[method]
        caller = _caller(auth, access[method], request)
        if access[method] is Access.OPERATOR and not await control.is_operator(caller):
            raise operator_only("This")
        asked = await _asked(request, resource, caller, control)
        return _response(await resource.handle(control, asked))

    return answer


def _caller(auth: Auth, access: Access, request: Request) -> Caller:
    if access is Access.PROJECT:
        return auth.identify(presented(request))
    return auth.identify_any(presented(request)) if access is Access.KEY else auth.identify_admin(presented(request))


async def _asked(request: Request, resource: Resource, caller: Caller, control: Control) -> Asked:
    # OpenAI's SDKs send lists as name[]=a&name[]=b.
    pairs = [(name.removesuffix("[]"), value) for name, value in request.query_params.multi_items()]
    query = dict(pairs)
    known = {each.name for each in resource.query} | {ORGANIZATION.name, _BETA}
    for name in query:
        if _without_key(name) not in known:
            raise unknown_parameter(name)
    return Asked(
        caller=caller,
        organization_id=await whose(control, caller, query.get(ORGANIZATION.name)),
        path=request.path_params,
        query=query,
        pairs=pairs,
        body=await read_body(request, resource.body_bytes_max) if resource.request is not None else b"",
    )


def _without_key(name: str) -> str:
    """`metadata[colour]` is of `metadata`."""
    return name.partition("[")[0] if name.endswith("]") else name


def _response(answer: msgspec.Struct) -> Response:
    if not isinstance(answer, File):
        return json_response(answer.value if isinstance(answer, Json) else answer)
    headers = {"content-disposition": f'attachment; filename="{answer.name}"'}
    return Response(answer.content, headers=headers, media_type=answer.media_type)


async def whose(control: Control, caller: Caller, organization_id: str | None) -> str:
    """Whose objects are asked for. To who isn't the operator, another organization isn't there. Raises NotFound."""
    if organization_id is None or organization_id == caller.organization_id:
        return caller.organization_id
    if not is_id(organization_id) or not await control.is_operator(caller):
        raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
    found = await control.read(lambda connection: control.accounts.organization(connection, organization_id))
    return found.id
