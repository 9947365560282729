"""Writes AWS's event stream framing, for fakes of Bedrock. What reads it is `dialects/converse/eventstream.py`."""

import json
import struct
from typing import Any
from zlib import crc32

_STRING = 7


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with string headers."""
    lines = b"".join(_header(name, value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(lines) + len(payload), len(lines))
    data = prelude + struct.pack(">I", crc32(prelude)) + lines + payload
    return data + struct.pack(">I", crc32(data))


def event(kind: str, content: dict[str, Any]) -> bytes:
    """An event as Bedrock sends it."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(content, separators=(",", ":")).encode())


def exception(kind: str, content: dict[str, Any]) -> bytes:
    """An exception in a stream, as `throttlingException`."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps(content).encode())


def _header(name: str, value: bytes) -> bytes:
    written = name.encode()
    return bytes((len(written),)) + written + bytes((_STRING,)) + struct.pack(">H", len(value)) + value
