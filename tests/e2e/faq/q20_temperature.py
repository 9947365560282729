"""FAQ 20: a low temperature for code, a high one for a phrase, the latter from a reasoning model."""

from openai import OpenAI

client = OpenAI()

# Code: exact
response = client.chat.completions.create(
    model="gpt-4o",
    temperature=0.1,
    messages=[{"role": "user", "content": "只写代码：用一行 Python 打印 hello"}],
)
print("code:", response.choices[0].message.content)

# A phrase: varied
response = client.chat.completions.create(
    model="gpt-5",
    temperature=0.9,
    messages=[{"role": "user", "content": "用四个字形容春天"}],
)
print("phrase:", response.choices[0].message.content)
