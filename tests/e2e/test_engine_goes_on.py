"""The embedded engine dies in the middle of an answer, and the answer goes on where it was."""

import os
import random
import signal

import openai
import pytest

from tests.e2e.running import Running, serving
from tests.e2e.test_kills import BOOKS_S, MODEL, books_are_right, child_of, client, rows, wait

pytestmark = pytest.mark.slow

KILLS = 50
TOKENS = 32
OTHERS = 3  # short calls between two kills, as of a machine in use: repeats are paid by calls that succeed
REPEATED_CHARS = 12
PROMPTS = (
    "Write a long story about a ship in a storm.",
    "请写一个关于雪山驿站的长故事。",
    "Explain step by step how a bicycle stays upright.",
    "用中文介绍一下杭州的历史和风景，越详细越好。",
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Running:  # type: ignore[misc]
    data = tmp_path_factory.mktemp("engine") / "data"
    with serving(data, module="tests.e2e.quick_engine_server") as running:
        yield running  # type: ignore[misc]


def ask(
    server: Running, prompt: str, end_user: str, max_tokens: int = TOKENS
) -> "openai.Stream[openai.types.chat.ChatCompletionChunk]":
    return client(server).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
        temperature=0,
        max_tokens=max_tokens,
        user=end_user,
    )


def repeated(text: str) -> str | None:
    """Some characters that stand twice in a row, as many as a seam must not repeat."""
    for at in range(len(text) - 2 * REPEATED_CHARS + 1):
        for length in range(REPEATED_CHARS, (len(text) - at) // 2 + 1):
            if text[at : at + length] == text[at + length : at + 2 * length]:
                return text[at : at + length]
    return None


def test_an_answer_goes_on_when_the_engine_is_killed_anywhere(own: Running) -> None:
    chance = random.Random(4)
    uncut = {prompt: "".join(texts(ask(own, prompt, "uncut"))[0]) for prompt in PROMPTS}
    same = 0
    for number in range(KILLS):
        prompt = PROMPTS[number % len(PROMPTS)]
        kill_after = chance.randrange(1, TOKENS - 4)
        stream = ask(own, prompt, f"killed-{number}")
        pieces, ids, reasons = texts(stream, kill_after, child_of(own, MODEL))
        for _ in range(OTHERS):
            list(ask(own, "Say hi.", "other", 1))
        text = "".join(pieces)
        assert "\ufffd" not in text, (number, text)
        assert len(ids) == 1, (number, ids)
        assert reasons == ["length"] or reasons == ["stop"], (number, reasons)
        if repeated(uncut[prompt]) is None:
            assert repeated(text) is None, (number, repeated(text), text)
        same += text == uncut[prompt]
    print(f"{same} of {KILLS} texts are letter for letter what an uncut run gives")
    wait(lambda: rows(own, "end_user LIKE 'killed-%' AND status = 'ok'") == KILLS, BOOKS_S, "a row each")
    books_are_right(own)


def texts(
    stream: "openai.Stream[openai.types.chat.ChatCompletionChunk]", kill_after: int = 0, child: int = 0
) -> tuple[list[str], set[str], list[str]]:
    """The pieces of a stream, its ids and its finish reasons; after so many pieces a process is killed."""
    pieces: list[str] = []
    ids: set[str] = set()
    reasons: list[str] = []
    for chunk in stream:
        ids.add(chunk.id)
        for choice in chunk.choices:
            if choice.finish_reason is not None:
                reasons.append(choice.finish_reason)
            if choice.delta.content:
                pieces.append(choice.delta.content)
                if child and len(pieces) == kill_after:
                    os.kill(child, signal.SIGKILL)
    return pieces, ids, reasons
