"""What remembers, on a database of its own, with a model whose words a test says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.storage.compaction.sealing import Compactions
from waystation.storage.conversations.service import Conversations
from waystation.storage.responses.keeping import ResponsesKeeper
from waystation.storage.responses.model import Row
from waystation.storage.responses.service import Responses
from waystation.storage.vault import Vault
from waystation.terms import Abilities, Caller, Deployment, Dialect, Done, Event, Model, Operation, Piece, Usage
from waystation.testing.clock import FakeClock
from waystation.wire.listing import LIMIT_MAX, Page
from waystation.wire.responses import read_response

DAY_S = 86_400
ALICE, BOB = Caller("key_a", "proj_a", "org"), Caller("key_b", "proj_b", "org")


class Kept:
    """A keeper, and what the model was given last (`given`)."""

    def __init__(self, database: Database, vault: Vault | None = None, context: int = 1_000, **bounds: Any) -> None:
        self.database = database
        self.clock = FakeClock()
        self.ids = Ids()
        vault = vault or Vault()
        self.conversations = Conversations(self.clock, self.ids.new, vault)
        self.responses = Responses(self.clock, self.ids.new, vault, self.conversations)
        self.compactions = Compactions(lambda: bytes(32))
        self.counted = 0
        self.model = model = Model(
            "m",
            Deployment("local/m", "local", "m"),
            Abilities(frozenset((Operation.CHAT,)), context, context),
            None,
        )
        self.keeper = ResponsesKeeper(
            database,
            self.responses,
            self.conversations,
            self.clock,
            self.ids.new,
            resolve=lambda call, caller: model,
            count=self._count,
            compactions=self.compactions,
            days=30,
            body_bytes_max=bounds.get("body_bytes_max", 1_000_000),
        )
        self.given: dict[str, Any] = {}
        self.ignored: tuple[str, ...] = ()

    def _count(self, text: str, model: str) -> int:
        self.counted += 1
        return len(text.split())

    async def ask(
        self,
        text: Any,
        reply: str = "Aye.",
        *,
        caller: Caller = ALICE,
        breaks: ApiError | None = None,
        output: Sequence[dict[str, Any]] | None = None,
        meets: asyncio.Barrier | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        """Ask, and have `reply` answered. `breaks`: after the first item of a stream. `meets`: whom the model waits for first."""
        body = msgspec.json.encode({"model": "m", "input": text, **given})
        call = Call(Operation.CHAT, "req", body, read_response(body), None, {}, "", 0, Dialect.RESPONSES)
        events = self.keeper.answered(call, caller, lambda call: self._answer(call, reply, breaks, output, meets))
        data = [event async for event in events][-1].data
        if call.request.stream:
            data = data.split(b"data: ")[-1].strip()
            return dict(msgspec.json.decode(data)["response"])
        return dict(msgspec.json.decode(data))

    async def _answer(
        self,
        call: Call,
        reply: str,
        breaks: ApiError | None,
        output: Sequence[dict[str, Any]] | None,
        meets: asyncio.Barrier | None,
    ) -> AsyncGenerator[Event]:
        if meets is not None:
            await meets.wait()
        self.given = msgspec.json.decode(call.body)
        assert call.request.items == self.given["input"]
        message = {
            "type": "message",
            "id": self.ids.new("msg_"),
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": reply, "annotations": []}],
        }
        begun = {
            "id": call.answer_id,
            "object": "response",
            "status": "in_progress",
            "model": "m",
            "output": [],
            "previous_response_id": call.request.previous_response_id,
        }
        ended = begun | {"status": "completed", "output": [message] if output is None else output}
        if not call.request.stream:
            if breaks is not None:
                raise breaks
            yield Done(msgspec.json.encode(ended), Usage())
            return
        yield Piece(event("response.created", response=begun))
        yield Piece(event("response.output_item.done", item=message))
        if breaks is not None:
            raise breaks
        yield Done(event("response.completed", response=ended), Usage())

    async def row(self, response_id: str, caller: Caller = ALICE) -> Row:
        return await self.database.read(lambda c: self.responses.retrieve(c, caller.project_id, response_id))

    async def texts_of_input(self, response_id: str) -> list[str]:
        page = Page("", LIMIT_MAX, ascending=True)
        read = partial(self.responses.input_items, project_id=ALICE.project_id, response_id=response_id, page=page)
        return texts(await self.database.read(read))

    async def delete(self, response_id: str) -> None:
        await self.database.write(lambda c: self.responses.delete(c, ALICE.project_id, response_id))

    async def sweep(self, most: int = 100) -> int:
        return await self.database.write(lambda c: self.responses.sweep(c, self.clock.now_s(), most))

    @property
    def read(self) -> list[str]:
        """The texts that the model was given last."""
        return texts(self.given["input"])


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def texts(items: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for item in items:
        content: Any = item.get("content", item.get("output", item.get("arguments")))
        found.append(content if isinstance(content, str) else content[0]["text"])
    return found


def kept(folder: Path, story: Callable[[Kept], Awaitable[None]], **given: Any) -> None:
    async def run() -> None:
        database = Database.open(f"sqlite:///{folder / 'w.db'}")
        try:
            async with asyncio.timeout(30):
                await story(Kept(database, **given))
        finally:
            database.close()

    asyncio.run(run())
