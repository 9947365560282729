"""The official Python SDK 3.x, asynchronous, unchanged: the core of the synchronous tests, and many calls at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import openai
import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.contract.described import check_exchange
from tests.contract.recorder import AsyncRecorder
from tests.e2e.running import Running

MODEL = "gpt-4o-mini"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello in one short sentence."}]


class Person(BaseModel):
    name: str
    age: int


def with_client(running: Running, work: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    """Run `work` with a client; whatever passed through it is then held against OpenAI's description."""
    recorder = AsyncRecorder()

    async def run() -> None:
        http_client = openai.DefaultAsyncHttpxClient(transport=recorder)
        async with AsyncOpenAI(
            base_url=running.base_url, api_key=running.key, max_retries=0, timeout=60, http_client=http_client
        ) as client:
            await work(client)

    asyncio.run(run())
    assert recorder.exchanges
    for exchange in recorder.exchanges:
        check_exchange(exchange)


def test_chat_and_stream(server: Running) -> None:
    async def work(client: AsyncOpenAI) -> None:
        answer = await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=20, temperature=0)
        assert "hello" in (answer.choices[0].message.content or "").lower()
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=20, temperature=0, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert "hello" in text.lower()

    with_client(server, work)


def test_parse_and_tools(server: Running) -> None:
    async def work(client: AsyncOpenAI) -> None:
        parsed = await client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": "Zhang Wei is 31 years old."}],
            response_format=Person,
            temperature=0,
            max_tokens=60,
        )
        person = parsed.choices[0].message.parsed
        assert person is not None
        assert person.age == 31
        called = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Store Zhang Wei, aged 31."}],
            tools=[openai.pydantic_function_tool(Person, name="store_person")],
            tool_choice="required",
            temperature=0,
            max_tokens=60,
        )
        calls = called.choices[0].message.tool_calls
        assert calls
        assert calls[0].type == "function"
        assert json.loads(calls[0].function.arguments)["age"] == 31

    with_client(server, work)


def test_embeddings_and_models(server: Running) -> None:
    async def work(client: AsyncOpenAI) -> None:
        embedded = await client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
        assert len(embedded.data) == 2
        listed = [model.id async for model in client.models.list()]
        assert "gpt-4o" in listed
        assert (await client.models.retrieve("gpt-4o")).id == "gpt-4o"

    with_client(server, work)


def test_typed_errors(gateway: Running) -> None:
    async def work(client: AsyncOpenAI) -> None:
        with pytest.raises(NotFoundError):
            await client.chat.completions.create(model="gpt-1000", messages=HELLO)
        with pytest.raises(AuthenticationError):
            await client.with_options(api_key="sk-" + "x" * 48).models.list()

    with_client(gateway, work)


def test_twelve_calls_at_once_each_get_their_own_answer(server: Running) -> None:
    async def work(client: AsyncOpenAI) -> None:
        async def repeat(number: int) -> str:
            answer = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"Repeat this number and nothing else: {number}"}],
                max_tokens=12,
                temperature=0,
            )
            return answer.choices[0].message.content or ""

        numbers = range(1001, 1013)
        answers = await asyncio.gather(*(repeat(number) for number in numbers))
        for number, answer in zip(numbers, answers, strict=True):
            assert str(number) in answer
            assert not any(str(other) in answer for other in numbers if other != number), "somebody else's answer"

    with_client(server, work)


def test_a_task_that_is_cancelled_in_mid_stream_frees_the_model(server: Running) -> None:
    endless: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count from 1 to 2000."}]

    async def work(client: AsyncOpenAI) -> None:
        async def watch(begun: asyncio.Event) -> None:
            async for _ in await client.chat.completions.create(
                model=MODEL, messages=endless, stream=True, max_tokens=3000
            ):
                begun.set()

        for _ in range(5):
            begun = asyncio.Event()
            task = asyncio.create_task(watch(begun))
            await asyncio.wait_for(begun.wait(), 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(10):
            await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)

    with_client(server, work)
