"""FAQ 13: a chat answer with the Python SDK, with the reader's error handling around it."""

import os

from openai import OpenAI

client = OpenAI(api_key=os.getenv("OPENAI_API_KEY"))


def explain(temperature):
    response = client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "system", "content": "你是一个回答简短的AI助手"},
            {"role": "user", "content": "用一句话解释什么是机器学习"},
        ],
        max_tokens=500,
        temperature=temperature,
    )
    return response.choices[0].message.content


for temperature in (0.7, 7):
    try:
        print("answer:", explain(temperature))
    except Exception as e:
        if "rate_limit" in str(e).lower():
            print("too often:", e)
        elif "invalid_request" in str(e).lower():
            print("bad request:", e)
        else:
            print("failed:", e)
