"""Counts are exact and offline."""

import base64
import hashlib
import random
import sys
import unicodedata

import pytest
import tiktoken

from waystation.metering.encodings import OPENAI_ENCODINGS, openai_encoding, openai_tokens
from waystation.metering.tokens import PART_LETTERS_MAX, Tokenizers, encoding_for, is_openai_name

PUBLISHED = {  # of the .tiktoken files, in tiktoken's own source
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
TOKENIZERS = Tokenizers()


@pytest.mark.parametrize("name", OPENAI_ENCODINGS)
def test_vocabulary_is_the_published_one(name: str) -> None:
    lines = (b"%b %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(openai_tokens(name)))
    assert hashlib.sha256(b"".join(lines)).hexdigest() == PUBLISHED[name]


@pytest.mark.parametrize("name", OPENAI_ENCODINGS)
def test_pattern_and_special_tokens_are_tiktokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiktoken_ext import openai_public

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *args, **more: {})
    theirs = openai_public.ENCODING_CONSTRUCTORS[name]()
    ours = openai_encoding(name)
    assert ours._pat_str == theirs["pat_str"]
    assert ours._special_tokens == theirs["special_tokens"]


def test_known_counts() -> None:
    # Source: OpenAI's cookbook, "How to count tokens with tiktoken".
    assert TOKENIZERS.encode("tiktoken is great!", "gpt-4") == [83, 1609, 5963, 374, 2294, 0]
    assert TOKENIZERS.count_tokens("antidisestablishmentarianism", "gpt-4o") == (6, "o200k_base")
    assert TOKENIZERS.count_tokens("お誕生日おめでとう", "gpt-4") == (9, "cl100k_base")
    assert TOKENIZERS.count_tokens("お誕生日おめでとう", "gpt-4o") == (8, "o200k_base")


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5-nano", "o200k_base"),
        ("o3", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("ft:gpt-4o-mini:me::1", "o200k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("deepseek-chat", "o200k_base"),
    ],
)
def test_name_says_the_encoding(model: str, encoding: str) -> None:
    assert encoding_for(model) == encoding


def test_every_name_that_tiktoken_knows_has_its_encoding() -> None:
    for name, encoding in tiktoken.model.MODEL_TO_ENCODING.items():
        if encoding in OPENAI_ENCODINGS and is_openai_name(name):
            assert encoding_for(name) == encoding, name


@pytest.mark.parametrize("letter", ["a", " ", "\n", "你", "́"])
def test_a_million_equal_letters_are_counted(letter: str) -> None:
    count, _ = TOKENIZERS.count_tokens(letter * 1_000_000, "gpt-4o")
    assert 0 < count <= 3_000_000


def test_counting_in_parts_changes_nothing() -> None:
    choose = random.Random(7)
    words = [
        "hello",
        " world",
        "  two",
        "\n",
        "\n\n  ",
        " 你好",
        "，",
        " 🎉",
        "1234567",
        "don't",
        "\t",
        "foo_bar",
        " ",
        ".\n",
    ]
    text = "".join(choose.choice(words) for _ in range(60_000))
    assert len(text) > 2 * PART_LETTERS_MAX
    for model in ("gpt-4o", "gpt-4"):
        assert TOKENIZERS.encode(text, model) == TOKENIZERS.of(model).encode_ordinary(text)


def test_special_looking_text_is_text() -> None:
    assert TOKENIZERS.count_tokens("<|endoftext|>", "gpt-4o")[0] > 1


def test_a_lone_surrogate_is_counted() -> None:
    assert TOKENIZERS.count_tokens("a\ud800b", "gpt-4o")[0] > 0


def test_ids_come_back_as_text() -> None:
    text = unicodedata.normalize("NFD", "Crème brûlée 你好 🎉")
    assert TOKENIZERS.decode(TOKENIZERS.encode(text, "gpt-4o"), "gpt-4o") == text
    with pytest.raises(ValueError, match="no token id"):
        TOKENIZERS.decode([199_998], "gpt-4o")


def test_chat_counts_by_openais_sum() -> None:
    messages = [{"role": "user", "content": "hello", "name": "bob"}]
    assert TOKENIZERS.count_chat(messages, "gpt-4o") == (3 + 3 + 1 + 1 + 1 + 1, "o200k_base")


def test_a_model_that_is_not_there_yet_counts_with_openais() -> None:
    from pathlib import Path

    assert Tokenizers({"mine": Path("/nowhere.gguf")}).count_tokens("hello", "mine") == (1, "o200k_base")


def test_importing_loads_no_vocabulary() -> None:
    import subprocess

    code = "import sys; import waystation.metering.tokens; sys.exit('tiktoken' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
