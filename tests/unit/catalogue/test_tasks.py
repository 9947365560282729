"""Which task a message sets: sentences as people write them, in both languages."""

import time

import pytest

from waystation.catalogue.tasks import HEAD_CHARS, task_of


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ("Write a function that reverses a list.", "code"),
        ("Please fix this bug in my code", "code"),
        ("How do I sort a dict in Python?", "code"),
        ("```\nx = 1\n```\nWhy does that fail?", "code"),
        ("Traceback (most recent call last):\n  File ...", "code"),
        ("def answer(call):\n    return 42", "code"),
        ("What does C++ do better than C#?", "code"),
        ("帮我写一个函数，判断回文", "code"),
        ("这段程序为什么报错？", "code"),
        ("Translate this Python code to Rust.", "code"),
        ("Translate to French: good morning", "translate"),
        ("How do you say thank you in Japanese?", "translate"),
        ("把下面这句话翻译成英文：春眠不觉晓", "translate"),
        ("“谢谢”用法语怎么说？", "translate"),
        ("Solve x^2 - 5x + 6 = 0", "math"),
        ("What is 12 * 34?", "math"),
        ("Prove that the square root of two is irrational.", "math"),
        ("求解方程：2x + 3 = 7", "math"),
        ("计算这个数列的概率分布", "math"),
        ("Hello, how are you?", "chat"),
        ("Tell me about javanese dances.", "chat"),
        ("What classes are in the museum?", "chat"),
        ("给我讲讲驿站的历史", "chat"),
        ("今天天气怎么样？", "chat"),
        ("", "chat"),
    ],
)
def test_a_message_says_what_it_wants(said: str, task: str) -> None:
    assert task_of(said) == task


@pytest.mark.parametrize("at", ["begin", "end"])
def test_what_is_wanted_stands_at_the_begin_or_the_end_of_a_long_message(at: str) -> None:
    story = "Once upon a time there was a station. " * 1000
    wish = "Translate this into German."
    assert task_of(f"{wish} {story}" if at == "begin" else f"{story} {wish}") == "translate"
    assert task_of(f"{story} {wish} {story}") == "chat"


@pytest.mark.parametrize("text", ["SELECT " * 100_000, "(" * 1_000_000, "write a " * 200_000, "1 " * 500_000])
def test_a_hostile_message_takes_no_longer(text: str) -> None:
    begun = time.process_time()
    task_of(text)
    assert time.process_time() - begun < 0.5  # of HEAD_CHARS and no more: milliseconds
    assert len(text) > HEAD_CHARS
