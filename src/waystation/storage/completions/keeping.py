"""A chat with `store: true`: its answer is kept when it has come to its end."""

from collections.abc import AsyncGenerator, Callable

from waystation.gateway.call import Call
from waystation.terms import Caller, Event

Answer = Callable[[Call], AsyncGenerator[Event]]


class CompletionsKeeper:
    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        return answer(call)
