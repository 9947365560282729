"""What the readers of streamed answers have in common: what was good before a fault is still handed on."""

from collections.abc import Iterable
from typing import Annotated, Generic, TypeVar

import msgspec

from waystation.dialects.saying import BadAnswer, ErrorInAnswer, Saying

TOKENS_MAX = 2**63 - 1
"""What a database column takes."""

Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
"""A count that a provider gives. What is none makes no usage, never a free call."""

Event = TypeVar("Event")


class StreamReader(Generic[Event]):
    """A reader that cuts what arrives into events and reads one after the other.

    A fault after good events waits until `finish`: the reader of the answer gets everything that came before it.
    """

    def __init__(self) -> None:
        self.over = False
        self._fault: BadAnswer | ErrorInAnswer | None = None

    def feed(self, data: bytes) -> list[Saying]:
        """What is whole now. Raises BadAnswer, ErrorInAnswer."""
        return self._read_all(self._cut(data))

    def finish(self) -> list[Saying]:
        """Nothing more comes. Raises as `feed` does, and BadAnswer when the answer isn't whole."""
        if self._fault is not None:
            raise self._fault
        return self._rest()

    def _read_all(self, events: Iterable[Event]) -> list[Saying]:
        sayings: list[Saying] = []
        try:
            for event in events:
                self._read(event, sayings)
        except (BadAnswer, ErrorInAnswer) as fault:
            if not sayings:
                raise
            self._fault, self.over = fault, True
        return sayings

    def _cut(self, data: bytes) -> Iterable[Event]:
        """The events that are whole with `data`. Raises BadAnswer."""
        raise NotImplementedError

    def _read(self, event: Event, sayings: list[Saying]) -> None:
        """Add what an event says. Raises BadAnswer, ErrorInAnswer."""
        raise NotImplementedError

    def _rest(self) -> list[Saying]:
        """The end: what is said only then. Raises BadAnswer when something is missing."""
        raise NotImplementedError
