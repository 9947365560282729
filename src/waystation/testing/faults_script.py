"""Which fault meets which call: a small language for scripts of faults, and its reading. Pure; chance and time are given.

drop_mid:3*2, none            the first two streams break after three words, from then on all is well
share:0.3:status:503          of all calls at random 30 % get a 503
flap:10:5:status:500          10 s well, 5 s failing, again and again
key:sk-bad:status:401         only who shows this key is refused; what comes after a comma meets the others
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

FAULTS = {
    "none": "all is well",
    "reset_accept": "the connection is reset as soon as it is made",
    "reset_before_head": "reset when the request has been read",
    "reset_after_head": "reset after the answer's head",
    "hang_accept": "nothing is read and nothing said",
    "hang_head": "the request is read, and nothing said",
    "hang_first_byte": "the head, then nothing",
    "hang_mid": "N words (3), then nothing",
    "drop_mid": "N words (3), then the connection is closed",
    "reset_mid": "N words (3), then it is reset",
    "error_mid": "N words (3), then an error as an event",
    "tool_mid": "N words (3), then a tool call begins, then the connection is closed (chats)",
    "split": "every byte of a stream by itself, so also in the middle of letters",
    "malformed": "an event that is no JSON in the middle of a stream; of a whole answer half of its JSON",
    "html": "a web page with status 200",
    "length_short": "a content-length that is less than the body",
    "length_long": "one that is more, and then the connection is closed",
    "drip": "N milliseconds (20) before each word",
    "gzip": "the answer is compressed",
    "http10": "HTTP/1.0: no length, ended by closing",
    "duplicated": "every header twice",
    "usage_missing": "not a word about usage",
    "usage_wrong": "a usage that makes no sense",
    "status": "an error with status N (500)",
    "limit": "429 with both headers that say when to come again, in N milliseconds (1000)",
    "no_finish": "a stream that ends without saying why",
}


AT_ACCEPT = ("reset_accept", "hang_accept")


class BadScript(ValueError):
    """The script can't be read; the text says where."""


@dataclass(frozen=True)
class Fault:
    """A fault with its number (words, milliseconds or a status), if it has one."""

    name: str
    number: int | None = None


WELL = Fault("none")


@dataclass
class _Item:
    fault: Fault
    times: int | None = None
    share: float = 1.0
    well_s: float = 0.0
    failing_s: float = 0.0
    key: str | None = None

    @property
    def plain(self) -> bool:
        return self.share >= 1.0 and not self.failing_s and self.key is None


@dataclass
class Script:
    """Ask it for each call. Items in turn, the last one from then on; `share`, `flap` and `key` go to the next item where
    they do not hold, and are never used up."""

    items: list[_Item]
    chance: Callable[[], float] = random.random
    _used: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, seed: int | None = None) -> "Script":
        """Raises BadScript."""
        items = [_item(part.strip()) for part in text.split(",") if part.strip()]
        for item in items[:-1]:
            if item.plain and item.times is None:
                item.times = 1
        return cls(items, random.random if seed is None else random.Random(seed).random)

    @property
    def at_accept(self) -> bool:
        """Whether any fault of it comes before a request is read."""
        return any(item.fault.name in AT_ACCEPT for item in self.items)

    def next(self, at_s: float, key: str = "") -> Fault:
        """The fault of the call that comes now. `at_s`: since the start. `key`: what it shows."""
        for number, item in enumerate(self.items):
            if item.key is not None:
                if item.key == key:
                    return item.fault
                continue
            if item.failing_s and at_s % (item.well_s + item.failing_s) < item.well_s:
                continue
            if item.share < 1.0 and self.chance() >= item.share:
                continue
            used = self._used.get(number, 0)
            if item.times is not None and used >= item.times:
                continue
            self._used[number] = used + 1
            return item.fault
        return WELL


def read_fault(text: str) -> Fault:
    """A fault by its name, with its number: `drop_mid:3`. Raises BadScript."""
    name, _, number = text.partition(":")
    if name not in FAULTS:
        raise BadScript(f"{name!r} is no fault; there are {', '.join(FAULTS)}")
    if number and not number.isdecimal():
        raise BadScript(f"{text!r}: {number!r} is no number")
    return Fault(name, int(number) if number else None)


def _item(text: str) -> _Item:
    kind, _, rest = text.partition(":")
    try:
        if kind == "share":
            share, _, fault = rest.partition(":")
            return _Item(read_fault(fault), share=float(share))
        if kind == "flap":
            well_s, failing_s, fault = rest.split(":", 2)
            return _Item(read_fault(fault), well_s=float(well_s), failing_s=float(failing_s))
        if kind == "key":
            key, _, fault = rest.partition(":")
            return _Item(read_fault(fault), key=key)
        fault, _, times = text.partition("*")
        return _Item(read_fault(fault.strip()), times=int(times) if times else None)
    except BadScript:
        raise
    except ValueError as error:
        raise BadScript(f"{text!r} can't be read: {error}") from error
