"""The official Python SDK 3.x: embeddings, models and the older completions against the embedded models."""

import math

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

EMBEDDER = "text-embedding-3-small"
WRITER = "gpt-4o-mini"
DIMENSIONS = 384
ALIASES = {
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "text-embedding-3-small",
    "text-embedding-3-large",
}


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def vectors(client: OpenAI, *texts: str) -> list[list[float]]:
    return [told.embedding for told in client.embeddings.create(model=EMBEDDER, input=list(texts)).data]


def test_embedding_has_unit_length_and_its_usage(client: OpenAI) -> None:
    answer = client.embeddings.create(model=EMBEDDER, input="The train stops at the way station.")
    (told,) = answer.data
    assert len(told.embedding) == DIMENSIONS
    assert math.hypot(*told.embedding) == pytest.approx(1, abs=1e-3)
    assert answer.usage.prompt_tokens > 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens


def test_float_and_base64_are_the_same_numbers(client: OpenAI) -> None:
    plain = client.embeddings.create(model=EMBEDDER, input="hello", encoding_format="float").data[0].embedding
    packed = client.embeddings.create(model=EMBEDDER, input="hello").data[0].embedding  # the SDK asks for base64
    assert packed == pytest.approx(plain, abs=1e-6)


def test_a_batch_keeps_its_order(client: OpenAI) -> None:
    texts = ["apple", "苹果", "the stock market fell", "a cat sleeps"]
    answer = client.embeddings.create(model=EMBEDDER, input=texts)
    assert [told.index for told in answer.data] == [0, 1, 2, 3]
    for text, told in zip(texts, answer.data, strict=True):
        assert cosine(told.embedding, vectors(client, text)[0]) > 0.999


def test_token_arrays_are_read_as_openai_token_ids(client: OpenAI) -> None:
    # "hello world" in cl100k, the encoding of OpenAI's embedding models.
    by_text, by_tokens = vectors(client, "hello world")[0], [15339, 1917]
    assert client.embeddings.create(model=EMBEDDER, input=by_tokens).data[0].embedding == pytest.approx(
        by_text, abs=1e-4
    )
    both = client.embeddings.create(model=EMBEDDER, input=[by_tokens, by_tokens[:1]])
    assert len(both.data) == 2


def test_dimensions_shorten_the_vector(client: OpenAI) -> None:
    told = client.embeddings.create(model=EMBEDDER, input="hello", dimensions=128).data[0].embedding
    assert len(told) == 128
    assert math.hypot(*told) == pytest.approx(1, abs=1e-3)


def test_more_dimensions_than_there_are_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.embeddings.create(model=EMBEDDER, input="hello", dimensions=DIMENSIONS + 1)
    assert refused.value.param == "dimensions"
    assert str(DIMENSIONS) in refused.value.message


def test_chinese_and_english_of_one_meaning_are_closer_than_strangers(client: OpenAI) -> None:
    pairs = [
        ("今天天气很好，我们去公园散步吧。", "The weather is nice today, let's take a walk in the park."),
        ("这家银行提高了贷款利率。", "The bank has raised its interest rate on loans."),
        ("她每天早上喝一杯咖啡。", "She drinks a cup of coffee every morning."),
    ]
    chinese = vectors(client, *(zh for zh, _ in pairs))
    english = vectors(client, *(en for _, en in pairs))
    for at, vector in enumerate(chinese):
        likeness = [cosine(vector, other) for other in english]
        assert likeness.index(max(likeness)) == at, likeness


def test_a_long_text_is_not_cut_silently(client: OpenAI) -> None:
    beginning = "The cat sleeps on the warm stove. " * 80
    with_end = beginning + "Interest rates, inflation and the central bank. " * 80
    a, b = vectors(client, beginning, with_end)
    assert cosine(a, b) < 0.995, "what comes after the model's 512 tokens counts too"


def test_an_empty_input_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError):
        client.embeddings.create(model=EMBEDDER, input="")


def test_a_chat_model_does_not_embed_and_an_embedder_does_not_chat(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.embeddings.create(model=WRITER, input="hello")
    assert refused.value.param == "model"
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "hello"}])
    assert refused.value.param == "model"


def test_models_are_listed_and_each_can_be_retrieved(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert set(listed) >= ALIASES
    assert len(listed) >= len(ALIASES) + 2, "the local models under their own names too"
    for name, model in listed.items():
        assert client.models.retrieve(name) == model


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.models.retrieve("gpt-1000")
    assert refused.value.code == "model_not_found"
    assert "gpt-1000" in refused.value.message


def test_completion_continues_the_prompt(client: OpenAI) -> None:
    answer = client.completions.create(model=WRITER, prompt="def add(a, b):\n    return", max_tokens=8, temperature=0)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert "a + b" in answer.choices[0].text
    assert answer.usage
    assert answer.usage.completion_tokens <= 8


def test_completion_echoes_the_prompt_when_asked(client: OpenAI) -> None:
    answer = client.completions.create(model=WRITER, prompt="One, two,", echo=True, max_tokens=4, temperature=0)
    assert answer.choices[0].text.startswith("One, two,")
    assert len(answer.choices[0].text) > len("One, two,")


def test_completion_answers_each_prompt_of_a_list(client: OpenAI) -> None:
    answer = client.completions.create(model=WRITER, prompt=["1, 2, 3,", "10, 20, 30,"], max_tokens=4, temperature=0)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert "4" in answer.choices[0].text
    assert "40" in answer.choices[1].text


def test_completion_defaults_to_16_tokens(client: OpenAI) -> None:
    answer = client.completions.create(model=WRITER, prompt="Write a long story about a dragon.\n")
    assert answer.usage
    assert answer.usage.completion_tokens <= 16


def test_completion_streams(client: OpenAI) -> None:
    chunks = list(client.completions.create(model=WRITER, prompt="1, 2, 3,", max_tokens=8, temperature=0, stream=True))
    assert "4" in "".join(chunk.choices[0].text for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("length", "stop")
