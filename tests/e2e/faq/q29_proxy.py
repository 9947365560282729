"""FAQ 29: SDK 0.28 through a company's proxy to a gateway whose base URL ends in /openai."""

import os

import openai

openai.api_base = os.environ["GATEWAY"]
openai.proxy = {
    "http": os.environ["COMPANY_PROXY"],
    "https": os.environ["COMPANY_PROXY"],
}

response = openai.ChatCompletion.create(
    model="gpt-4o",
    messages=[{"role": "user", "content": "中国的首都是哪座城市？"}],
    max_tokens=50,
    temperature=0,
)
print("answer:", response["choices"][0]["message"]["content"])
print("models:", len(openai.Model.list()["data"]))
