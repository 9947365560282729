"""The journal's records and how they lie in its file: a checksum and a JSON array, one line each.

Records are tuples, because a call makes two of them. The first field is the kind, the second the request:

- HOLD: written before anything is dispatched, with all that recovery needs. Fields: `HoldRecord`.
- EXTEND: a growing answer holds more: (kind, request_id, held_nano in all).
- PROGRESS: how much of a streamed answer has come so far: (kind, request_id, pieces, text_bytes).
- SETTLE: what was used and what it costs: the row of the usage table (but its entry), who pays, and the funds that it was
  held from. Fields: `SETTLE_FIELDS`.
- VOID: nothing was used: (kind, request_id).
"""

from binascii import hexlify
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec

Record = tuple[Any, ...]

HOLD, EXTEND, PROGRESS, SETTLE, VOID = "h", "x", "p", "s", "v"

SETTLE_FIELDS = (
    "kind",
    "request_id",
    "at",
    "organization_id",
    "project_id",
    "key_id",
    "operation",
    "model",
    "currency",
    "deployment",
    "end_user",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "estimated",
    "status",
    "cost_nano",
    "variance_nano",
    "duration_ms",
    "stream",
    "payer",
    "flagged",
    "tier",
    "extra",
    "funds",
)
_FIELDS = {HOLD: 19, EXTEND: 3, PROGRESS: 4, SETTLE: len(SETTLE_FIELDS), VOID: 2}
# Records of 0.1.0 before there were budgets: what they lack.
_ADDED: dict[tuple[str, int], Record] = {(HOLD, 17): (0, ()), (SETTLE, 22): (0, None, None, ())}

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


class HoldRecord(msgspec.Struct, array_like=True, frozen=True):
    """A hold as the journal has it."""

    kind: str
    request_id: str
    at: int
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    currency: str
    deployment: str
    end_user: str | None
    body_bytes: int
    held_nano: int
    stream: int
    payer: str
    input_nano_per_million: int
    output_nano_per_million: int
    request_nano: int  # for the call itself
    funds: tuple[int, ...]  # each of which it holds `held_nano` of


def line(record: Record) -> bytes:
    """A record as it is written."""
    data = encode(record)
    return hexlify(crc32(data).to_bytes(4, "big")) + b" " + data + b"\n"  # half the time of a format with %08x


def read_lines(data: bytes) -> Iterator[tuple[int, Record | None]]:
    """The records of a segment and where each ends; None for a line that is torn or damaged.

    A segment ends with the zeros that were set aside for it. A last line without its end is what a crash leaves.
    """
    start = 0
    data = data.rstrip(b"\0")
    while start < len(data):
        newline = data.find(b"\n", start)
        end = len(data) if newline < 0 else newline
        yield end + 1, _read(data[start:end]) if newline >= 0 else None
        start = end + 1


def _read(text: bytes) -> Record | None:
    text = text.lstrip(b"\0")  # a page that a power cut lost may come before a line that it kept
    if text[:9] != b"%08x " % crc32(text[9:]):
        return None
    record = tuple(_decode(text[9:]))
    record += _ADDED.get((record[0], len(record)), ())
    return record if len(record) == _FIELDS.get(record[0]) else None
