"""What a model thought, as the `encrypted_content` of a reasoning item: it comes back in a later turn as it went out.

It is not encrypted, but opaque: a provider's own signature or hidden thoughts, which nobody else can read or make.
"""

from base64 import b64decode, b64encode
from binascii import Error

import msgspec

from waystation.dialects.ask import Reasoning

_PREFIX = "ws1."
"""Says that the content is ours, and in which version."""


class _Kept(msgspec.Struct, omit_defaults=True):
    text: str = ""
    signature: str | None = None
    redacted: str | None = None


_decode = msgspec.json.Decoder(_Kept).decode


def sealed(text: str, signature: str | None, redacted: str | None) -> str:
    """A thought as `encrypted_content`."""
    return _PREFIX + b64encode(msgspec.json.encode(_Kept(text, signature, redacted))).decode()


def opened(content: str) -> Reasoning | None:
    """The thought in an `encrypted_content`; None when it is not one of ours."""
    if not content.startswith(_PREFIX):
        return None
    try:
        kept = _decode(b64decode(content.removeprefix(_PREFIX), validate=True))
    except (Error, ValueError, msgspec.DecodeError, RecursionError):
        return None
    return Reasoning(kept.text, kept.signature, kept.redacted)
