"""FAQ 22: the parameters of reasoning models, together with max_tokens."""

from openai import OpenAI

client = OpenAI()

# Think deeply
response = client.chat.completions.create(
    model="gpt-5",
    messages=[{"role": "user", "content": "用四个字形容量子计算"}],
    reasoning_effort="high",
    verbosity="medium",
    max_tokens=2000,
)
print("deep:", response.choices[0].message.content)

# Answer at once
response = client.chat.completions.create(
    model="gpt-5-mini",
    messages=[{"role": "user", "content": "用四个字形容春天"}],
    reasoning_effort="minimal",
    verbosity="low",
)
print("quick:", response.choices[0].message.content)
