"""A chat call on a local model: read what was asked, write each choice in a place of the queue, tell it."""

import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from waystation.engine.chat import ChatBody, ChatStream, Envelope, add_end
from waystation.engine.fan import together
from waystation.engine.local import Local, Tokenizers
from waystation.engine.parts import Answered, CallArguments, CallBegins, End, Order, Part, Text
from waystation.engine.prompt import (
    Prompt,
    Shield,
    calls_since_user,
    extended,
    refuse_unread,
    results_in_words,
    template_messages,
)
from waystation.engine.sampling import output_limit, sampling, stops
from waystation.engine.schema import asked_schema
from waystation.engine.tools import ToolRules, definitions, read_tools
from waystation.engine.writing import Writing
from waystation.gateway.call import Call
from waystation.terms import Done, Event, Model, Piece, Usage
from waystation.wire.endings import DONE

# All that has an effect here, or is the gateway's business; the rest is named in x-waystation-ignored.
USED = frozenset(
    {
        *(
            "model",
            "messages",
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
        ),
        *("n", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"),
        *("response_format", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("user", "metadata", "safety_identifier"),
    }
)
_HARMLESS = {
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
    "store": (False,),
}  # values that change nothing
LETTERS_PER_TOKEN = 3  # a guess for the queue: bytes of a body that make a token
OUTPUT_TOKENS_EXPECTED = 1024  # of an answer without a limit


async def answer_chat(
    call: Call, model: Model, local: Local, tokenizers: Tokenizers, created: int
) -> AsyncGenerator[Event]:
    body = msgspec.json.decode(call.body)
    call.ignored = ignored(body, USED)
    refuse_unread(body["messages"], "messages")
    limit = output_limit(call.request.output_tokens_asked, model.abilities.output_tokens_max, call.output_tokens_max)
    order = await chat_order(body, limit, local, tokenizers, whole=not call.request.stream)
    envelope = Envelope(
        new_id("chatcmpl-"),
        created,
        local.model.name,
        fingerprint(local),
        legacy=order.rules.legacy,
        logprobs=order.logprobs,
        usage_asked=call.request.include_usage,
    )
    choices = body.get("n") or 1
    async with aclosing(chat_parts(call.project, len(call.body), order, choices, local)) as parts:
        telling = _stream(parts, call, envelope, choices) if call.request.stream else _whole(parts, envelope, choices)
        async with aclosing(telling) as events:
            async for event in events:
                yield event


async def chat_order(
    body: Mapping[str, Any], output_max: int, local: Local, tokenizers: Tokenizers, *, whole: bool, said: str = ""
) -> Order:
    """What a chat's body orders. `said`: so much of the answer has been written; the model goes on right after it."""
    rules = read_tools(body)
    asked = body["model"]
    order = Order(
        prompt="",
        sampling=sampling(body, lambda token: tokenizers.translate(token, asked, local.model.name)),
        stops=stops(body),
        output_max=output_max,
        rules=rules,
        schema=asked_schema(body),
        logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        whole=whole,
    )
    order.prompt = await _prompt(body, rules, local, tokenizers)
    if said:
        order.prompt = extended(order.prompt, said)
    elif rules.mode == "auto" and (told := answered_calls(body["messages"])):
        order.answered = told
        plain = {"messages": results_in_words(body["messages"])}
        order.without_tools = await _prompt(plain, ToolRules(), local, tokenizers)
    return order


def chat_parts(
    project: str, body_bytes: int, order: Order, choices: int, local: Local
) -> AsyncGenerator[tuple[int, Part]]:
    """The parts of all choices with their numbers, as they are written."""
    weight = expected_tokens(body_bytes, order.output_max)
    return together([_written(project, weight, local, _nth(order, number)) for number in range(choices)])


async def chat_prompt(body: bytes, local: Local, tokenizers: Tokenizers) -> Prompt:
    """The prompt that a chat's body makes."""
    asked = msgspec.json.decode(body)
    return await _prompt(asked, read_tools(asked), local, tokenizers)


async def _prompt(body: Mapping[str, Any], rules: ToolRules, local: Local, tokenizers: Tokenizers) -> Prompt:
    name = local.model.name
    shield = Shield(
        await local.control_tokens(tokenizers), lambda text: tokenizers.encode(text, name), secrets.token_hex(8)
    )
    asked: dict[str, Any] = {"messages": shield.cover(template_messages(body["messages"]))}
    if rules.tools:
        asked["tools"] = shield.cover(definitions(rules.tools))
    answer = await local.upstream.json("/apply-template", asked)
    return shield.uncover(answer["prompt"])


async def _written(project: str, weight: int, local: Local, order: Order) -> AsyncGenerator[Part]:
    async with (
        local.queue.place(project, weight),
        aclosing(Writing(local.upstream, local.schemas, order).parts()) as parts,
    ):
        async for part in parts:
            yield part


async def _stream(
    parts: AsyncGenerator[tuple[int, Part]], call: Call, envelope: Envelope, choices: int
) -> AsyncGenerator[Event]:
    told = ChatStream(envelope)
    usage = Usage()
    first = True
    async for choice, part in parts:
        if isinstance(part, End):
            add_end(usage, part, first)
            first = False
        if not call.cut or isinstance(part, End):
            yield Piece(told.chunk(choice, part), words(part))
        if call.cut and not told.all_ended(choices):
            await parts.aclose()
            yield told.cut()
            return
    yield Done((told.usage(usage) if envelope.usage_asked else b"") + DONE, usage)


async def _whole(parts: AsyncGenerator[tuple[int, Part]], envelope: Envelope, choices: int) -> AsyncGenerator[Event]:
    gathered = ChatBody(envelope, choices)
    usage = Usage()
    first = True
    async for choice, part in parts:
        if isinstance(part, End):
            add_end(usage, part, first)
            first = False
        gathered.add(choice, part)
    yield Done(gathered.body(usage), usage)


def _nth(order: Order, number: int) -> Order:
    """The order of one choice. Each has its own seed: with the caller's they would all be the same."""
    if number == 0 or "seed" not in order.sampling:
        return msgspec.structs.replace(order)
    return msgspec.structs.replace(
        order, sampling={**order.sampling, "seed": (order.sampling["seed"] + number) % (2**32 - 1)}
    )


def answered_calls(messages: Sequence[Mapping[str, Any]]) -> tuple[Answered, ...]:
    """The calls of this turn that the caller has answered."""
    found = []
    for name, text in calls_since_user(messages):
        try:
            found.append(Answered(name, msgspec.json.decode(text, type=dict[str, Any])))
        except msgspec.DecodeError:  # cut short, so never answered
            continue
    return tuple(found)


def words(part: Part) -> str:
    """What a part adds to the answer, for counting."""
    if isinstance(part, Text | CallArguments):
        return part.text
    return part.tool.name if isinstance(part, CallBegins) else ""


def ignored(body: Mapping[str, Any], used: frozenset[str]) -> tuple[str, ...]:
    """The parameters of a body that have no effect on a local model, in the caller's order."""
    return tuple(
        key
        for key, value in body.items()
        if key not in used and value is not None and value not in _HARMLESS.get(key, ())
    )


def expected_tokens(body_bytes: int, output_max: int) -> int:
    """A guess at the cache that a call will need."""
    return body_bytes // LETTERS_PER_TOKEN + min(output_max, OUTPUT_TOKENS_EXPECTED)


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(15)[:29]


def fingerprint(local: Local) -> str:
    """Names the weights that answer: the model and its file."""
    path = local.model.path
    return "fp_" + hashlib.sha256(f"{local.model.name} {path.name if path else ''}".encode()).hexdigest()[:10]
