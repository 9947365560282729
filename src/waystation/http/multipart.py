"""A form with a file in it, read as it comes in: fields whole and small, the file in pieces, nothing kept of what has passed.

python-multipart parses; here are the bounds and what a part says of itself. A form that ends before its last boundary is refused.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from waystation.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType

PARTS_MAX = 16
FIELD_BYTES_MAX = 4096
FORM_BYTES_MAX = 64 * 1024  # of a form beside its file: boundaries, heads, fields
FEED_BYTES = 64 * 1024
_BOUNDARY_BYTES_MAX = 70  # RFC 2046
_PARAMETER = re.compile(rb';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_CHARSETS = ("utf-8", "iso-8859-1")  # that RFC 5987 names


class Field(msgspec.Struct, frozen=True):
    name: str
    value: str


class Opened(msgspec.Struct, frozen=True):
    """The file begins; its content follows as bytes."""

    filename: str


Event = Field | Opened | bytes


def boundary_of(content_type: str) -> bytes:
    """Raises InvalidRequest, UnsupportedMediaType."""
    media, _, rest = content_type.partition(";")
    if media.strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType(
            f"The content-type '{media.strip()[:60]}' is not supported. Send multipart/form-data.",
            code="unsupported_content_type",
        )
    boundary = _parameters(b";" + rest.encode("latin-1", "replace")).get("boundary", b"")
    if not 1 <= len(boundary) <= _BOUNDARY_BYTES_MAX:
        raise InvalidRequest("The content-type has no valid boundary.")
    return boundary


async def read_form(stream: AsyncIterable[bytes], boundary: bytes, file_field: str) -> AsyncIterator[Event]:
    """The form's fields and its one file, in the order sent. Raises InvalidRequest, RequestTooLarge."""
    form = _Form(boundary, file_field)
    async for chunk in stream:
        for start in range(0, len(chunk), FEED_BYTES):
            for event in form.feed(chunk[start : start + FEED_BYTES]):
                yield event
    form.finish()


class _Form:
    """What the parser's callbacks fill; `feed` hands on what they made."""

    def __init__(self, boundary: bytes, file_field: str) -> None:
        self._file_field = file_field
        self._events: list[Event] = []
        self._parts = 0
        self._beside = 0  # bytes that are not of the file
        self._ended = False
        self._name = ""
        self._in_file = False
        self._seen: set[str] = set()
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._value = bytearray()
        callbacks: dict[str, Any] = {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]

    def feed(self, chunk: bytes) -> list[Event]:
        if self._ended:  # an epilogue, which RFC 2046 has ignored
            self._count(len(chunk))
            return []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The form is not valid multipart/form-data.", detail=str(error)[:200]) from None
        events, self._events = self._events, []
        self._count(len(chunk) - sum(len(event) for event in events if isinstance(event, bytes)))
        return events

    def finish(self) -> None:
        if not self._ended:
            raise InvalidRequest("The form ended before its last boundary. Send it whole.")

    def _count(self, size: int) -> None:
        self._beside += size
        if self._beside > FORM_BYTES_MAX:
            raise RequestTooLarge(f"The form has more than {FORM_BYTES_MAX} bytes beside its file.")

    def _end(self) -> None:
        self._ended = True

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise InvalidRequest(f"The form has more than {PARTS_MAX} parts.")
        self._disposition = b""
        self._value.clear()

    def _header_end(self) -> None:
        name, value = self._header
        if bytes(name).strip().lower() == b"content-disposition":
            self._disposition = bytes(value)
        name.clear()
        value.clear()

    def _headers_finished(self) -> None:
        said = _parameters(self._disposition)
        self._name = _text(said.get("name", b""), "name")
        if not self._name:
            raise InvalidRequest("A part of the form has no name.")
        if self._name in self._seen:
            raise InvalidRequest(f"The form has '{self._name[:64]}' twice.", param=self._name[:64])
        self._seen.add(self._name)
        self._in_file = self._name == self._file_field
        if self._in_file:
            self._events.append(Opened(_filename(said)))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._events.append(bytes(data[start:end]))
            return
        self._value += data[start:end]
        if len(self._value) > FIELD_BYTES_MAX:
            raise InvalidRequest(f"'{self._name[:64]}' is longer than {FIELD_BYTES_MAX} bytes.", param=self._name[:64])

    def _part_end(self) -> None:
        if not self._in_file:
            self._events.append(Field(self._name, _text(bytes(self._value), self._name[:64])))


def _parameters(value: bytes) -> dict[str, bytes]:
    """The parameters of a header's value. Of one that is there twice the first counts."""
    found: dict[str, bytes] = {}
    for name, text in _PARAMETER.findall(value):
        if text.startswith(b'"'):
            text = _unquoted(text[1:-1])
        found.setdefault(name.decode("ascii", "replace").lower(), text.strip())
    return found


def _unquoted(text: bytes) -> bytes:
    # Browsers escape a quote as %22 and leave backslashes alone (HTML's form-data rules); others write \" and \\.
    return (
        text.replace(b'\\"', b'"')
        .replace(b"\\\\", b"\\")
        .replace(b"%22", b'"')
        .replace(b"%0D", b"\r")
        .replace(b"%0A", b"\n")
    )


def _filename(said: dict[str, bytes]) -> str:
    """`filename*` of RFC 5987 where it can be read, else `filename`, which is UTF-8 by today's rules."""
    extended = said.get("filename*", b"").split(b"'", 2)
    charset = extended[0].decode("ascii", "replace").lower()
    if len(extended) == 3 and charset in _CHARSETS:
        try:
            return unquote_to_bytes(extended[2]).decode(charset)
        except UnicodeDecodeError:
            raise InvalidRequest(f"The file's name is not {charset}.", param="file", code="invalid_filename") from None
    return _text(said.get("filename", b""), "file")


def _text(value: bytes, param: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{param}' is not UTF-8.", param=param) from None
