"""The parts of a completion's choices in OpenAI's older shapes. How they come about is `completions.py`.

Source: CreateCompletionResponse of OpenAI's description.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.engine.chat import Envelope
from waystation.engine.parts import End, Part, Text
from waystation.engine.upstream import Candidate
from waystation.terms import Done, Piece, Usage
from waystation.wire.endings import cut_short, usage_object

_encode = msgspec.json.encode


class Asked(msgspec.Struct):
    """A completion's body, read."""

    prompts: list[str]
    n: int
    best_of: int
    echo: bool
    suffix: str | None
    logprobs: int | None


class Said(msgspec.Struct):
    """One choice, written."""

    text: str = ""
    tokens: list[Candidate] = []
    finish: str = "stop"

    def likelihood(self) -> float:
        """The mean log probability of its tokens, by which the best of several is picked."""
        return sum(token.logprob for token in self.tokens) / max(1, len(self.tokens))


class CompletionStream:
    """Turns parts into the events of a stream."""

    def __init__(self, asked: Asked, envelope: Envelope) -> None:
        self._asked = asked
        self._head = head_of(envelope)
        self._usage_asked = envelope.usage_asked
        self._extra: dict[str, Any] = {"usage": None} if envelope.usage_asked else {}
        self._lengths: dict[int, int] = {}  # letters told so far, by choice
        self._ended: set[int] = set()

    def chunk(self, choice: int, part: Part) -> Piece:
        """The event that tells a part; the first of a choice begins with its prompt where that is to be echoed."""
        asked = self._asked
        said = Said(asked.prompts[choice // asked.n] if asked.echo and choice not in self._lengths else "", [], "")
        if isinstance(part, Text):
            said = Said(said.text + part.text, part.logprobs, "")
        elif isinstance(part, End):
            self._ended.add(choice)
            said.finish = part.finish
        offset = self._lengths.get(choice, 0)
        self._lengths[choice] = offset + len(said.text)
        told = choice_of(choice, said, "", asked.logprobs, offset)
        return Piece(_event({**self._head, "choices": [told], **self._extra}), said.text)

    def all_ended(self, choices: int) -> bool:
        return len(self._ended) >= choices

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid."""
        unended = self._lengths.keys() - self._ended
        return cut_short(_encode(self._head), unended, completion=True, usage_asked=self._usage_asked)

    def usage(self, usage: Usage) -> bytes:
        """The chunk without choices that a caller gets who has asked for it."""
        return _event({**self._head, "choices": [], "usage": usage_object(usage)})


def choice_of(number: int, said: Said, echo: str, candidates: int | None, offset: int = 0) -> dict[str, Any]:
    chances = (
        None
        if candidates is None or (not said.tokens and not said.finish)
        else _logprobs(said.tokens, candidates, offset)
    )
    return {"text": echo + said.text, "index": number, "logprobs": chances, "finish_reason": said.finish or None}


def _logprobs(tokens: Sequence[Candidate], candidates: int, offset: int) -> dict[str, Any]:
    """Probabilities in the older shape: parallel arrays, and where in the text each token begins."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{other.token: other.logprob for other in token.top_logprobs[:candidates]} for token in tokens],
        "text_offset": offsets,
    }


def head_of(envelope: Envelope) -> dict[str, Any]:
    """What every chunk and body of one answer repeats."""
    return {
        "id": envelope.id,
        "object": "text_completion",
        "created": envelope.created,
        "model": envelope.model,
        "system_fingerprint": envelope.fingerprint,
    }


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(chunk)
