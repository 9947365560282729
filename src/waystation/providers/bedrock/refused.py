"""What a refusal of Bedrock means: by the exception's name, which its status alone does not tell.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors,
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html, November 2026.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from waystation.errors import ApiError
from waystation.providers.refusals import blamed, refusal
from waystation.terms import Blame

_STATUSES = {
    "accessdenied": 403,
    "expiredtoken": 403,
    "incompletesignature": 403,
    "internalserver": 500,
    "invalidclienttokenid": 403,
    "invalidsignature": 403,
    "missingauthenticationtoken": 403,
    "modelerror": 502,  # 424 there: the model failed, not the request
    "modelnotready": 503,  # 429 there, though nobody asked too often: the model is being loaded
    "modelstreamerror": 502,
    "modeltimeout": 408,
    "notauthorized": 403,
    "optinrequired": 403,
    "requestexpired": 403,
    "resourcenotfound": 404,
    "servicequotaexceeded": 429,
    "serviceunavailable": 503,
    "throttling": 429,
    "toomanyrequests": 429,
    "unrecognizedclient": 403,
    "validation": 400,
}
"""By the exception's name in lower case, without its ending."""

_NO_MODEL = re.compile(r"model identifier is invalid|on-demand throughput|end of its life|access to the model", re.I)
_TOO_LONG = re.compile(r"input is too long|prompt is too long|too many input tokens|context (?:window|length)", re.I)
_ARN = re.compile(r"arn:aws[\w-]*:\S+")


class _Said(NamedTuple):
    kind: str
    message: str


def bedrock_refused(
    status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, secret: str, now_s: float
) -> ApiError:
    """The error for a caller of `model`. An exception in a stream comes with status 0 and its name as `__type`."""
    said = _said(headers, body)
    status = _STATUSES.get(said.kind, status or 502)
    told = msgspec.json.encode({"message": _ARN.sub("[redacted]", said.message), "type": said.kind})
    no_model = status in (400, 403, 404) and _NO_MODEL.search(said.message)
    if no_model:
        status = 404
    error = refusal(status, headers, told if said.message else body, model=model, secret=secret, now_s=now_s)
    if no_model:
        return blamed(error, Blame.MODEL)
    if error.blame is Blame.CALLER and _TOO_LONG.search(said.message):
        error.code = "context_length_exceeded"
    return error


def _said(headers: Mapping[bytes, bytes], body: bytes) -> _Said:
    said: Any = None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(body)
    said = said if isinstance(said, dict) else {}
    name = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or str(said.get("__type") or said.get("code") or "")
    name = name.partition(":")[0].rpartition("#")[2].lower()  # "com.amazon#ThrottlingException:http://…"
    message = said.get("message") or said.get("Message") or ""
    return _Said(name.removesuffix("exception"), message if isinstance(message, str) else "")
