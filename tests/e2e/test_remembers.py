"""A conversation of 200 turns with the local model, whose context holds only the last of them."""

import os
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI

from tests.e2e.running import serving
from waystation.settings import default_models_folder

MODEL = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"  # the default one, which the first start has pulled
TURNS = 200
ANSWER_TOKENS = 8
CONTEXT_TOKENS = 128  # small, as each turn at the limit is read anew
NAMES = ("Anna", "Boris", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ivan", "Julia")


@pytest.mark.slow
def test_two_hundred_turns_go_on_at_the_context_limit_with_truncation_and_are_refused_without(
    tmp_path: Path,
) -> None:
    config = tmp_path / "w.toml"
    model = default_models_folder(os.environ) / MODEL
    config.write_text(f'[models.small]\npath = "{model}"\nprice = 0\ncontext_tokens_max = {CONTEXT_TOKENS}\n')
    with serving(tmp_path / "data", config) as server, OpenAI(base_url=server.base_url, api_key=server.key) as client:
        last, used, right = None, 0, 0
        for turn in range(TURNS):
            name = NAMES[turn % len(NAMES)]
            response = client.responses.create(
                model="small",
                instructions="Answer with one word.",
                input=f"My friend is {name}. Who is my friend?",
                previous_response_id=last,
                truncation="auto",
                max_output_tokens=ANSWER_TOKENS,
                temperature=0,
            )
            last = response.id
            assert response.usage is not None
            assert response.usage.input_tokens + ANSWER_TOKENS <= CONTEXT_TOKENS
            used = max(used, response.usage.input_tokens)
            right += name in response.output_text
        assert used > CONTEXT_TOKENS // 2, "it remembers as much as fits"
        assert right > TURNS * 0.9, f"the newest fact is known in {right} turns"
        with pytest.raises(BadRequestError) as refused:
            client.responses.create(model="small", input="Who is my friend?", previous_response_id=last)
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
        assert "messages" not in refused.value.message
