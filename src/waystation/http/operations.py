"""Which of OpenAI's operations are served here, and what is said to who asks for another.

Nothing says of itself that it is served: that is found in `http/access.py`, which a test compares with the app's routes. So an
operation turns served with its route. The table of all is `http/operations_table.py`.

The refusal is 404, not 501: SDKs and proxies try a 5xx again and count it as the server's failure, and neither helps here.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from waystation.errors import UnsupportedByServer
from waystation.http.access import ACCESS
from waystation.http.operations_table import FAMILIES, Family

NAME = "not served"  # of the routes that refuse
_PARAMETER = re.compile(r"\{[^}]*\}")


class Operation(NamedTuple):
    """A method and a path of OpenAI's, without the prefix of a base URL."""

    method: str
    path: str
    family: Family

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_served(self) -> bool:
        return _bare(f"{self.method} {self.url}") in _SERVED

    @property
    def url(self) -> str:
        """The path without the query by which OpenAI tells beta operations: they stand on the same URL."""
        return self.path.partition("?")[0]


def _bare(label: str) -> str:
    """A label without the names of its parameters: OpenAI's `api_key_id` is `key_id` here."""
    return _PARAMETER.sub("{}", label)


_SERVED = frozenset(map(_bare, ACCESS))


def _read(family: Family) -> Iterator[Operation]:
    for line in family.lines.split("\n"):
        *methods, path = line.split() or [""]
        yield from (Operation(method, path, family) for method in methods)


OPERATIONS: tuple[Operation, ...] = tuple(operation for family in FAMILIES for operation in _read(family))


def documented(path: str) -> str:
    """A path as OpenAI's description has it."""
    return path.replace(":path}", "}")


def refusal(operation: Operation) -> UnsupportedByServer:
    """What a caller is told of an operation that is not served."""
    name = operation.family.name
    return UnsupportedByServer(
        f"{operation.method} /v1{documented(operation.path)} ({name}) is not served by this server.",
        operation.family.instead,
    )


def refusing_routes(identify: Callable[[Request], Any], prefixes: Iterable[str]) -> list[Route]:
    """A route for each path with operations that are not served: the key is looked at first, the body never.

    They come after all other routes, and before those that only refuse a method.
    """
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        if not operation.is_served:
            by_path.setdefault(operation.url, {})[operation.method] = operation
    endpoints = {path: _endpoint(methods, identify) for path, methods in by_path.items()}
    return [
        Route(prefix + path, endpoint, methods=list(by_path[path]), name=NAME)
        for prefix in prefixes
        for path, endpoint in endpoints.items()
    ]


def _endpoint(
    operations: dict[str, Operation], identify: Callable[[Request], Any]
) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(request: Request) -> Response:
        identify(request)
        raise refusal(operations["GET" if request.method == "HEAD" else request.method])

    return refuse
