"""Talk to a running server with nothing but the standard library: the commands must work where nothing else does."""

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LINE_BYTES_MAX = 1024 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Refused(Exception):
    """The server answered with an error. `code` and `message` are OpenAI's where the body is such an error."""

    def __init__(self, status: int, code: str | None, message: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class Unreachable(Exception):
    """No answer at all."""


class Client:
    """A base URL (with its /v1) and a key."""

    def __init__(self, base_url: str, key: str, timeout_s: float = 600.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        host = urlsplit(base_url).hostname or ""
        # A proxy of the environment is for the world outside, never for this machine.
        proxies = urllib.request.ProxyHandler({} if host in LOOPBACK else None)
        self._open = urllib.request.build_opener(proxies).open

    def get(self, path: str) -> Any:
        """Raises Refused, Unreachable."""
        with self._send(path, None) as response:
            return _parsed(response.read(BODY_BYTES_MAX))

    def post(self, path: str, body: Any) -> Any:
        """Raises Refused, Unreachable."""
        with self._send(path, body) as response:
            return _parsed(response.read(BODY_BYTES_MAX))

    def stream(self, path: str, body: Any) -> Iterator[Any]:
        """The events of a streamed answer, parsed. Raises Refused (also in mid-stream), Unreachable."""
        with self._send(path, body) as response:
            while line := _line(response):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                event = _parsed(data)
                if isinstance(event, dict) and "error" in event:
                    raise Refused(response.status, *_error(event), dict(response.headers))
                yield event
            raise Unreachable("the server ended the answer before its end")

    def _send(self, path: str, body: Any) -> HTTPResponse:
        request = urllib.request.Request(
            self.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            response: HTTPResponse = self._open(request, timeout=self._timeout_s)
            return response
        except urllib.error.HTTPError as error:
            text = error.read(BODY_BYTES_MAX)
            try:
                code, message = _error(json.loads(text))
            except ValueError:
                code, message = None, text[:200].decode("utf-8", "replace") or error.reason
            raise Refused(error.code, code, message, {k.lower(): v for k, v in error.headers.items()}) from None
        except urllib.error.URLError as error:
            raise Unreachable(str(error.reason)) from None
        except (OSError, HTTPException, ssl.SSLError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None


def _line(response: HTTPResponse) -> bytes:
    try:
        return response.readline(LINE_BYTES_MAX)
    except (OSError, HTTPException) as error:
        raise Unreachable(str(error) or type(error).__name__) from None


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Unreachable("the answer is not JSON: is this the API's base URL?") from None


def _error(body: Any) -> tuple[str | None, str]:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error.get("code"), str(error.get("message", ""))
    return None, str(error or body)[:200]


def running_server(data: Path) -> dict[str, Any] | None:
    """What the server on this data folder says of itself in server.json; None when none runs."""
    try:
        told = json.loads((data / "server.json").read_text(encoding="utf-8"))
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no file, or what a killed server left behind
    return told if isinstance(told, dict) else None


def base_url_of(data: Path, named: str | None) -> str:
    """The base URL to talk to: the one named, OPENAI_BASE_URL, this machine's server, or the default address."""
    url = named or os.environ.get("OPENAI_BASE_URL")
    if url:
        return url
    told = running_server(data)
    return f"{told['url']}/v1" if told else "http://127.0.0.1:8080/v1"
