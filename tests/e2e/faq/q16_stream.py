"""FAQ 16: a stream whose every chunk is read the same way."""

from openai import OpenAI

client = OpenAI()


def stream_chat(messages):
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=messages,
        stream=True,
        temperature=0.7,
    )

    for chunk in stream:
        if chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, end="|", flush=True)


stream_chat([{"role": "user", "content": "请原样重复：你好，世界！"}])
