"""FAQ 26: tokens of Chinese text, counted by tiktoken."""

import tiktoken


def count_tokens(text, model="gpt-4o"):
    encoding = tiktoken.encoding_for_model(model)
    return len(encoding.encode(text))


for text in ("这是一段中文测试文本", "请帮我写一首诗", "Mixed 中英文 text, with 标点！"):
    for model in ("gpt-4o", "gpt-3.5-turbo"):
        print(count_tokens(text, model), model, text, sep="\t")
