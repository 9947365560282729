"""FAQ 17: the same without an SDK, by aiohttp."""

import asyncio
import os

import aiohttp


async def call_openai_api(session, request):
    async with session.post(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        json=request,
    ) as response:
        return response.status, await response.json()


async def batch_process(requests, concurrency_limit=5):
    semaphore = asyncio.Semaphore(concurrency_limit)
    async with aiohttp.ClientSession() as session:

        async def process_single(request):
            async with semaphore:
                return await call_openai_api(session, request)

        tasks = [process_single(req) for req in requests]
        return await asyncio.gather(*tasks, return_exceptions=True)


requests = [
    {"model": "gpt-4o", "messages": [{"role": "user", "content": f"{n} + 1 = ?"}], "max_tokens": 20} for n in range(4)
]
requests.append({"model": "no-such-model", "messages": [{"role": "user", "content": "hello"}]})

for status, body in asyncio.run(batch_process(requests, concurrency_limit=2)):
    if status == 200:
        print("answer:", body["choices"][0]["message"]["content"])
    else:
        print("failed:", status, body["error"]["code"])
