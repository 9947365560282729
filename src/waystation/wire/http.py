"""The nouns of a call to another server, so that who calls (providers, engine) need not know the client that does it.

The client itself is `runtime/http_client.py`; `app.py` hands it over as an `Http`.
"""

import re
from collections.abc import Sequence
from typing import Literal, NewType, Protocol, Self
from urllib.parse import unquote, urlsplit

import msgspec

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Scheme = Literal["http", "https", "unix"]
Stage = Literal["connect", "first_byte", "idle", "total"]
Hop = Literal["dns", "proxy", "connect", "tls"]
"""The steps to a connection, in their order. Through a proxy there is no connect of our own, and DNS may be the proxy's."""
Reason = Literal[
    "unknown_host",
    "not_public",  # its address is one of a private network, and nobody has allowed that
    "refused",
    "unreachable",
    "broke_off",  # the other side closed in the middle of it
    "cert_expired",
    "cert_not_yet_valid",
    "cert_self_signed",
    "cert_unknown_ca",
    "cert_wrong_host",
    "cert_invalid",
    "client_cert",  # it wants a certificate of ours, or another one
    "no_tls",  # it speaks none, or none that is new enough
    "proxy_unreachable",
    "proxy_auth",
    "proxy_refused",
    "proxy_no_way",  # the proxy itself could not reach the host
    "other",
]

PORT_OF: dict[str, int] = {"http": 80, "https": 443}

HeaderBlock = NewType("HeaderBlock", bytes)
"""Headers as the lines of a request. Only `encode_headers` makes one, so nobody checks it again."""

Headers = HeaderBlock | Sequence[tuple[str, str]]
"""Headers of a request: pairs, or the block made of them once (those of a deployment never change)."""

HEADERS_OF_THE_CLIENT = frozenset(("host", "connection", "content-length", "transfer-encoding", "accept-encoding"))
"""What the client says itself: who could say it too could end the request early."""


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a server listens, and the path under which its API begins. A unix origin has its socket's path as host."""

    scheme: Scheme
    host: str
    port: int
    path: str = ""  # without a slash at the end

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `http://host:port/path`, `https://…` or `unix:///run/socket` (its API begins at the root).

        Raises ValueError, in words for who wrote the URL, when it is none of these.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("the URL can't be read: its host or its port is malformed") from None
        if "@" in parts.netloc:  # not repeated: it may be a password
            raise ValueError("the URL has a user or a password in it; give them as a credential, or as a header")
        url = url.partition("?")[0]  # some put their key into the query
        if parts.scheme == "unix":
            if parts.netloc or not parts.path.startswith("/"):
                raise ValueError(
                    f"{url!r}: a unix URL has three slashes and an absolute path, as unix:///run/server.sock"
                )
            return cls("unix", unquote(parts.path), 0)
        if parts.scheme not in PORT_OF:
            raise ValueError(f"{url!r}: a URL here begins with http://, https:// or unix:///")
        host = parts.hostname or ""
        if not host or parts.query or parts.fragment:
            raise ValueError(
                f"{url!r}: a base URL is a host, a port and a path, without credentials, query or fragment"
            )
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        if not all(letter.isalnum() or letter in "-._:%" for letter in host):
            raise ValueError(f"{url!r}: {host!r} is no host name")
        check_target(parts.path or "/")
        scheme: Scheme = "https" if parts.scheme == "https" else "http"
        return cls(scheme, host, port or PORT_OF[scheme], parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """What the Host header says."""
        if self.scheme == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if PORT_OF[self.scheme] == self.port else f"{host}:{self.port}"


class Timeouts(msgspec.Struct, frozen=True):
    """How long a call may take, by stage. Idle is the silence between two pieces of an answer."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0


class Step(msgspec.Struct, frozen=True):
    """A hop on the way to a connection that was passed, and what it took."""

    hop: Hop
    ms: int


class Trace(msgspec.Struct, frozen=True):
    """A connection that was made only to see whether it can be made."""

    passed: tuple[Step, ...]
    fault: "ConnectFailed | TimedOut | None" = None
    failed: Hop | None = None  # where the fault came
    ms: int = 0  # what that took


class Response(Protocol):
    """An answer whose head has arrived; its body is read once, whole or piece by piece."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> dict[bytes, bytes]:
        """Names in lower case; a repeated one's values are joined with a comma."""
        ...

    async def read(self, size_bytes_max: int) -> bytes:
        """The whole body. Raises BadAnswer when it is longer than allowed."""
        ...

    async def next(self) -> bytes:
        """What has arrived since the last time, `b""` at the end. The buffer is bounded: slow readers slow it."""
        ...

    def drain(self) -> None:
        """Nothing more is wanted. The connection is kept if the end comes within a moment, else closed."""
        ...

    def close(self) -> None:
        """Done with it, as often as you like. An answer that has not arrived whole is cancelled with its connection."""
        ...


class Http(Protocol):
    """A client with a pool of connections per origin."""

    async def request(
        self, origin: Origin, method: str, target: str, headers: Headers, body: bytes, timeouts: Timeouts
    ) -> Response:
        """Send a request and wait for the head of its answer. Every answer is read to its end or closed.

        `target` is the whole path with its query (the origin's own path is not put in front of it).
        Raises an HttpFault; ValueError when target or headers could smuggle a second request.
        """
        ...

    async def close(self) -> None: ...


class HttpFault(Exception):
    """A call that got no whole answer. The text is for the log."""


class ConnectFailed(HttpFault):
    """No connection: nobody has read the request. `hop` is how far it came."""

    def __init__(self, message: str, *, hop: Hop = "connect", reason: Reason = "other") -> None:
        super().__init__(message)
        self.hop: Hop = hop
        self.reason: Reason = reason


class Disconnected(HttpFault):
    """The server closed before the answer was whole."""

    def __init__(self, message: str, *, before_head: bool) -> None:
        super().__init__(message)
        self.before_head = before_head


class TimedOut(HttpFault):
    def __init__(self, stage: Stage, seconds: float) -> None:
        super().__init__(f"{stage} took longer than {seconds:g} s")
        self.stage: Stage = stage


class BadAnswer(HttpFault):
    """Not HTTP, too large, or of a wrong length."""


def check_target(target: str) -> bytes:
    """A request target as bytes. Raises ValueError unless it is printable ASCII that begins with a slash."""
    if not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("a request target begins with a slash and has no space, control or non-ASCII character")
    return target.encode("ascii")


def encode_headers(headers: Sequence[tuple[str, str]]) -> HeaderBlock:
    """Headers as the lines of a request, with their line ends. Raises ValueError where one could smuggle in another."""
    lines = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if name.lower() in HEADERS_OF_THE_CLIENT:
            raise ValueError(f"the header {name!r} is the client's own to say")
        if _CONTROL.search(value):
            raise ValueError(f"the value of the header {name!r} has a control character")
        lines.append(f"{name}: {value}\r\n")
    try:
        return HeaderBlock("".join(lines).encode("latin-1"))
    except UnicodeEncodeError:
        raise ValueError("a header value has a character outside Latin-1") from None
