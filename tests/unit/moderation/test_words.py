"""The word lists: what they find however it is written, and what they leave alone."""

import time
from pathlib import Path

import pytest

from waystation.moderation.normal import normalized
from waystation.moderation.words import SLICE_CHARS, Words, WordsError, built_in, read_words

WORDS = Words(built_in())


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ＦＵＣＫ", "fuck"),
        ("Fùck", "fuck"),
        ("fuсk", "fuck"),  # a Cyrillic letter
        ("f.u.c.k you", "fuck you"),
        ("k i l l  y o u r s e l f", "kill yourself"),
        ("sh1t", "shit"),
        ("a b", "a b"),
        ("傻 逼", "傻逼"),
        ("傻\u200b逼", "傻逼"),
        ("殺", "杀"),
        ("x\x00y", "xy"),
    ],
)
def test_what_looks_alike_is_read_alike(text: str, form: str) -> None:
    assert normalized(text) == form


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("I will kill you", "harassment/threatening"),
        ("you are such a worthless idiot", "harassment"),
        ("k i l l  y o u r s e l f", "self-harm/instructions"),
        ("I want to die", "self-harm/intent"),
        ("how to shoplift", "illicit"),
        ("how to make a bomb at home", "illicit/violent"),
        ("你真是个废物", "harassment"),
        ("殺光所有猶太人", "hate/threatening"),
        ("我不想活了", "self-harm/intent"),
        ("怎么伪造身份证", "illicit"),
        (f"{'well ' * 10_000}go kill yourself{' well' * 10_000}", "self-harm/instructions"),
    ],
    ids=range(11),
)
def test_words_that_say_it_alone_are_found(text: str, category: str) -> None:
    assert WORDS.scores(text)[category] >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How do I kill a process on Linux?",
        "推荐一款杀毒软件",
        "The patient has breast cancer.",
        "In this game you kill the boss at the end.",
        "预防自杀热线的电话是多少？",
        "\x00" * 100,
    ],
)
def test_what_is_harmless_is_left_alone(text: str) -> None:
    assert all(score < 0.5 for score in WORDS.scores(text).values())


@pytest.mark.parametrize("letters", ["a ", "kill ", "我想", "how to ", "(", "\x00"], ids=range(6))
def test_a_long_text_takes_its_length_and_no_more(letters: str) -> None:
    def seconds(count: int) -> float:
        text = letters * (count // len(letters))
        begin = time.process_time()
        WORDS.scores(text)
        return time.process_time() - begin

    assert seconds(8 * SLICE_CHARS) < 8 * 2 * max(seconds(SLICE_CHARS), 0.02)


def test_an_administrators_words_count_beside_the_built_in_ones(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text('[harassment]\nwords = ["Blorf", "坏蛋"]\nregexes = ["zzz+"]\n[benign]\nphrases = ["blorf day"]\n')
    words = Words([*built_in(), read_words(path)])
    assert words.scores("you bl0rf")["harassment"] > 0.5
    assert words.scores("大壞蛋")["harassment"] > 0.5
    assert words.scores("zzzz")["harassment"] > 0.5
    assert words.scores("blorfing on blorf day") == {}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[rude]\nwords = ['a']", "rude"),
        ("[hate]\nwords = 'a'", "list of texts"),
        ("[hate]\nword = ['a']", "word is not known"),
        ("[hate]\nregexes = ['(']", "no expression"),
        ("[hate]\nregexes = ['a*']", "everything"),
        ("hate = 5", "table"),
        ("[hate", "no TOML"),
    ],
)
def test_a_mistake_in_the_words_file_is_told_with_its_place(toml: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text(toml)
    with pytest.raises(WordsError, match=said) as caught:
        read_words(path)
    assert str(path) in str(caught.value)


def test_a_words_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WordsError, match="No such file"):
        read_words(tmp_path / "none.toml")
