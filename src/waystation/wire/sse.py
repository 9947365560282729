"""Server-sent events as bytes: cut a stream into whole events, read an event's data. What the data means is for others.

Source: the HTML standard, "Server-sent events": lines end in LF, CR or CRLF; an empty line ends an event.
"""

import re

EVENT_BYTES_MAX = 4 * 1024 * 1024
"""One event. A generated image as base64 fits."""

# Atomic, so that the two halves of a CRLF are never taken for two line ends. A CR at the very end waits: LF may follow.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r(?!\Z))")
_EVENT_END_AT_LAST = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LONGEST_END = 4
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """An event is longer than its bound."""


class Framer:
    """Cuts what arrives into whole events, each with the empty line that ends it. Feed it pieces of any size."""

    __slots__ = ("_rest", "_searched", "event_bytes_max")

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._rest = bytearray()
        self._searched = 0  # so much of the rest surely holds no end: long events in small pieces stay linear
        self.event_bytes_max = event_bytes_max

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are whole now. Raises EventTooLarge."""
        if not self._rest and data.endswith(b"\n\n") and b"\r" not in data:
            parts = data.split(b"\n\n")
            # A third line feed would begin the next event, and the last part would not be empty.
            if not parts.pop() and len(data) <= self.event_bytes_max:
                return [data] if len(parts) == 1 else [part + b"\n\n" for part in parts]
        return self._cut(data, _EVENT_END)

    def finish(self) -> list[bytes]:
        """The stream has ended: an event that waited for an LF after its last CR is whole. `rest` is what is not."""
        return self._cut(b"", _EVENT_END_AT_LAST)

    @property
    def rest(self) -> bytes:
        """What has arrived of an event that is not whole."""
        return bytes(self._rest)

    def _cut(self, data: bytes, end: re.Pattern[bytes]) -> list[bytes]:
        rest = self._rest
        rest += data
        events = []
        begin = 0
        for match in end.finditer(rest, self._searched):
            events.append(bytes(rest[begin : match.end()]))
            begin = match.end()
        del rest[:begin]
        self._searched = max(0, len(rest) - _LONGEST_END)
        if len(rest) > self.event_bytes_max or any(len(event) > self.event_bytes_max for event in events):
            raise EventTooLarge(f"an event is longer than {self.event_bytes_max} bytes")
        return events


def data_of(event: bytes) -> bytes:
    """The data of one event, its lines joined by LF. Empty when it has none, as a comment."""
    if event.startswith(b"data: ") and event.find(b"\n", 6) == len(event) - 2 and b"\r" not in event:
        return event[6:-2]
    lines = []
    for line in _LINE_END.split(event.removeprefix(_BYTE_ORDER_MARK)):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
