"""The official Python SDK 3.x: moderations, judged on this machine."""

import pytest
from openai import BadRequestError, OpenAI

HARMFUL, HARMLESS = "I will kill you, you worthless idiot.", "How do I kill a process on Linux?"


def test_a_text_has_a_result_and_the_default_model_answers(client: OpenAI) -> None:
    answer = client.moderations.create(input=HARMFUL)
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == "waystation-moderation"
    assert result.flagged
    assert result.categories.harassment_threatening
    assert result.category_scores.harassment >= 0.5
    assert result.category_applied_input_types.violence == ["text"]


def test_each_text_of_a_list_has_its_own_and_parts_have_one_together(client: OpenAI) -> None:
    texts = client.moderations.create(model="text-moderation-latest", input=[HARMLESS, HARMFUL, ""])
    assert len(texts.results) == 3
    assert texts.results[1].flagged
    assert not texts.results[2].flagged
    parts = client.moderations.create(
        model="omni-moderation-latest", input=[{"type": "text", "text": HARMLESS}, {"type": "text", "text": HARMFUL}]
    )
    assert [each.flagged for each in parts.results] == [True]


def test_the_answer_says_who_judged_and_costs_nothing(client: OpenAI) -> None:
    answer = client.moderations.with_raw_response.create(input=HARMFUL)
    assert answer.headers["x-waystation-moderator"].startswith("words+")
    assert answer.headers["x-waystation-deployment"] == "local/waystation-moderation"
    assert answer.headers["x-waystation-cost"] == "0 USD"


def test_a_picture_is_refused_with_its_place(client: OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(BadRequestError) as refused:
        client.moderations.create(input=[{"type": "text", "text": "x"}, picture])  # type: ignore[list-item]
    assert refused.value.param == "input[1]"


@pytest.mark.parametrize("given", [[], ["a"] * 1025])
def test_too_few_and_too_many_are_refused(client: OpenAI, given: list[str]) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.moderations.create(input=given)
    assert refused.value.param == "input"


def test_a_chat_model_does_not_moderate(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.moderations.create(model="gpt-4o-mini", input="x")
    assert refused.value.param == "model"
