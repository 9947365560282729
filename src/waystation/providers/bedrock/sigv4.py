"""AWS Signature Version 4, in the Authorization header: pure, the time is given.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, November 2026.
"""

import hmac
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """What signs. A session's keys have a token."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access!r}, '***')"


class Scope(NamedTuple):
    region: str
    service: str


def sign(
    method: str,
    authority: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    keys: Keys,
    scope: Scope,
    now_s: float,
) -> list[tuple[str, str]]:
    """The headers that sign a request, to be sent with those given; all of them and the Host are covered.

    `authority` is what the Host header will say, `target` the path with its query as they will be sent.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    added = [("x-amz-date", stamp)]
    if keys.token is not None:
        added.append(("x-amz-security-token", keys.token))
    covered = sorted((name.lower(), " ".join(value.split())) for name, value in [("host", authority), *headers, *added])
    names = ";".join(name for name, _ in covered)
    canonical = canonical_request(method, target, covered, names, body)
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{place}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(keys.secret, stamp[:8], scope), to_sign.encode(), sha256).hexdigest()
    credential = f"Credential={keys.access}/{place}"
    return [*added, ("authorization", f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}")]


def canonical_request(method: str, target: str, covered: Sequence[tuple[str, str]], names: str, body: bytes) -> str:
    """What is signed. `covered`: names in lower case, sorted, with values of single spaces."""
    path, _, query = target.partition("?")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in _pairs(query))
    return "\n".join(
        (
            method,
            quote(path or "/", safe="/-_.~"),  # once more: the target is encoded already, as for all services but S3
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{value}" for name, value in covered),
            "",
            names,
            sha256(body).hexdigest(),
        )
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)


def _signing_key(secret: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key
