"""AWS's event stream framing (`application/vnd.amazon.eventstream`): cut bytes into checked messages.

A message is: length of all (4 bytes), length of its headers (4), CRC-32 of these eight (4), headers, payload, CRC-32 of all
before it (4); numbers are big-endian. A header is: length of its name (1), name, type (1), value.
Source: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html and the Smithy specification,
https://smithy.io/2.0/aws/amazon-eventstream.html, November 2026.
"""

import struct
from typing import NamedTuple
from zlib import crc32

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Of a whole message; the format allows 24 MiB, and a model's delta has some hundred bytes."""
_HEADERS_BYTES_MAX = 128 * 1024
_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD = _PRELUDE.size + _CRC.size

_STRING = 7
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of the values of these types: booleans, integers, a timestamp, a UUID."""
_COUNTED = (6, _STRING)  # bytes and strings say their length in two bytes


class Message(NamedTuple):
    headers: dict[str, str]  # those that are strings; events have no others that matter
    payload: bytes


class BadMessage(ValueError):
    """What arrived is no message. The text says nothing of what it holds."""


class Decoder:
    """Feed it pieces of any size; it gives the messages that are whole."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def is_clean(self) -> bool:
        """Nothing of another message has arrived."""
        return not self._rest

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole now. Raises BadMessage: what follows can't be found then."""
        self._rest += data
        messages = []
        begin = 0
        while len(self._rest) - begin >= _PRELUDE.size:
            size, headers_size = _prelude(self._rest, begin)
            if len(self._rest) - begin < size:
                break
            messages.append(_message(bytes(self._rest[begin : begin + size]), headers_size))
            begin += size
        del self._rest[:begin]
        return messages


def _prelude(data: bytearray, begin: int) -> tuple[int, int]:
    """The lengths of the message and of its headers, checked before anything is waited for."""
    size, headers_size, crc = _PRELUDE.unpack_from(data, begin)
    if crc32(data[begin : begin + 8]) != crc:
        raise BadMessage("the checksum of a message's prelude is wrong")
    if size > MESSAGE_BYTES_MAX or headers_size > _HEADERS_BYTES_MAX:
        raise BadMessage(f"a message is longer than {MESSAGE_BYTES_MAX} bytes")
    if size < _OVERHEAD + headers_size:
        raise BadMessage("a message is shorter than its headers")
    return size, headers_size


def _message(data: bytes, headers_size: int) -> Message:
    body, (crc,) = memoryview(data)[: -_CRC.size], _CRC.unpack_from(data, len(data) - _CRC.size)
    if crc32(body) != crc:
        raise BadMessage("the checksum of a message is wrong")
    end = _PRELUDE.size + headers_size
    try:
        headers = _headers(data[_PRELUDE.size : end])
    except (IndexError, UnicodeDecodeError, struct.error):
        raise BadMessage("a message's headers are malformed") from None
    return Message(headers, data[end : -_CRC.size])


def _headers(data: bytes) -> dict[str, str]:
    headers = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        if kind in _COUNTED:
            size = struct.unpack_from(">H", data, at)[0]
            at += 2
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise IndexError
        value = data[at : at + size]
        if len(value) != size:
            raise IndexError
        if kind == _STRING:
            headers[name] = value.decode()
        at += size
    return headers
