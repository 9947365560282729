"""A call of the Responses API: what it refers to is put into its body before, its answer is kept after."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from waystation.errors import ApiError, ContextLengthExceeded, InvalidRequest, NotFound, Unsupported
from waystation.gateway.call import Call
from waystation.storage.compaction.sealing import Compactions
from waystation.storage.responses.answered import Ended, ended_of, failed_of
from waystation.storage.responses.model import Item, Row, conversation_not_found, item_not_found
from waystation.storage.responses.service import Responses
from waystation.storage.responses.truncating import fitted
from waystation.terms import Caller, Done, Event, Model, Usage
from waystation.wire.items import named_items
from waystation.wire.response_items import check_calls

T = TypeVar("T")
Answer = Callable[[Call], AsyncGenerator[Event]]

DAY_S = 86_400
COUNTED_MAX = 20_000  # texts whose number of tokens is remembered, so that a long chat isn't counted anew each turn
REFERENCES_MAX = 1_000  # items that one request may refer to
THOUGHTS_MAX = 200  # of those that a request only names, the last so many are looked up
ANSWER_TOKENS = 1_024  # room for an answer of which nobody said how long it may be; of small contexts a quarter

_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Database(Protocol):
    async def read(self, fn: Callable[[Connection], T]) -> T: ...
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...


class Clock(Protocol):
    def now_s(self) -> int: ...


class Conversations(Protocol):
    def items(self, connection: Connection, project_id: str, conversation_id: str) -> list[Item]:
        """What a model reads of it, in order. Raises NotFound."""
        ...

    def find_items(self, connection: Connection, project_id: str, item_ids: Sequence[str]) -> dict[str, Item]:
        """Items of any of the project's conversations by their ids."""
        ...


class Background(Protocol):
    def answered(
        self, call: Call, caller: Caller, queued: dict[str, Any], keep: Callable[[Connection, bytes], object]
    ) -> AsyncGenerator[Event]:
        """Have it answered later, and the events of now. `keep(connection, body)` makes its row."""
        ...


class Later(NamedTuple):
    """What responses in the background take: who sees to them, and the response as it is before it is answered."""

    background: Background
    begun: Callable[[Call, int], dict[str, Any]]
    """(call, created_at) → the response object, in progress and without output."""


class ResponsesKeeper:
    """`resolve`: the model that a call means. `count(text, model)`: its tokens, by the model's own tokenizer."""

    def __init__(
        self,
        database: Database,
        responses: Responses,
        conversations: Conversations | None,
        clock: Clock,
        new_id: Callable[[str], str],
        *,
        resolve: Callable[[Call, Caller], Model],
        count: Callable[[str, str], int],
        compactions: Compactions,
        days: int,
        body_bytes_max: int,
        later: Later | None = None,
    ) -> None:
        self._database = database
        self._responses = responses
        self._conversations = conversations
        self._clock = clock
        self._new_id = new_id
        self._resolve = resolve
        self._count = count
        self._counted: dict[tuple[str, str], int] = {}
        self._compactions = compactions
        self._days = days
        self._body_bytes_max = body_bytes_max
        self._later = later

    async def answered(self, call: Call, caller: Caller, answer: Answer) -> AsyncGenerator[Event]:
        """The events of the answer. It is kept before Done goes out, all of it or nothing. Raises InvalidRequest.

        A call whose `answer_id` is set already is the job of a response in the background: its row is there, and is
        written by that.
        """
        request = call.request
        _check(request)
        own = await self._own_items(caller.project_id, request)
        before = await self._before(caller.project_id, request)
        items = self._compactions.opened(caller.project_id, [*before, *own])
        if not request.is_complete and request.prompt is None:  # what is complete was checked when it was read
            check_calls(items)
        is_job = call.answer_id != ""
        if not is_job:
            call.answer_id = self._new_id("resp_")
        named = None if is_job or not (_keeps(request) or request.conversation_id) else named_items(own, self._new_id)
        row = None if named is None else self._row(call, caller, named)
        if request.background and row is not None:
            events = self._in_background(call, caller, row, named or [])
        else:
            if request.truncation == "auto":
                items = await self._fit(items, call, caller)
            self._put(call, items)
            events = answer(call)
            if row is not None:
                events = self._kept(events, row, named or [], keeps=_keeps(request))
        async with aclosing(events):
            async for event in events:
                yield event

    async def recall(self, project_id: str, request: Any) -> list[Item]:
        """All items that a request names or has, in order, as they are kept. Raises NotFound, InvalidRequest."""
        return [*await self._before(project_id, request), *await self._own_items(project_id, request)]

    def _in_background(self, call: Call, caller: Caller, row: Row, named: list[Item]) -> AsyncGenerator[Event]:
        if self._later is None:
            raise Unsupported(
                "Responses in the background are not served here: this server runs no jobs. Leave 'background' out, or have an "
                "administrator set `enabled = true` under [jobs].",
                param="background",
            )

        def keep(connection: Connection, body: bytes) -> None:
            self._responses.insert(connection, msgspec.structs.replace(row, body=body), named)

        return self._later.background.answered(call, caller, self._later.begun(call, row.created_at), keep)

    async def _kept(
        self, events: AsyncGenerator[Event], row: Row, named: list[Item], *, keeps: bool
    ) -> AsyncGenerator[Event]:
        """The events as they come, the answer written down before the last one. A stream that breaks off is kept as failed.

        `named`: the items of the input, as they are kept.
        """
        first = b""
        try:
            async with aclosing(events):
                async for event in events:
                    if type(event) is Done:
                        done = _joined(event)
                        if (ended := ended_of(done.data)) is not None:
                            await self._write(row, ended, named, keeps=keeps)
                        yield done
                        continue
                    first = first or event.data
                    yield event
        except ApiError as error:
            if keeps and (failed := failed_of(first, error)) is not None:
                await self._write(row, failed, named, keeps=True)
            raise

    async def _write(self, row: Row, ended: Ended, named: list[Item], *, keeps: bool) -> None:
        """Keep the response and what it adds to its conversation, in one transaction."""
        row = msgspec.structs.replace(row, status=ended.status, model=ended.model or row.model, body=ended.body)
        write = self._responses.insert if keeps else self._responses.converse
        items = [*named, *ended.output]
        await self._database.write(lambda connection: write(connection, row, items))

    def _row(self, call: Call, caller: Caller, named: Sequence[Item]) -> Row:
        now = self._clock.now_s()
        request = call.request
        return Row(
            id=call.answer_id,
            project_id=caller.project_id,
            key_id=caller.key_id,
            model=request.model,
            status="queued" if request.background else "in_progress",
            background=request.background is True,
            stream=request.stream,
            previous_id=request.previous_response_id,
            conversation_id=request.conversation_id,
            input=msgspec.json.encode(named),
            body=b"{}",
            created_at=now,
            expires_at=now + self._days * DAY_S,
        )

    async def _before(self, project_id: str, request: Any) -> list[Item]:
        """What was said before, as the call names it."""
        previous, conversation = request.previous_response_id, request.conversation_id
        if previous is not None:
            return await self._database.read(
                lambda connection: self._responses.recall(connection, project_id, previous)
            )
        if conversation is None:
            return []
        conversations = self._conversations
        if conversations is None:
            raise conversation_not_found(conversation)
        try:
            return await self._database.read(
                lambda connection: conversations.items(connection, project_id, conversation)
            )
        except NotFound:
            raise conversation_not_found(conversation) from None

    async def _own_items(self, project_id: str, request: Any) -> list[Item]:
        """The request's own items, those in place that it only refers to. Raises ItemNotFound.

        A thought that comes back without its encrypted content is filled in where it is kept here: conversations are listed
        without it, and upstreams know no thought by its id. One that isn't kept stays as it is.
        """
        items: list[Item] = request.items
        wanted = [str(item.get("id")) for item in items if item.get("type") == "item_reference"]
        if len(wanted) > REFERENCES_MAX:
            raise InvalidRequest(f"At most {REFERENCES_MAX} items can be referred to in one request.", param="input")
        thoughts = [str(item["id"]) for item in items if _is_named_thought(item)][-THOUGHTS_MAX:]
        if not wanted and not thoughts:
            return items
        ids = [*wanted, *thoughts]
        found = await self._database.read(lambda connection: self._found_items(connection, project_id, ids))
        for item_id in wanted:
            if item_id not in found:
                raise item_not_found(item_id)
        return [_in_place(item, found) for item in items]

    def _found_items(self, connection: Connection, project_id: str, wanted: Sequence[str]) -> dict[str, Item]:
        found = self._responses.find_items(connection, project_id, wanted)
        missing = [item_id for item_id in wanted if item_id not in found]
        if missing and self._conversations is not None:
            found |= self._conversations.find_items(connection, project_id, missing)
        return found

    async def _fit(self, items: list[Item], call: Call, caller: Caller) -> list[Item]:
        """The items that fit the model's context, with room for the answer. Counted in a thread, where it may be too much."""
        request, notes, served = call.request, call.notes, call.served
        model = self._resolve(call, caller)
        call.notes, call.served = notes, served  # the way resolves it once more, and says then what there is to say
        context = model.abilities.context_tokens_max
        asked = request.output_tokens_asked
        room = context - (min(asked, context) if asked is not None else min(ANSWER_TOKENS, context // 4))
        told = msgspec.json.encode(request.tools or []).decode() + (request.instructions or "")
        if len(msgspec.json.encode(items)) + len(told.encode()) + len(items) * 8 <= room:
            return items  # a token has a byte at least
        name = model.name if model.alias_of is None else model.alias_of
        return await asyncio.to_thread(
            lambda: fitted(items, room - self._tokens(told, name), lambda item: self._tokens(_words(item), name))
        )

    def _tokens(self, text: str, model: str) -> int:
        key = (model, text)
        found = self._counted.get(key)
        if found is None:
            found = self._count(text, model)
            if len(self._counted) >= COUNTED_MAX:
                self._counted.clear()
            if len(text) <= 16_384:  # more would hold too much memory
                self._counted[key] = found
        return found

    def _put(self, call: Call, items: list[Item]) -> None:
        """Make of the call one that says everything itself. Raises ContextLengthExceeded."""
        members = _read_members(call.body)
        for name in ("previous_response_id", "conversation", "background"):
            members.pop(name, None)
        members |= {"input": msgspec.Raw(msgspec.json.encode(items)), "store": msgspec.Raw(b"false")}
        call.body = msgspec.json.encode(members)
        if len(call.body) > self._body_bytes_max:
            raise ContextLengthExceeded(
                f"With everything that was said before, this request has {len(call.body)} bytes; at most "
                f"{self._body_bytes_max} are sent on. Begin anew with the items that matter, or use truncation: 'auto'.",
                param="input",
            )
        call.request = msgspec.structs.replace(call.request, input=items)


def _check(request: Any) -> None:
    """Raise InvalidRequest for what can't be said together, in OpenAI's words."""
    if request.previous_response_id is not None and request.conversation_id is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.",
            code="mutually_exclusive_parameters",
        )
    if request.background and request.store is False:
        raise InvalidRequest(
            "Background responses need to be stored: 'background' can't be true when 'store' is false.",
            param="background",
        )


def _keeps(request: Any) -> bool:
    """Whether the response is kept: all that nobody said otherwise of."""
    return request.store is not False or request.background is True


def _is_named_thought(item: Item) -> bool:
    return item.get("type") == "reasoning" and bool(item.get("id")) and not item.get("encrypted_content")


def _in_place(item: Item, found: Mapping[str, Item]) -> Item:
    if item.get("type") == "item_reference":
        return found[str(item["id"])]
    if _is_named_thought(item) and (content := found.get(str(item["id"]), {}).get("encrypted_content")):
        return item | {"encrypted_content": content}
    return item


def _joined(done: Done) -> Done:
    """With the bytes of its tail, which are made once."""
    if done.tail is None:
        return done
    return msgspec.structs.replace(done, data=done.data + done.tail(done.usage or Usage()), tail=None)


def _words(item: Item) -> str:
    """What of an item the model reads, about: its content and what it says of tools."""
    content = item.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        return "\n".join(part["text"] for part in content)
    read = {name: value for name, value in item.items() if name not in ("id", "status", "type", "encrypted_content")}
    return msgspec.json.encode(read).decode()
