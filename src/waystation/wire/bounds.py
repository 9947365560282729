"""How deep and how long the JSON of a request may be; checked after it was decoded, before anything walks through it.

The sizes of bodies and heads are the door's business.
"""

import re
from typing import Any

import msgspec

from waystation.errors import InvalidRequest

JSON_DEPTH_MAX = 64  # levels of arrays and objects
JSON_DIGITS_MAX = 256  # digits in a row in a number; an integer of 64 bits has 19

_SAMPLE_STEP = 32
_COUNTED_BYTES_MAX = 4096
# A run of more than JSON_DIGITS_MAX digits covers at least this many samples in a row.
_SAMPLES = b"0" * (JSON_DIGITS_MAX // _SAMPLE_STEP)
_DIGITS = b"0" * (JSON_DIGITS_MAX + 1)
_DIGIT_CLASS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x2E for byte in range(256))
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def check_bounds(body: bytes) -> None:
    """Refuse JSON that is nested too deeply, has absurdly long numbers, or is not UTF-8. Linear in the body's size.

    `body` is JSON that msgspec has accepted; it looks neither for the encoding of what it skips nor for depth.
    """
    if _SAMPLES in body[::_SAMPLE_STEP].translate(_DIGIT_CLASS) and _has_long_number(body):
        raise long_number()
    # Most bodies, whatever their size, have so few brackets that they can't be too deep.
    if _has_many_openers(body):
        decode_any(body)  # which finds what is not UTF-8 too
    elif not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise not_json(f"it is not UTF-8 at byte {error.start}") from None


def decode_any(body: bytes) -> Any:
    """Any JSON as Python objects. Raises InvalidRequest when it is not JSON or too deep."""
    try:
        data = msgspec.json.decode(body)
    except RecursionError:
        raise too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_json(str(error)) from None
    level = [data] if type(data) is dict or type(data) is list else []
    for _ in range(JSON_DEPTH_MAX):
        if not level:
            return data
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) is dict or type(value) is list
        ]
    if level:
        raise too_deep()
    return data


def not_json(reason: str) -> InvalidRequest:
    """The 400 for what is no JSON; OpenAI's sentence, then what is wrong."""
    return InvalidRequest(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
        f"correctly. The API expects a JSON payload, but what was sent was not valid JSON: {reason}.)"
    )


def too_deep() -> InvalidRequest:
    return InvalidRequest(
        f"Invalid request body: nested too deeply. Expected at most {JSON_DEPTH_MAX} levels of arrays and objects.",
        code="nested_too_deeply",
    )


def long_number() -> InvalidRequest:
    return InvalidRequest(
        f"Invalid request body: number too long. Expected a number with at most {JSON_DIGITS_MAX} digits.",
        code="number_too_long",
    )


def _has_many_openers(body: bytes) -> bool:
    if len(body) <= _COUNTED_BYTES_MAX:
        return body.count(b"{") + body.count(b"[") > JSON_DEPTH_MAX
    # Finding stops at the bound and skips text at the speed of memory; counting would look at every byte.
    found = 0
    for opener in (b"{", b"["):
        at = body.find(opener)
        while at >= 0:
            found += 1
            if found > JSON_DEPTH_MAX:
                return True
            at = body.find(opener, at + 1)
    return False


def _has_long_number(body: bytes) -> bool:
    return _DIGITS in _STRING.sub(b"", body).translate(_DIGIT_CLASS)
