"""Real answers: twenty fixed questions through the running product, and proof that the grader can say no."""

from collections.abc import Callable

import pytest
from openai import OpenAI

from tests.conftest import SHOWN
from tests.e2e.questions import ANSWER_TOKENS_MAX, QUESTIONS, RIGHT_MIN, transcript
from tests.e2e.running import Running

# Longer than most answers and with many of their words: a grader that takes this for knowledge is no grader.
CANNED = "Yes: the answer is 42. 好的，答案是 42。Here is the code you asked for: ```python\nprint(42)\n```"


def ask_all(server: Running, model: str) -> list[str]:
    client = OpenAI(base_url=server.base_url, api_key=server.key)
    answers = []
    for question in QUESTIONS:
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question.text}],
            temperature=0,
            max_tokens=ANSWER_TOKENS_MAX,
        )
        answers.append(answer.choices[0].message.content or "")
    return answers


def test_the_embedded_model_answers_at_least_15_of_20_questions(
    server: Running, record_property: Callable[[str, object], None]
) -> None:
    right, read = transcript(ask_all(server, "gpt-4o"))
    record_property(SHOWN, read)
    assert len(QUESTIONS) == 20
    assert right >= RIGHT_MIN, read


def test_a_canned_engine_fails_the_same_questions(gateway: Running) -> None:
    answers = ask_all(gateway, "gpt-4o")
    right, read = transcript(answers)
    assert all(answers), "the fake provider answers, so it is the grader that has to tell"
    assert right < RIGHT_MIN, read


def test_no_single_text_passes_for_an_answer_to_more_than_a_few_questions() -> None:
    right, read = transcript([CANNED] * len(QUESTIONS))
    assert right <= 2, read


def test_the_right_answers_pass_in_another_wording() -> None:
    """The grader does not demand one form of words."""
    said = {
        0: "Paris.",
        1: "The sum is 12",
        2: "Seven days.",
        5: "H₂O",
        12: "3 × 6 = 18。",
        13: "Thanks!",
    }
    assert [position for position, answer in said.items() if not QUESTIONS[position].is_right(answer)] == []


@pytest.mark.parametrize(
    ("position", "answer"), [(1, "7 + 5 = 112"), (1, "12.5"), (2, "17 days"), (11, "120"), (10, "中国")]
)
def test_a_number_within_another_number_or_an_echo_is_wrong(position: int, answer: str) -> None:
    assert not QUESTIONS[position].is_right(answer)
