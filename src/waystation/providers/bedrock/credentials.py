"""What Bedrock knows us by: a pair of AWS keys that sign each request, or a Bedrock API key that is sent along."""

import re
from typing import Any

import msgspec

from waystation.providers.bedrock.sigv4 import Keys
from waystation.terms import Secret

_WORDS = (
    "as `ACCESS:SECRET`, `ACCESS:SECRET:TOKEN`, JSON with `access_key_id` and `secret_access_key`, or a Bedrock API key"
)
_ACCESS = re.compile(r"[A-Za-z0-9_]{8,128}")
_BEARER = re.compile(r"[A-Za-z0-9+/=_.~-]{8,4096}")
_NAMES = {
    "access": ("access_key_id", "aws_access_key_id", "AccessKeyId"),
    "secret": ("secret_access_key", "aws_secret_access_key", "SecretAccessKey"),
    "token": ("session_token", "aws_session_token", "SessionToken", "Token"),
}


def read_secret(secret: Secret) -> Keys | str:
    """The keys in a credential's secret, or the Bedrock API key that it is. Raises ValueError, which holds nothing of it."""
    text = secret.reveal().strip()
    if text.startswith("{"):
        return _from_json(text)
    if ":" in text:
        access, _, rest = text.partition(":")
        key, _, token = rest.partition(":")  # a secret has no colon
        return _checked(access, key, token or None)
    if not _BEARER.fullmatch(text):
        raise ValueError(f"a credential of Bedrock is given {_WORDS}")
    return text


def _from_json(text: str) -> Keys:
    try:
        said: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"this credential of Bedrock is no valid JSON; give it {_WORDS}") from None
    found = {part: next((said[name] for name in names if said.get(name)), None) for part, names in _NAMES.items()}
    return _checked(found["access"], found["secret"], found["token"])


def _checked(access: Any, key: Any, token: Any) -> Keys:
    whole = isinstance(access, str) and isinstance(key, str) and (token is None or isinstance(token, str))
    if not whole or not _ACCESS.fullmatch(access) or not key or not (key + (token or "")).isprintable():
        raise ValueError(f"a credential of Bedrock is given {_WORDS}")
    return Keys(access, key, token)
