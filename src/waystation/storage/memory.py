"""The stage of the way that remembers: which kind of call is kept, or refers to what is, and who sees to it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from waystation.gateway.call import Call
from waystation.storage.files.inline import Inliner
from waystation.terms import Caller, Dialect, Event
from waystation.wire.compaction import CompactRequest

Answer = Callable[[Call], AsyncGenerator[Event]]


class Keeper(Protocol):
    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]: ...


class Memory:
    """`responses` sees to calls of the Responses API, `completions` to chats with `store: true`, `compactor` to what is to be
    made short.

    `files`: puts the contents of files that a call names into it; last, so that what is kept names them still.
    """

    def __init__(self, responses: Keeper, completions: Keeper, compactor: Keeper, files: Inliner | None = None) -> None:
        self._files = files
        self._responses = responses
        self._completions = completions
        self._compactor = compactor

    def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        answer = answer if self._files is None else self._with_files(caller, answer)
        if not call.request.remembers:
            return answer(call)
        return self._keeper(call).answered(call, caller, answer)

    def _keeper(self, call: Call) -> Keeper:
        if call.dialect is not Dialect.RESPONSES:
            return self._completions
        return self._compactor if isinstance(call.request, CompactRequest) else self._responses

    def _with_files(self, caller: Caller, answer: Answer) -> Answer:
        files = self._files
        assert files is not None

        async def answered(call: Call) -> AsyncGenerator[Event]:
            await files.put_in(call, caller.project_id)
            async with aclosing(answer(call)) as events:
                async for event in events:
                    yield event

        return answered
