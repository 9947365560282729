"""What callers may have fetched: how a URL of theirs is read, and by which bytes an image is known. Rules without a socket."""

from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from waystation.errors import InvalidRequest
from waystation.wire.http import PORT_OF, Origin, Scheme

URL_CHARS_MAX = 8192
CODE = "invalid_image_url"
INSTEAD = "Use another URL, or send the file itself as a data: URL."

_SAFE = "/?#[]@!$&'()*+,;=:%-._~"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
ALLOWED = frozenset(kind for _, kind in _MAGIC) | {"image/webp"}
_UNSAID = frozenset((b"", b"application/octet-stream", b"binary/octet-stream"))
"""What servers of files say when they don't know: the bytes alone decide."""


class Place(NamedTuple):
    origin: Origin
    target: str


def refused(message: str, detail: str = "") -> InvalidRequest:
    return InvalidRequest(f"{message} {INSTEAD}", code=CODE, detail=detail)


def place_of(url: str) -> Place:
    """Where a URL leads. Raises InvalidRequest, which does not repeat the URL: its query may be a secret."""
    if len(url) > URL_CHARS_MAX:
        raise refused(f"The URL of an image can have {URL_CHARS_MAX} characters at most.")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise refused("The URL of an image is malformed.") from None
    if parts.scheme not in PORT_OF:
        raise refused("The URL of an image begins with http:// or https://.")
    if parts.username is not None:
        raise refused("The URL of an image has no user and no password in it.")
    if not host or not all(letter.isalnum() or letter in "-._:" for letter in host):
        raise refused("The URL of an image names no host.")
    scheme: Scheme = "https" if parts.scheme == "https" else "http"
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    try:
        quoted = quote(target if target.startswith("/") else f"/{target}", safe=_SAFE)
    except UnicodeError:
        raise refused("The URL of an image is malformed.") from None
    return Place(Origin(scheme, host, PORT_OF[scheme] if port is None else port), quoted)


def redirected(url: str, location: bytes) -> str:
    """The URL to go on with. Raises InvalidRequest."""
    try:
        return urljoin(url, location.decode("utf-8"))
    except ValueError:
        raise refused("The server of the image redirects to a URL that can't be read.") from None


def check_said(content_type: bytes) -> None:
    """Whether the server says that it sends an image. Raises InvalidRequest, before anything of it is read."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind in _UNSAID or kind.startswith(b"image/") or kind.decode("latin-1") in ALLOWED:
        return
    raise refused("What the URL of the image leads to is no PNG, JPEG, GIF, WebP or PDF.")


def media_type_of(data: bytes) -> str:
    """What it truly is, by its first bytes: providers refuse an image under a wrong name. Raises InvalidRequest."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise refused("What the URL of the image leads to is no PNG, JPEG, GIF, WebP or PDF.")
