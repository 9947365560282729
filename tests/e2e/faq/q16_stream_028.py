"""FAQ 16 as a reader with SDK 0.28 has it."""

import openai

for chunk in openai.ChatCompletion.create(
    model="gpt-4o",
    messages=[{"role": "user", "content": "请原样重复：你好，世界！"}],
    stream=True,
    temperature=0.7,
):
    print(chunk["choices"][0]["delta"].get("content", ""), end="|", flush=True)
