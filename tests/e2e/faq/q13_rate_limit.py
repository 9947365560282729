"""FAQ 13: the reader's error handling tells a rate limit from a mistake by the words in the exception."""

import os

from openai import OpenAI

client = OpenAI(api_key=os.getenv("OPENAI_API_KEY"), max_retries=0)

try:
    response = client.chat.completions.create(
        model=os.environ["MODEL"],
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=500,
        temperature=0.7,
    )
    print("answer:", response.choices[0].message.content)
except Exception as e:
    if "rate_limit" in str(e).lower():
        print("too often:", e)
    elif "invalid_request" in str(e).lower():
        print("bad request:", e)
    else:
        print("failed:", e)
