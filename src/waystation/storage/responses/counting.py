"""How many tokens a response would read, before it is asked for: everything that its request refers to is read, as for an answer.

A local model's prompt is made and counted by the model itself, so the number is what the response's usage will say. What providers
make of a request is theirs: there the texts are counted by OpenAI's tokenizers, pictures by a middling size.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from waystation.dialects.ask import Ask
from waystation.dialects.responses.asked import ask_of_response
from waystation.errors import InvalidRequest
from waystation.gateway.call import Call
from waystation.terms import ENGINE, Caller, Dialect, Done, Event, Model, Operation
from waystation.wire.items import Item
from waystation.wire.response_items import kind_of
from waystation.wire.responses import ResponsesRequest, read_response

IMAGE_TOKENS_LOW, IMAGE_TOKENS_USUAL = 85, 765
"""In low detail, and of a square picture of 1024 pixels in high detail.

Source: OpenAI's guide on images, how they are counted for gpt-4o.
"""
_NOT_READ = ("id", "status", "type", "encrypted_content")


class Memory(Protocol):
    def answered(
        self, call: Call, caller: Caller, answer: Callable[[Call], AsyncGenerator[Event]]
    ) -> AsyncGenerator[Event]: ...


class InputCounter:
    """`admitted(call, caller)`: the call's model, where that may be asked so. `body_of(ask, model)`: what is asked as a chat.

    `count_local(body, model)`: the tokens of such a chat for a local model, by name. `count_chat(messages, model)`: those of
    messages, by OpenAI's tokenizers.
    """

    def __init__(
        self,
        memory: Memory,
        admitted: Callable[[Call, Caller], Model],
        body_of: Callable[[Ask, str], dict[str, Any]],
        count_local: Callable[[bytes, str], Awaitable[int]],
        count_chat: Callable[[Sequence[dict[str, Any]], str], int],
    ) -> None:
        self._memory = memory
        self._admitted = admitted
        self._body_of = body_of
        self._count_local = count_local
        self._count_chat = count_chat

    async def count(self, body: bytes, caller: Caller) -> int:
        """Of a response's body. Nothing is kept. Raises as a response does that is refused before a model is asked."""
        request = msgspec.structs.replace(read_response(body), store=False, background=None, stream_asked=None)
        call = Call(Operation.CHAT, "", body, request, None, {}, "", 0, Dialect.RESPONSES)
        call.caller = caller
        call.answer_id = "resp_counted"  # it is no new response: nothing is made or added to
        async with aclosing(self._memory.answered(call, caller, self._counted)) as events:
            async for event in events:
                if type(event) is Done:
                    return int(event.data)
        raise InvalidRequest("There is nothing to count.", param="input")

    async def _counted(self, call: Call) -> AsyncGenerator[Event]:
        """A count in place of an answer."""
        assert call.caller is not None
        model = self._admitted(call, call.caller)
        deployment = model.deployment
        if deployment.provider == ENGINE:
            chat = self._body_of(ask_of_response(call.body, call.request, None), deployment.upstream_model)
            count = await self._count_local(msgspec.json.encode(chat), deployment.upstream_model)
        else:
            messages, more = countable(call.request)
            count = more + await asyncio.to_thread(self._count_chat, messages, deployment.upstream_model)
        yield Done(b"%d" % count, None)


def countable(request: ResponsesRequest) -> tuple[list[dict[str, Any]], int]:
    """A request's texts as messages, the tools in front, and the tokens of its pictures.

    Raises InvalidRequest for a file: how much of it a model reads, only its provider knows.
    """
    messages, more = [], 0
    texts = [request.instructions or "", *(_json(tool) for tool in request.tools or ())]
    form = request.text.format if request.text is not None else None
    texts.append(_json(form["schema"]) if form is not None and "schema" in form else "")
    if any(texts):
        messages.append({"role": "developer", "content": "\n".join(text for text in texts if text)})
    for at, item in enumerate(request.items):
        text, pictures = _read(item, f"input[{at}]")
        messages.append({"role": str(item.get("role", "assistant")), "content": text})
        more += pictures
    return messages, more


def _read(item: Item, param: str) -> tuple[str, int]:
    """The text that is read of an item, and the tokens of its pictures."""
    kind = kind_of(item)
    texts, pictures = [], 0
    for name, value in item.items():
        if name in _NOT_READ or (kind == "message" and name != "content") or value is None:
            continue
        if name not in ("content", "output") or not _is_parts(value):
            texts.append(value if isinstance(value, str) else _json(value))
            continue
        for place, part in enumerate(value):
            if part.get("type") == "input_image":
                pictures += IMAGE_TOKENS_LOW if part.get("detail") == "low" else IMAGE_TOKENS_USUAL
            elif part.get("type") == "input_file":
                raise InvalidRequest(
                    "The tokens of a file can't be counted before it is read. Leave it out, and send its text as input_text.",
                    param=f"{param}.{name}[{place}]",
                )
            else:
                texts.append(str(part.get("text", part.get("refusal", ""))))
    return "\n".join(texts), pictures


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
