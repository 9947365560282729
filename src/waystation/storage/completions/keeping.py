"""A chat with `store: true`: its answer is kept when it has come to its end.

It goes out under an id of ours: a provider's could be there twice, and ours are in the order of time. We keep it, so the
provider is not asked to: `store` and `metadata` stay here.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import msgspec

from waystation.gateway.call import Call
from waystation.storage.completions.model import Body, Fold, StoredCompletion, renamed, stored_body
from waystation.storage.completions.service import Clock, StoredCompletions
from waystation.terms import Caller, Done, Event, Piece, Usage
from waystation.wire.endings import usage_object
from waystation.wire.splice import take_apart
from waystation.wire.sse import Framer

log = logging.getLogger("waystation.storage")

DAY_S = 86_400
Answer = Callable[[Call], AsyncGenerator[Event]]
T = TypeVar("T")
_decode = msgspec.json.Decoder(Body).decode


class Database(Protocol):
    async def write(self, fn: Callable[[Any], T], *, durable: bool = False) -> T: ...


class CompletionsKeeper:
    def __init__(
        self,
        database: Database,
        completions: StoredCompletions,
        clock: Clock,
        new_id: Callable[[str], str],
        keep_days: int,
    ) -> None:
        self._database = database
        self._completions = completions
        self._clock = clock
        self._new_id = new_id
        self._keep_s = keep_days * DAY_S

    async def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        """Kept before Done is handed on; of a client who leaves before, nothing is. Raises ServiceUnavailable."""
        asked = _decode(call.body)
        call.answer_id = completion_id = self._new_id("chatcmpl-")
        call.body = _for_the_provider(call.body)
        fold, framer = Fold(completion_id), Framer()
        async with aclosing(answer(call)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield Piece(fold.feed(framer.feed(event.data)), event.text)
                    continue
                if call.request.stream:
                    done, whole = _end_of_stream(event, fold, framer)
                else:
                    done, whole = _whole(event, completion_id)
                if whole is None:
                    log.warning("%s is not kept: its answer is not whole", call.request_id)
                else:
                    await self._keep(call, caller, asked, whole)
                yield done

    async def _keep(self, call: Call, caller: Caller, asked: Body, whole: Body) -> None:
        now = self._clock.now_s()
        made = StoredCompletion(
            whole["id"],
            caller.project_id,
            str(whole.get("model") or call.request.model),
            asked.get("metadata") or {},
            stored_body(whole, asked, call.request_id),
            msgspec.json.encode(asked["messages"]),
            now,
            now + self._keep_s,
        )
        await self._database.write(lambda connection: self._completions.keep(connection, made), durable=True)


def _for_the_provider(body: bytes) -> bytes:
    members = take_apart(body, frozenset(("store", "metadata")))
    members.pop("store", None)
    members.pop("metadata", None)  # OpenAI takes it with `store` alone
    return msgspec.json.encode(members)


def _end_of_stream(done: Done, fold: Fold, framer: Framer) -> tuple[Done, Body | None]:
    """Its usage is final by now, so what its tail would be made of is known."""
    data = done.data if done.tail is None else done.data + done.tail(done.usage or Usage())
    data = fold.feed([*framer.feed(data), *framer.finish()]) + framer.rest
    return _again(done, data), _with_usage(fold.whole(), done)


def _whole(done: Done, completion_id: str) -> tuple[Done, Body | None]:
    try:
        whole = _decode(done.data)
        if not isinstance(whole.get("choices"), list):
            return done, None
        return _again(done, renamed(done.data, completion_id)), _with_usage(whole | {"id": completion_id}, done)
    except ValueError:  # no JSON that can be read: it goes out as it is
        return done, None


def _again(done: Done, data: bytes) -> Done:
    return Done(data, done.usage, done.cost_nano, done.currency)


def _with_usage(whole: Body | None, done: Done) -> Body | None:
    if whole is not None and whole.get("usage") is None and done.usage is not None:
        whole["usage"] = usage_object(done.usage)
    return whole
