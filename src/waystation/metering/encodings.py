"""Tokenizers built from vocabularies that we already have, so that tiktoken's downloader is never asked.

Two kinds: OpenAI's own (package data) and the byte-pair vocabulary in the head of a GGUF file. Who counts what is
`metering/tokens.py`.
"""

import gzip
from importlib.resources import files
from itertools import pairwise
from typing import Any

import tiktoken

# Source: tiktoken's openai_public, by meaning; the vocabularies' SHA-256 there are what the test of this module proves.
_O200K_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_CL100K_PATTERN = "|".join(
    (
        r"'(?i:[sdmt]|ll|ve|re)",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",
        r"\p{N}{1,3}+",
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
        r"\s++$",
        r"\s*[\r\n]",
        r"\s+(?!\S)",
        r"\s",
    )
)
# Source: tokenizer.json of Qwen2; as cl100k, but each digit by itself.
_QWEN2_PATTERN = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

_OPENAI: dict[str, tuple[str, dict[str, int]]] = {
    "o200k_base": (_O200K_PATTERN, {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}),
    "cl100k_base": (
        _CL100K_PATTERN,
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}
# How a GGUF file names the rule that splits text before the byte pairs: the ones that we know to be the same.
_LOCAL_PATTERNS = {"qwen2": _QWEN2_PATTERN, "llama-bpe": _CL100K_PATTERN}
_CONTROL, _USER_DEFINED = 3, 4  # token types of GGUF

OPENAI_ENCODINGS = tuple(_OPENAI)


def openai_tokens(name: str) -> list[bytes]:
    """The tokens of an OpenAI vocabulary in order of rank."""
    data = gzip.decompress((files("waystation.metering.vocabulary") / f"{name}.gz").read_bytes())
    tokens = []
    at, end = 0, len(data)
    while at < end:
        start = at + 1
        at = start + data[at]
        tokens.append(data[start:at])
    return tokens


def openai_encoding(name: str) -> tiktoken.Encoding:
    """`o200k_base` or `cl100k_base`, the same as tiktoken's own. Raises KeyError for another name."""
    pattern, special = _OPENAI[name]
    ranks = {token: rank for rank, token in enumerate(openai_tokens(name))}
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


def local_encoding(name: str, head: dict[str, Any]) -> tiktoken.Encoding | None:
    """The tokenizer that a GGUF file carries, or None when it is of a kind that only llama.cpp can run.

    Byte pairs are merged by rank; where token ids are in the order of the merges (Qwen, Llama 3) the id is the rank.
    """
    pattern = _LOCAL_PATTERNS.get(head.get("tokenizer.ggml.pre", ""))
    tokens, types = head.get("tokenizer.ggml.tokens", []), head.get("tokenizer.ggml.token_type", [])
    if head.get("tokenizer.ggml.model") != "gpt2" or pattern is None or len(types) != len(tokens):
        return None
    ids = {token: number for number, token in enumerate(tokens)}
    order = [ids.get(merge.replace(b" ", b"", 1), -1) for merge in head.get("tokenizer.ggml.merges", [])]
    if not order or order[0] < 0 or any(later <= earlier for earlier, later in pairwise(order)):
        return None
    byte_of = _bytes_of_letters()
    ranks: dict[bytes, int] = {}
    special: dict[str, int] = {}
    for number, (token, kind) in enumerate(zip(tokens, types, strict=True)):
        text = token.decode()
        if kind in (_CONTROL, _USER_DEFINED):
            special[text] = number
        elif kind == 1:
            ranks[bytes(byte_of[letter] for letter in text)] = number
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


def always_special(head: dict[str, Any]) -> frozenset[str]:
    """The texts that a local model reads as one token wherever they are, such as `<tool_call>`."""
    tokens, types = head.get("tokenizer.ggml.tokens", []), head.get("tokenizer.ggml.token_type", [])
    return frozenset(token.decode() for token, kind in zip(tokens, types, strict=False) if kind == _USER_DEFINED)


def control_tokens(head: dict[str, Any]) -> tuple[str, ...]:
    """The texts that a model reads as structure, such as `<|im_end|>`: never to be taken from a user's words."""
    tokens, types = head.get("tokenizer.ggml.tokens", []), head.get("tokenizer.ggml.token_type", [])
    return tuple(token.decode() for token, kind in zip(tokens, types, strict=False) if kind == _CONTROL)


def _bytes_of_letters() -> dict[str, int]:
    """GPT-2's way to write any byte as a visible letter, backwards: those that are none are numbered from U+0100."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {chr(byte): byte for byte in visible}
    hidden = (byte for byte in range(256) if byte not in set(visible))
    return letters | {chr(256 + number): byte for number, byte in enumerate(hidden)}
