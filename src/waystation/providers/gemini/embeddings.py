"""OpenAI's embeddings as Gemini's `batchEmbedContents`, and its answer as OpenAI's.

Source: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents, November 2026.
"""

import base64
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from waystation.dialects.saying import BadAnswer
from waystation.errors import Unsupported
from waystation.terms import Done, Usage

TEXTS_MAX = 100
"""Of one request there; more texts are asked for one after the other."""
_TOKENS_MAX = 2**63 - 1


class Request(Protocol):
    """What `wire/embeddings.py` read."""

    @property
    def inputs(self) -> list[Any]: ...
    @property
    def dimensions(self) -> int | None: ...
    @property
    def encoding_format(self) -> str | None: ...


class _Vector(msgspec.Struct):
    values: list[float]


class _Used(msgspec.Struct):
    promptTokenCount: int | None = None  # noqa: N815


class Batch(msgspec.Struct):
    embeddings: list[_Vector]
    usageMetadata: _Used | None = None  # noqa: N815

    @property
    def tokens(self) -> int | None:
        """Of its input; None where it does not say, or says what is no count."""
        count = self.usageMetadata.promptTokenCount if self.usageMetadata is not None else None
        return count if count is not None and 0 <= count <= _TOKENS_MAX else None


_batch = msgspec.json.Decoder(Batch)


def bodies(request: Request, model: str) -> list[bytes]:
    """The requests that ask for all inputs. Raises Unsupported for token ids: they are another tokenizer's."""
    texts = request.inputs
    if not all(isinstance(text, str) for text in texts):
        raise Unsupported("This model takes texts, not token ids.", param="input")
    more: dict[str, Any] = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    asked = [{"model": model, "content": {"parts": [{"text": text}]}, **more} for text in texts]
    starts = range(0, len(asked), TEXTS_MAX)
    return [msgspec.json.encode({"requests": asked[start : start + TEXTS_MAX]}) for start in starts]


def read_batch(data: bytes, size: int) -> Batch:
    """The answer to a request for `size` texts. Raises BadAnswer."""
    try:
        batch = _batch.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswer(f"{len(data)} bytes are no embeddings: {type(error).__name__}") from None
    if len(batch.embeddings) != size:
        raise BadAnswer(f"{len(batch.embeddings)} embeddings for {size} texts")
    return batch


def written(batches: Sequence[Batch], request: Request, model: str) -> Done:
    """OpenAI's answer; without a usage where not all batches told one: the ledger counts then."""
    vectors = [vector.values for batch in batches for vector in batch.embeddings]
    as_text = request.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _as_base64(vector) if as_text else vector}
        for index, vector in enumerate(vectors)
    ]
    body: dict[str, Any] = {"object": "list", "data": data, "model": model}
    counts = [batch.tokens for batch in batches]
    tokens = None if None in counts else sum(count for count in counts if count is not None)
    if tokens is None or tokens > _TOKENS_MAX:
        return Done(msgspec.json.encode(body), None)
    body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Done(msgspec.json.encode(body), Usage(tokens))


def _as_base64(vector: list[float]) -> str:
    """32-bit floats, little-endian, as OpenAI's clients ask for them."""
    return base64.b64encode(array("f", vector).tobytes()).decode("ascii")
