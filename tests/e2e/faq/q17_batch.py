"""FAQ 17: many calls with bounded concurrency, by the asynchronous client."""

import asyncio

from openai import AsyncOpenAI

client = AsyncOpenAI()


async def call_openai_api(request):
    return await client.chat.completions.create(**request)


async def batch_process(requests, concurrency_limit=5):
    semaphore = asyncio.Semaphore(concurrency_limit)

    async def process_single(request):
        async with semaphore:
            return await call_openai_api(request)

    tasks = [process_single(req) for req in requests]
    return await asyncio.gather(*tasks, return_exceptions=True)


requests = [
    {"model": "gpt-4o", "messages": [{"role": "user", "content": f"{n} + 1 = ?"}], "max_tokens": 20} for n in range(6)
]
requests.append({"model": "no-such-model", "messages": [{"role": "user", "content": "hello"}]})

for result in asyncio.run(batch_process(requests, concurrency_limit=3)):
    if isinstance(result, Exception):
        print("failed:", type(result).__name__)
    else:
        print("answer:", result.choices[0].message.content)
