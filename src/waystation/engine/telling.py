"""The engine's answers in the vocabulary: for callers of other dialects, and to go on with an answer that broke off.

The model goes on truly: what was said stands at the prompt's end, after the template's last mark.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import msgspec

from waystation.dialects.ask import Ask
from waystation.dialects.saying import Begun, CallBegun, CallDelta, Ended, Saying, TextDelta, Used
from waystation.engine.chat import add_end, new_call_id
from waystation.engine.chats import USED as CHAT_USED
from waystation.engine.chats import chat_order, chat_parts, expected_tokens, ignored
from waystation.engine.completions import USED as COMPLETION_USED
from waystation.engine.completions import written
from waystation.engine.fan import together
from waystation.engine.local import Local, Tokenizers
from waystation.engine.parts import CallArguments, CallBegins, Order, Part, Text
from waystation.engine.prompt import refuse_unread
from waystation.engine.sampling import output_limit, sampling, stops
from waystation.gateway.call import Call
from waystation.terms import Dialect, Model, Usage

BodyOf = Callable[[Ask, str], dict[str, Any]]
"""(ask, model) → the body in OpenAI's dialect, which is the engine's own: of a completion where `ask` has a prompt."""


async def tell(
    ask: Ask, call: Call, model: Model, local: Local, tokenizers: Tokenizers, body_of: BodyOf
) -> AsyncGenerator[Saying]:
    """The events of an answer, the usage last. Closing ends the generation. Raises an ApiError."""
    limit = output_limit(ask.output_tokens_max, model.abilities.output_tokens_max, None)
    body = body_of(msgspec.structs.replace(ask, said=""), call.request.model)
    if ask.prompt is None:
        call.ignored = ignored(body, CHAT_USED)
        refuse_unread(body["messages"], "input" if call.dialect is Dialect.RESPONSES else "messages")
        order = await chat_order(body, limit, local, tokenizers, whole=not ask.stream, said=ask.said)
        parts = chat_parts(call.project, len(call.body), order, ask.choices, local)
    else:
        call.ignored = ignored(body, COMPLETION_USED)
        order = _completion(ask, body, limit, local, tokenizers)
        weight = expected_tokens(len(call.body), limit)
        parts = together([written(call.project, weight, local, order)])
    yield Begun(model=local.model.name)
    usage, first = Usage(), True
    async with aclosing(parts):
        async for choice, part in parts:
            if not isinstance(part, Text | CallBegins | CallArguments):
                add_end(usage, part, first)
                first = False
            yield _saying(choice, part)
    yield Used(usage)


def _completion(ask: Ask, body: dict[str, Any], limit: int, local: Local, tokenizers: Tokenizers) -> Order:
    return Order(
        prompt=(ask.prompt or "<|endoftext|>") + ask.said,
        sampling=sampling(body, lambda token: tokenizers.translate(token, body["model"], local.model.name)),
        stops=stops(body),
        output_max=limit,
    )


def _saying(choice: int, part: Part) -> Saying:
    if isinstance(part, Text):
        return TextDelta(part.text, choice)
    if isinstance(part, CallBegins):
        return CallBegun(part.index, new_call_id(), part.tool.name, part.tool.custom, choice=choice)
    if isinstance(part, CallArguments):
        return CallDelta(part.index, part.text, choice)
    return Ended(part.finish, choice=choice)
