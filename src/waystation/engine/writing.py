"""One choice of a chat, written: free text, an answer by a schema, or tool calls, as a series of requests to the child.

A call is never parsed out of what the model happens to say: once it wants one, its opening tag and name go into the
prompt and its arguments are written under the tool's schema. So they are valid JSON, and stream as they come.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

import msgspec

from waystation.engine.gate import ToolGate
from waystation.engine.parts import CallArguments, CallBegins, End, Finish, Order, Part, Text
from waystation.engine.prompt import Prompt, extended
from waystation.engine.schema import ANY_OBJECT, Schemas, for_answer, for_arguments
from waystation.engine.tools import Tool, ToolRules, custom_input
from waystation.engine.upstream import Candidate, Token, Upstream

CALLS_MAX = 16  # in one answer
NAME_TOKENS_MAX = 64
MORE_TOKENS_MAX = 4  # after a call the model needs no more to say that another follows
PLAIN_TEXT = r"root ::= [^{<`\[ \n] [^\x00]*"  # anything that does not begin as a call
NO_LIMITS: Mapping[str, str] = MappingProxyType({})
TOOL_OPEN, TOOL_CLOSE = "<tool_call>", "</tool_call>"


class Writing:
    """The writing of one choice. It counts as output all that follows the caller's prompt, forced tags too."""

    def __init__(self, upstream: Upstream, schemas: Schemas, order: Order) -> None:
        self._upstream = upstream
        self._schemas = schemas
        self._order = order
        self._written: list[str] = []  # after the caller's prompt: what the model wrote and what was put into its mouth
        self._forced = 0  # tokens of that in the first request, which are not the caller's
        self._input: int | None = None
        self._output = self._cached = self._requests = 0

    async def parts(self) -> AsyncGenerator[Part]:
        """The parts of the answer, the last of which is its End. Raises an ApiError."""
        rules = self._order.rules
        if rules.mode in ("required", "named"):
            writing = self._calls(None)
        elif rules.mode == "auto":
            writing = self._text_or_calls()
        else:
            writing = self._answer(self._order.schema)
        async with aclosing(writing):
            async for part in writing:
                yield part

    async def _answer(
        self, schema: dict[str, Any] | None, limits: Mapping[str, str] = NO_LIMITS
    ) -> AsyncGenerator[Part]:
        extra: dict[str, Any] = {"stop": self._order.stops, **limits}
        if schema is not None:
            extra["json_schema"] = for_answer(schema)
            await self._schemas.require(extra["json_schema"], "response_format", "response_format")
        finish: Finish = "stop"
        async with aclosing(self._tokens(extra)) as tokens:
            async for token in tokens:
                if token.content or token.completion_probabilities:
                    yield Text(token.content, spoken(token))
                if token.stop_type == "limit":
                    finish = "length"
        yield self._end(finish)

    async def _text_or_calls(self) -> AsyncGenerator[Part]:
        """Free text until the model begins a call: by its tag, where llama.cpp stops, or without, which the gate sees.

        Where an answer by a schema is wanted, free text means that there is no call: it begins again under the schema.
        """
        gate = ToolGate(self._order.rules.names)
        by_schema = self._order.schema is not None
        said: list[str] = []
        last = Token()
        async with aclosing(self._tokens({"stop": [*self._order.stops, TOOL_OPEN]})) as tokens:
            async for last in tokens:
                for held in gate.feed(last.content, spoken(last)):
                    said.append(held.text)
                    if not by_schema:
                        yield Text(held.text, held.extra or [])
                if gate.called or (by_schema and "".join(said).strip()):
                    break
        if gate.called or last.stopping_word == TOOL_OPEN:
            self._written = said
            then = self._new_calls(gate.called) if self._order.answered else self._calls(gate.called)
        elif by_schema:
            self._written = []
            then = self._answer(self._order.schema)
        else:
            for held in gate.finish():
                yield Text(held.text, held.extra or [])
            yield self._end("length" if last.stop_type == "limit" else "stop")
            return
        async with aclosing(then):
            async for part in then:
                yield part

    async def _new_calls(self, name: str | None) -> AsyncGenerator[Part]:
        """Calls, unless the first one only repeats what has been answered: then the model is made to use the answer.

        Small models do that without end. The first call's parts wait until it is whole.
        """
        waiting: list[Part] = []
        async with aclosing(self._calls(name)) as parts:
            async for part in parts:
                waiting.append(part)
                if waiting and _is_past_first_call(part):
                    if self._repeats(waiting):
                        break
                    for ready in waiting:
                        yield ready
                    waiting = []
        if waiting:
            self._written = []
            self._order.prompt = self._order.without_tools or self._order.prompt
            self._order.rules = ToolRules()
            limits = {} if self._order.schema is not None else {"grammar": PLAIN_TEXT}
            async with aclosing(self._answer(self._order.schema, limits)) as answer:
                async for part in answer:
                    yield part

    def _repeats(self, parts: list[Part]) -> bool:
        begun = next((part for part in parts if isinstance(part, CallBegins)), None)
        written = "".join(part.text for part in parts if isinstance(part, CallArguments) and part.index == 0)
        try:
            arguments = msgspec.json.decode(written, type=dict[str, Any])
        except msgspec.DecodeError:
            return False
        return begun is not None and any(call.repeated_by(begun.tool.name, arguments) for call in self._order.answered)

    async def _calls(self, name: str | None) -> AsyncGenerator[Part]:
        """One call after the other. `name` is the first one's tool, where the model has said it."""
        rules = self._order.rules
        for index in range(CALLS_MAX):
            self._written.append(f'{TOOL_OPEN}\n{{"name": "')
            tool = rules.named(name) if name else await self._choose()
            if tool is None or self._left() <= 0:
                yield self._end("length")
                return
            schema = await self._schema_of(tool)
            self._written.append(f'{tool.name}", "arguments": ')
            await self._count_forced()
            yield CallBegins(index, tool)
            async with aclosing(self._arguments(tool, schema, index)) as parts:
                async for part in parts:
                    yield part
                    if isinstance(part, End):
                        return
            self._written.append(f"}}\n{TOOL_CLOSE}")
            if not rules.several or not await self._another():
                break
            self._written.append("\n")
            name = None
        yield self._end("tool_calls")

    async def _arguments(self, tool: Tool, schema: dict[str, Any], index: int) -> AsyncGenerator[Part]:
        """The arguments of one call; an End only when the limit has cut them."""
        written = ""
        async with aclosing(self._tokens({"json_schema": schema, "stop": []})) as tokens:
            async for token in tokens:
                if token.content and not tool.custom:
                    yield CallArguments(index, token.content)
                written += token.content if tool.custom else ""
                if token.stop_type == "limit":
                    yield self._end("length")
                    return
        if tool.custom:
            yield CallArguments(index, custom_input(written))

    async def _schema_of(self, tool: Tool) -> dict[str, Any]:
        """The tool's schema, or any object where it asks for more than a grammar can do and is not strict."""
        schema = for_arguments(tool.schema)
        if tool.strict:
            await self._schemas.require(schema, f"function '{tool.name}'", tool.param)
        elif not await self._schemas.enforced(schema):
            return for_arguments(ANY_OBJECT)
        return schema

    async def _choose(self) -> Tool | None:
        """Let the model pick a tool by name. None when it could not say one."""
        tools = self._order.rules.tools
        if len(tools) == 1:
            return tools[0]
        names = " | ".join(json.dumps(f'{tool.name}"') for tool in tools)
        picked = await self._aside({"grammar": f"root ::= {names}", "n_predict": NAME_TOKENS_MAX})
        return next((tool for tool in tools if picked.content == f'{tool.name}"'), None)

    async def _another(self) -> bool:
        """Whether the model opens another call by itself."""
        if self._left() <= 0:
            return False
        said = await self._aside({"stop": [TOOL_OPEN], "n_predict": MORE_TOKENS_MAX})
        return said.stopping_word == TOOL_OPEN and not said.content.strip()

    async def _aside(self, extra: dict[str, Any]) -> Token:
        """A short question about how the answer goes on; its text is not part of it."""
        self._requests += 1
        said = await self._upstream.whole({"prompt": self._prompt(), **self._order.sampling, **extra})
        if self._requests == 1:
            self._cached = said.cached
        return said

    async def _count_forced(self) -> None:
        """Before the first request: how many of its tokens are ours, so that the caller's are known."""
        if self._input is None:
            answer = await self._upstream.json("/tokenize", {"content": "".join(self._written)})
            self._forced = self._output = len(answer["tokens"])

    async def _tokens(self, extra: dict[str, Any]) -> AsyncGenerator[Token]:
        """One request to the child that goes on from what is written."""
        order = self._order
        self._requests += 1
        body = {"prompt": self._prompt(), **order.sampling, "n_predict": max(1, self._left()), **extra}
        if order.logprobs is not None:
            body["n_probs"] = max(1, order.logprobs)
            if order.whole and order.rules.mode == "none":
                token = await self._upstream.whole(body)
                self._count(token)
                yield token
                return
        async with aclosing(self._upstream.tokens(body)) as tokens:
            async for token in tokens:
                self._written.append(token.content)
                self._count(token)
                yield token

    def _prompt(self) -> Prompt:
        return extended(self._order.prompt, "".join(self._written)) if self._written else self._order.prompt

    def _count(self, token: Token) -> None:
        if self._input is None:
            self._input = token.tokens_evaluated - self._forced
        if self._requests == 1:  # what later ones find in the cache is this call's own
            self._cached = token.cached
        self._output = max(self._output, token.tokens_evaluated - self._input + token.tokens_predicted)

    def _left(self) -> int:
        return self._order.output_max - self._output

    def _end(self, finish: Finish) -> End:
        read = self._input or 0
        # A tag and a name that were put into the model's mouth may pass the limit: the caller never pays for more.
        return End(finish, read, min(self._output, self._order.output_max), min(self._cached, read))


def _is_past_first_call(part: Part) -> bool:
    return isinstance(part, End) or (isinstance(part, CallBegins) and part.index > 0)


def spoken(token: Token) -> list[Candidate]:
    """The probabilities of the tokens that are text: the one that ends an answer is none."""
    return [candidate for candidate in token.completion_probabilities if candidate.bytes]
