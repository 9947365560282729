"""FAQ 15: SDK 0.28 and the reader's own retries with exponential back-off and jitter."""

import os
import random
import time

import openai


def retry_with_backoff(max_retries=3):
    def decorator(func):
        def wrapper(*args, **kwargs):
            for attempt in range(max_retries + 1):
                try:
                    return func(*args, **kwargs)
                except openai.error.RateLimitError as e:
                    print("rate limited:", e.http_status)
                    if attempt == max_retries:
                        raise
                    delay = (2**attempt) + random.uniform(0, 1)
                    time.sleep(delay)
            return None

        return wrapper

    return decorator


@retry_with_backoff(max_retries=2)
def ask(text):
    response = openai.ChatCompletion.create(model=os.environ["MODEL"], messages=[{"role": "user", "content": text}])
    return response["choices"][0]["message"]["content"]


print("answer:", ask("hello"))
