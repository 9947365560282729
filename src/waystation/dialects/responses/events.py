"""The events of a streamed response: numbered from 0, each with its name in front."""

import re
from typing import Any

import msgspec

_encode = msgspec.json.encode

NOT_PLAIN = re.compile(
    rb'"type"\s*:\s*"response\.'
    rb'(?!created"|queued"|in_progress"|output_item\.added"|content_part\.added"|output_text\.delta")'
    rb'|"item"\s*:\s*\{[^{}]*"type"\s*:\s*"(?!message")'
    rb'|"part"\s*:\s*\{[^{}]*"type"\s*:\s*"(?!output_text")'
    rb'|"type"\s*:\s*"error"|"logprobs"\s*:\s*\[\s*[^\]\s]'
)
"""Found in events that say something else than text (`dialects/table.py`). In a text their quotes would have a backslash."""


class Events:
    """Frames events and counts them. `next_number`: of the next one."""

    __slots__ = ("next_number", "out")

    def __init__(self) -> None:
        self.next_number = 0
        self.out: list[bytes] = []

    def add(self, kind: str, **members: Any) -> None:
        self.add_encoded(kind, _encode(members))

    def add_encoded(self, kind: str, members: bytes) -> None:
        """An event of these members, which are the JSON of an object that is not empty."""
        name = kind.encode()
        self.out.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b\n\n' % (name, name, self.next_number, members[1:])
        )
        self.next_number += 1

    def take(self) -> bytes:
        """The events since the last time, as they go out."""
        data, self.out = b"".join(self.out), []
        return data
