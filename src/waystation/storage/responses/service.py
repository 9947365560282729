"""Verbs on responses; each runs in one transaction that its caller makes."""

from collections.abc import Callable
from typing import Protocol

from waystation.storage.vault import Vault


class Clock(Protocol):
    def now_s(self) -> int: ...


class Responses:
    def __init__(self, clock: Clock, new_id: Callable[[str], str], vault: Vault) -> None:
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
