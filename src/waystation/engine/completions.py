"""A call of the older kind, a prompt instead of messages, on a local model: raw text goes on, without a template."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from waystation.engine.chat import Envelope
from waystation.engine.chats import expected_tokens, fingerprint, ignored, new_id
from waystation.engine.completion import Asked, CompletionStream, Said, choice_of, head_of
from waystation.engine.fan import together
from waystation.engine.local import Local, Tokenizers
from waystation.engine.parts import End, Order, Part, Text
from waystation.engine.prompt import Prompt
from waystation.engine.sampling import output_limit, sampling, stops
from waystation.engine.writing import Writing
from waystation.errors import InvalidRequest, Unsupported
from waystation.gateway.call import Call
from waystation.terms import Done, Event, Model, Usage
from waystation.wire.endings import DONE, usage_object

USED = frozenset(
    {
        *("model", "prompt", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "best_of", "stop"),
        *("seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "echo", "suffix", "user"),
    }
)
FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


async def answer_completion(
    call: Call, model: Model, local: Local, tokenizers: Tokenizers, created: int
) -> AsyncGenerator[Event]:
    body = msgspec.json.decode(call.body)
    call.ignored = ignored(body, USED)
    asked = _read(body, call.request.model, tokenizers)
    limit = output_limit(call.request.output_tokens_asked, model.abilities.output_tokens_max, call.output_tokens_max)
    picking = asked.best_of > asked.n
    order = Order(
        prompt="",
        sampling=sampling(body, lambda token: tokenizers.translate(token, call.request.model, local.model.name)),
        stops=stops(body),
        output_max=limit,
        logprobs=asked.logprobs if asked.logprobs is not None else 0 if picking else None,
        whole=not call.request.stream,
    )
    envelope = Envelope(
        new_id("cmpl-"), created, local.model.name, fingerprint(local), usage_asked=call.request.include_usage
    )
    prompts = [_prompt(prompt, asked.suffix, local.model.name, tokenizers) for prompt in asked.prompts]
    weight = expected_tokens(len(call.body), limit)
    orders = [
        msgspec.structs.replace(order, prompt=prompt, sampling=_reseeded(order.sampling, number))
        for prompt in prompts
        for number in range(asked.best_of)
    ]
    writings = [written(call.project, weight, local, one) for one in orders]
    async with aclosing(together(writings)) as parts:
        telling = _stream(parts, call, asked, envelope) if call.request.stream else _whole(parts, asked, envelope)
        async with aclosing(telling) as events:
            async for event in events:
                yield event


def _read(body: Mapping[str, Any], name: str, tokenizers: Tokenizers) -> Asked:
    given = body.get("prompt")
    prompts = given if isinstance(given, list) and not all(isinstance(item, int) for item in given) else [given]
    texts = [_text(prompt, name, tokenizers) for prompt in prompts]
    n = body.get("n") or 1
    asked = Asked(
        texts, n, max(n, body.get("best_of") or 1), bool(body.get("echo")), body.get("suffix"), body.get("logprobs")
    )
    if asked.echo and asked.logprobs is not None:
        raise Unsupported(
            "Local models don't tell the probabilities of a prompt: leave out 'echo' or 'logprobs'.", param="logprobs"
        )
    return asked


def _text(prompt: Any, name: str, tokenizers: Tokenizers) -> str:
    """A prompt as text: token ids are those of the encoding that the model's name stands for."""
    if prompt is None or prompt == "":
        return "<|endoftext|>"  # OpenAI: a new document begins
    if isinstance(prompt, str):
        return prompt
    try:
        return tokenizers.decode(prompt, name)
    except ValueError as error:
        raise InvalidRequest(f"Invalid token in 'prompt': {error}", param="prompt") from error


def _prompt(text: str, suffix: str | None, name: str, tokenizers: Tokenizers) -> Prompt:
    """The prompt, with what is to follow the completion where the model knows how to fill in a middle."""
    if not suffix:
        return text
    before, after, middle = (tokenizers.special_token(mark, name) for mark in FIM)
    if before is None or after is None or middle is None:
        raise Unsupported("This model can't fill in text before a suffix.", param="suffix")
    return [before, text, after, suffix, middle]


async def written(project: str, weight: int, local: Local, order: Order) -> AsyncGenerator[Part]:
    async with local.queue.place(project, weight):
        if order.output_max == 0:  # an echo and nothing else: the child counts the prompt
            whole = {"prompt": order.prompt, "n_predict": 0, "lora": [], "cache_prompt": True}
            token = await local.upstream.whole(whole)
            yield End("length", token.tokens_evaluated, 0, token.cached)
            return
        async with aclosing(Writing(local.upstream, local.schemas, order).parts()) as parts:
            async for part in parts:
                yield part


async def _whole(parts: AsyncGenerator[tuple[int, Part]], asked: Asked, envelope: Envelope) -> AsyncGenerator[Event]:
    said = [Said(tokens=[]) for _ in range(len(asked.prompts) * asked.best_of)]
    usage = Usage()
    async for number, part in parts:
        if isinstance(part, Text):
            said[number].text += part.text
            said[number].tokens += part.logprobs
        elif isinstance(part, End):
            said[number].finish = part.finish
            _add(usage, part, number % asked.best_of == 0)
    choices: list[dict[str, Any]] = []
    for place, prompt in enumerate(asked.prompts):
        group = said[place * asked.best_of : (place + 1) * asked.best_of]
        if asked.best_of > asked.n:
            group.sort(key=Said.likelihood, reverse=True)
        for one in group[: asked.n]:
            choices.append(choice_of(len(choices), one, prompt if asked.echo else "", asked.logprobs))
    yield Done(msgspec.json.encode({**head_of(envelope), "choices": choices, "usage": usage_object(usage)}), usage)


async def _stream(
    parts: AsyncGenerator[tuple[int, Part]], call: Call, asked: Asked, envelope: Envelope
) -> AsyncGenerator[Event]:
    """Chunks as they come; best_of is never streamed, so a writing's number is its choice's."""
    told = CompletionStream(asked, envelope)
    usage = Usage()
    choices = len(asked.prompts) * asked.n
    async for number, part in parts:
        if isinstance(part, End):
            _add(usage, part, number % asked.n == 0)
        if not call.cut or isinstance(part, End):
            yield told.chunk(number, part)
        if call.cut and not told.all_ended(choices):
            await parts.aclose()
            yield told.cut()
            return
    yield Done((told.usage(usage) if envelope.usage_asked else b"") + DONE, usage)


def _reseeded(asked: dict[str, Any], number: int) -> dict[str, Any]:
    return {**asked, "seed": (asked["seed"] + number) % (2**32 - 1)} if number and "seed" in asked else asked


def _add(usage: Usage, end: End, first: bool) -> None:
    """Each prompt counts once, however many choices it has."""
    if first:
        usage.input_tokens += end.input_tokens
        usage.cached_tokens += end.cached_tokens
    usage.output_tokens += end.output_tokens
