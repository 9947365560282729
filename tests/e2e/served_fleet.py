"""A server whose fleet is made through its API, as an administrator does from outside, asked on connections to every worker."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.e2e.running import Running

CONNECTIONS = 64  # that none of them reaches a given one of four workers happens once in 10⁸ times
CALLERS = 8
KNOWN_S = 1.0
PRICE = {"currency": "USD", "input": "2.50", "output": "10.00"}
NEW = {"price": PRICE, "context_tokens_max": 8000, "output_tokens_max": 1000}
HELLO = "hello"


class Said(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def served_by(self) -> str | None:
        return self.headers.get("x-waystation-served-by")

    @property
    def where(self) -> str | None:
        return self.headers.get("x-waystation-deployment")


@dataclass
class Served:
    """`admin` is a key of the operator; `heard` has every answer that the API gave, to look for secrets in."""

    server: Running
    admin: str
    connections: list[http.client.HTTPConnection]
    heard: list[str] = field(default_factory=list)

    # -- the control plane

    def api(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        with closing(connect(self.server)) as connection:
            said = ask(connection, method, f"/v1/waystation/{path}", self.admin, body)
        self.heard.append(said.text)
        assert said.status == status, (method, path, said)
        return said.body

    def provider(self, name: str, base_url: str, *secrets: str, **given: Any) -> list[str]:
        """Add it with its credentials; their ids."""
        self.api("POST", "providers", {"name": name, "base_url": base_url, "allow_private_network": True, **given})
        return [
            str(self.api("POST", "credentials", {"provider": name, "name": f"key-{at}", "secret": secret})["id"])
            for at, secret in enumerate(secrets)
        ]

    def deployment(self, model: str, provider: str, **given: Any) -> str:
        """Its id; its name is provider/model."""
        named = {"model": model, "provider": provider, "name": f"{provider}/{model}"}
        made = self.api("POST", "deployments", named | given)
        return str(made["id"])

    # -- calls

    def chat(self, model: str, key: str = "", *, headers: Mapping[str, str] | None = None, **more: Any) -> Said:
        with closing(connect(self.server)) as connection:
            return self._chat(connection, model, key, headers, more)

    def everywhere(self, model: str, key: str = "", **more: Any) -> list[Said]:
        """The same call to every worker."""
        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(lambda connection: self._chat(connection, model, key, None, more), self.connections))

    def soon(self, look: Callable[[], bool], what: str, within_s: float = KNOWN_S) -> float:
        """How long it took until this held for a look that began then; it must within a second."""
        began = time.monotonic()
        while True:
            looked = time.monotonic() - began
            if look():
                return looked
            assert looked < within_s, f"no {what} within {within_s} s"

    def _chat(
        self,
        connection: http.client.HTTPConnection,
        model: str,
        key: str,
        headers: Mapping[str, str] | None,
        more: Mapping[str, Any],
    ) -> Said:
        body = {"model": model, "messages": [{"role": "user", "content": HELLO}], **more}
        return ask(connection, "POST", "/v1/chat/completions", key or self.server.key, body, headers)


@contextmanager
def served(server: Running, connections: int = CONNECTIONS) -> Iterator[Served]:
    admin = json.loads(server.command("keys", "create", "--admin", "--json").stdout)["key"]
    with ExitStack() as stack:
        made = [stack.enter_context(closing(connect(server))) for _ in range(connections)]
        yield Served(server, admin, made)


def connect(server: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    key: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Said:
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"authorization": f"Bearer {key}", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    return Said(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
