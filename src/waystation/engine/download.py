"""A file from a URL by plain HTTPS with the standard library, going on where an interrupted pull has ended.

`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` count as urllib reads them.
"""

import http.client
import socket
import urllib.error
import urllib.request
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from waystation.engine.model import Web
from waystation.engine.packages import COPY_BYTES, Grown, SourceFailed

CONNECT_TIMEOUT_S = 3.0  # also the longest silence: an air-gapped machine moves on, a stalled pull resumes
READ_TIMEOUT_S = 30.0
RESUMES_MAX = 5


def append_download(source: Web, file: Path, size_bytes: int, grown: Grown) -> None:
    """Bring `file` up to `size_bytes` from a URL. Raises SourceFailed, OSError (the disk's)."""
    _check_name(source.url)
    resumes = 0
    while (have := file.stat().st_size if file.exists() else 0) < size_bytes:
        if resumes > RESUMES_MAX:
            raise SourceFailed(f"the connection broke {RESUMES_MAX} times")
        try:
            _append_from(source.url, file, have, grown)
        except urllib.error.HTTPError as error:
            raise SourceFailed(f"HTTP {error.code} from {source.url}") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if file.stat().st_size == have if file.exists() else have == 0:  # it did not even begin
                raise SourceFailed(f"{source.url}: {getattr(error, 'reason', error)}") from error
        resumes += 1


def _append_from(url: str, file: Path, start: int, grown: Grown) -> None:
    headers = {"User-Agent": "waystation", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=CONNECT_TIMEOUT_S) as answer:
        _patient(answer)
        goes_on = answer.status == 206
        if start and not goes_on:  # the server knows no ranges and begins again
            grown(-start)
        with file.open("ab" if goes_on else "wb") as out:
            while piece := answer.read(COPY_BYTES):
                out.write(piece)
                grown(len(piece))


def _patient(answer: http.client.HTTPResponse) -> None:
    """Once the answer has begun, a short silence is no longer a reason to give up."""
    raw = getattr(answer.fp, "raw", None)
    sock = getattr(raw, "_sock", None)
    if sock is not None:
        sock.settimeout(READ_TIMEOUT_S)


def _check_name(url: str) -> None:
    """Raise SourceFailed when the host's name is not found in the time of a connect: resolvers take longer to give up.

    Not asked where a proxy does the resolving.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    found: Future[None] = Future()

    def look() -> None:
        try:
            socket.getaddrinfo(host, parts.port or 443)
            found.set_result(None)
        except OSError as error:
            found.set_exception(error)

    Thread(target=look, name="resolve", daemon=True).start()  # abandoned when it is late: it ends by itself
    try:
        found.result(CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        raise SourceFailed(f"{host} is not found: {error or 'no answer'}") from error
