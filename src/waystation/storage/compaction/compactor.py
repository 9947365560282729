"""A call of /v1/responses/compact: its model is asked for a summary as for any response, and what comes back is sealed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from waystation.dialects.responses.echo import usage_of
from waystation.errors import ContextLengthExceeded, InvalidRequest, ServiceUnavailable, UpstreamFailed
from waystation.gateway.call import Call
from waystation.storage.compaction.sealing import Compactions, is_compaction_of_ours
from waystation.storage.compaction.words import asked, is_kept
from waystation.terms import Caller, Done, Event, Model, Rung, Usage
from waystation.wire.compaction import CompactedResponse, CompactRequest
from waystation.wire.items import Item, named_items
from waystation.wire.responses import ResponsesRequest

SUMMARY_TOKENS_MAX = 8_192
"""Of output, thoughts among it: a small model that finds no end is ended."""

Answer = Callable[[Call], AsyncGenerator[Event]]
Recall = Callable[[str, Any], Awaitable[list[Item]]]
"""(project_id, request) → all items that the request names or has, in order. Raises NotFound, InvalidRequest."""


class Clock(Protocol):
    def now_s(self) -> int: ...


class Compactor:
    """Keeps nothing: what is made of a conversation goes to the caller, who sends it with the next request."""

    def __init__(
        self,
        recall: Recall,
        compactions: Compactions,
        clock: Clock,
        new_id: Callable[[str], str],
        *,
        resolve: Callable[[Call, Caller], Model],
        body_bytes_max: int,
    ) -> None:
        self._recall = recall
        self._compactions = compactions
        self._clock = clock
        self._new_id = new_id
        self._resolve = resolve
        self._body_bytes_max = body_bytes_max

    async def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        """One Done with the compacted conversation. Raises InvalidRequest, and as the answer does."""
        request: CompactRequest = call.request
        self._compactions.check()
        items = await self._recall(caller.project_id, request)
        if not items:
            raise InvalidRequest("There is nothing to compact: the input has no items.", param="input")
        told = self._compactions.opened(caller.project_id, items)
        self._ask(call, caller, told, request)
        async with aclosing(answer(call)) as events:
            async for event in events:
                if type(event) is not Done:
                    continue
                if call.rung is Rung.STATIC:  # words for when nobody answers are no summary of anything
                    raise ServiceUnavailable("No model could summarise the conversation now. Try again.")
                call.ignored += request.unused
                yield self._compacted(call, caller, items, event)

    def _ask(self, call: Call, caller: Caller, told: list[Item], request: CompactRequest) -> None:
        """Make of the call one for a summary. Raises ContextLengthExceeded."""
        notes, served = call.notes, call.served
        most = self._resolve(call, caller).abilities.output_tokens_max
        call.notes, call.served = notes, served  # the way resolves it once more, and says then what there is to say
        instructions, text = asked(told, request.instructions)
        content = [{"type": "input_text", "text": text}]
        members = {
            "model": request.model,
            "instructions": instructions,
            "input": [{"type": "message", "role": "user", "content": content}],
            "max_output_tokens": min(SUMMARY_TOKENS_MAX, most),
            "store": False,
            "prompt_cache_key": request.prompt_cache_key,
            "prompt_cache_retention": request.prompt_cache_retention,
            "prompt_cache_options": request.prompt_cache_options,
            "service_tier": request.service_tier,
        }
        said = {name: value for name, value in members.items() if value is not None}
        call.request = msgspec.convert(said, ResponsesRequest)
        call.body = msgspec.json.encode(said)
        call.answer_id = self._new_id("resp_")
        if len(call.body) > self._body_bytes_max:
            raise ContextLengthExceeded(
                f"The conversation has {len(call.body)} bytes; at most {self._body_bytes_max} can be compacted at once. "
                "Compact its beginning first, then go on with what comes of it.",
                param="input",
            )

    def _compacted(self, call: Call, caller: Caller, items: list[Item], done: Done) -> Done:
        """Raises UpstreamFailed for an answer without a word in it."""
        summary = _summary(done.data)
        if not summary.strip():
            raise UpstreamFailed("The model gave no summary of the conversation. Try again, or use another model.")
        kept = [item for item in items if is_kept(item) and not is_compaction_of_ours(item)]
        sealed = self._compactions.seal(caller.project_id, summary)
        item = {"id": self._new_id("cmp_"), "type": "compaction", "encrypted_content": sealed}
        made = CompactedResponse(
            id=call.answer_id,
            created_at=self._clock.now_s(),
            output=[*named_items(kept, self._new_id), item],
            usage=usage_of(done.usage or Usage()),
        )
        return msgspec.structs.replace(done, data=msgspec.json.encode(made), tail=None)


class _Response(msgspec.Struct):
    output: list[Item] = []


_read = msgspec.json.Decoder(_Response).decode


def _summary(body: bytes) -> str:
    """The words of a response's messages."""
    parts = [
        part
        for item in _read(body).output
        if item.get("type") == "message"
        for part in item.get("content") or ()
        if part.get("type") == "output_text"
    ]
    return "\n\n".join(part["text"] for part in parts)
