"""A call of the Responses API: what it refers to is put into its body before, its answer is kept after."""

from collections.abc import AsyncGenerator, Callable

from waystation.gateway.call import Call
from waystation.terms import Caller, Event

Answer = Callable[[Call], AsyncGenerator[Event]]


class ResponsesKeeper:
    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        return answer(call)
