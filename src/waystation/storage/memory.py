"""The stage of the way that remembers: which kind of call is kept, or refers to what is, and who sees to it."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from waystation.gateway.call import Call
from waystation.terms import Caller, Dialect, Event

Answer = Callable[[Call], AsyncGenerator[Event]]


class Keeper(Protocol):
    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]: ...


class Memory:
    """`responses` sees to calls of the Responses API, `completions` to chats with `store: true`."""

    def __init__(self, responses: Keeper, completions: Keeper) -> None:
        self._responses = responses
        self._completions = completions

    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        keeper = self._responses if call.dialect is Dialect.RESPONSES else self._completions
        return keeper.answered(call, caller, answer)
