"""FAQ 28: a client that takes turns between several keys and leaves out the ones that fail."""

import os
import random

from openai import AuthenticationError, OpenAI


class LoadBalancer:
    def __init__(self, api_keys):
        self.api_keys = api_keys
        self.failed_keys = set()

    def get_available_key(self):
        available_keys = [key for key in self.api_keys if key not in self.failed_keys]
        if not available_keys:
            self.failed_keys.clear()
            available_keys = self.api_keys
        return random.choice(available_keys)

    def mark_failed(self, api_key):
        self.failed_keys.add(api_key)


balancer = LoadBalancer(os.environ["OPENAI_API_KEYS"].split(","))
answers = 0
while answers < 6 or not balancer.failed_keys:
    key = balancer.get_available_key()
    try:
        response = OpenAI(api_key=key).chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "hi"}],
            max_tokens=1,
        )
        answers += 1
    except AuthenticationError:
        balancer.mark_failed(key)
        print("failed:", key[-4:])

print("answers:", answers)
