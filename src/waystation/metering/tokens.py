"""How many tokens a text has, offline and by the model's own tokenizer: OpenAI's and the local models'.

Vocabularies are loaded when first asked for (about 0.2 s each) and kept by the `Tokenizers` that loaded them. What a
model has used is the provider's to say; this counts before a call, or when no provider said.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waystation.wire.gguf import NotGguf, read_head

if TYPE_CHECKING:
    import tiktoken

O200K, CL100K = "o200k_base", "cl100k_base"
# Longer texts are counted in parts: in one piece a million spaces exhaust the stack of tiktoken's regular expressions.
PART_LETTERS_MAX = 100_000

# OpenAI names by their beginning, the first that fits; every other name counts with o200k, which new models share.
_ENCODING_OF = (
    ("gpt-4o", O200K),
    ("gpt-4.", O200K),
    ("gpt-4", CL100K),
    ("gpt-3.5", CL100K),
    ("gpt-35", CL100K),
    ("text-embedding-", CL100K),
    ("davinci-002", CL100K),
    ("babbage-002", CL100K),
)
# Source: OpenAI's cookbook, "How to count tokens with tiktoken".
_TOKENS_PER_MESSAGE, _TOKENS_PER_NAME, _TOKENS_OF_REPLY = 3, 1, 3


def encoding_for(model: str) -> str:
    """The name of the OpenAI encoding that a model name stands for; fine-tuned names (`ft:gpt-4o:…`) as their base."""
    name = model.removeprefix("ft:")
    return next((encoding for beginning, encoding in _ENCODING_OF if name.startswith(beginning)), O200K)


def is_openai_name(model: str) -> bool:
    """Whether a name is one of OpenAI's, so that token ids sent with it are o200k's or cl100k's."""
    return bool(re.match(r"(ft:)?(gpt-|chatgpt-|o[1-9]|text-embedding-|codex-|davinci-|babbage-)", model))


class Tokenizers:
    """Tokenizers by model name. `local` says in which GGUF file a local model's vocabulary is."""

    def __init__(self, local: Mapping[str, Path] | None = None) -> None:
        self._local = {} if local is None else local
        self._loaded: dict[str, tiktoken.Encoding] = {}
        self._heads: dict[str, dict[str, Any]] = {}
        self._always: dict[str, frozenset[str]] = {}

    def of(self, model: str) -> "tiktoken.Encoding":
        """The tokenizer that counts for a model: the local model's own, else OpenAI's for that name."""
        return self._own(model) or self.named(encoding_for(model))

    def named(self, encoding: str) -> "tiktoken.Encoding":
        """`o200k_base` or `cl100k_base`. Raises KeyError for another name."""
        if encoding not in self._loaded:
            from waystation.metering.encodings import openai_encoding  # tiktoken costs 60 ms that few commands need

            self._loaded[encoding] = openai_encoding(encoding)
        return self._loaded[encoding]

    def encode(self, text: str, model: str) -> list[int]:
        """Token ids of a text. What looks like a special token is text, but for those a local model reads anywhere."""
        encoding = self.of(model)
        always = self._always.get(model, frozenset())
        ids: list[int] = []
        for part in _parts(text):
            ids += encoding.encode(part, allowed_special=always, disallowed_special=())
        return ids

    def decode(self, ids: Sequence[int], model: str) -> str:
        """The text of token ids. Raises ValueError when one is not in the vocabulary."""
        try:
            return self.of(model).decode(list(ids), errors="replace")
        except (KeyError, OverflowError) as error:
            raise ValueError(f"{error} is no token id of {self.of(model).name}") from error

    def count_tokens(self, text: str, model: str) -> tuple[int, str]:
        """How many tokens a text has, and the name of the encoding that says so."""
        return len(self.encode(text, model)), self.of(model).name

    def count_chat(self, messages: Sequence[Mapping[str, Any]], model: str) -> tuple[int, str]:
        """How many tokens the messages of a chat make, and the encoding's name.

        Exact for a local model with ChatML and messages of text; OpenAI's documented sum for OpenAI's models. Tools are
        not part of either: for a prompt with tools ask the engine itself.
        """
        encoding = self.of(model)
        if self._own(model) is not None:
            prompt = _chatml(messages, self._heads[model].get("tokenizer.chat_template", ""))
            return len(encoding.encode(prompt, allowed_special="all")), encoding.name
        total = _TOKENS_OF_REPLY
        for message in messages:
            total += _TOKENS_PER_MESSAGE + (_TOKENS_PER_NAME if message.get("name") else 0)
            for key in ("role", "name", "content"):
                text = _text(message.get(key))
                total += sum(len(encoding.encode_ordinary(part)) for part in _parts(text))
        return total, encoding.name

    def translate(self, token: int, asked: str, model: str) -> int | None:
        """A token id as the caller of `asked` knows it, in the local model's numbers; None when there is no such."""
        own = self._own(model)
        if own is None:
            return None
        if not is_openai_name(asked):
            return token if 0 <= token < own.n_vocab else None
        try:
            data = self.named(encoding_for(asked)).decode_single_token_bytes(token)
            return own.encode_single_token(data)
        except (KeyError, OverflowError):
            return None

    def control_tokens(self, model: str) -> tuple[str, ...]:
        """The special texts of a local model, such as `<|im_end|>`."""
        if self._own(model) is None:
            return ()
        from waystation.metering.encodings import control_tokens  # see `named`

        return control_tokens(self._heads[model])

    def special_token(self, text: str, model: str) -> int | None:
        """The id of a local model's special token, or None."""
        own = self._own(model)
        return own._special_tokens.get(text) if own else None

    def _own(self, model: str) -> "tiktoken.Encoding | None":
        if model not in self._local:
            return None
        if model not in self._loaded:
            from waystation.metering.encodings import always_special, local_encoding  # see `named`

            try:
                head = read_head(self._local[model])
            except (OSError, NotGguf):  # not pulled yet: the name's OpenAI encoding counts until it is there
                return None
            encoding = local_encoding(model, head)
            if encoding is None:
                return None
            self._heads[model] = {key: value for key, value in head.items() if key != "tokenizer.ggml.merges"}
            self._always[model] = always_special(head)
            self._loaded[model] = encoding
        return self._loaded[model]


def _parts(text: str) -> list[str]:
    """A text in parts that are quick to count. Cut before the single space between two words, which changes no token.

    Where there is none, as in a million spaces, a cut may add a token; in one piece tiktoken would run out of stack.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # a lone surrogate has no bytes
    parts = []
    start = 0
    while len(text) - start > PART_LETTERS_MAX:
        end = start + PART_LETTERS_MAX
        cut = text.rfind(" ", start + 1, end)
        while cut > start and (text[cut - 1].isspace() or text[cut + 1].isspace()):
            cut = text.rfind(" ", start + 1, cut)
        end = cut if cut > start else end
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _text(content: Any) -> str:
    """The words of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    return ""


def _chatml(messages: Sequence[Mapping[str, Any]], template: str) -> str:
    """Messages as ChatML, with the system message that the template adds when there is none."""
    turns = [
        (str(message.get("role", "user")).replace("developer", "system"), _text(message.get("content")))
        for message in messages
    ]
    default = re.search(r"else %\}\s*\{\{-? '<\|im_start\|>system\\n(.*?)<\|im_end\|>", template, re.DOTALL)
    if default and (not turns or turns[0][0] != "system"):
        turns.insert(0, ("system", default[1]))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
