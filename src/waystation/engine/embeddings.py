"""An embeddings call on the local embedding model.

Its rule: every text is read as "query: …", which the makers of E5 advise where both sides of a comparison are alike, so
that equal texts have equal vectors, alone or in a list. For retrieval a caller
may send `input_type`: "query" or "passage". A text of more than 512 tokens is read in windows whose vectors are averaged by length.
"""

import base64
import math
from array import array
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from waystation.engine.chats import ignored
from waystation.engine.local import Local, Tokenizers
from waystation.errors import InvalidRequest
from waystation.gateway.call import Call
from waystation.terms import Done, Event, Model, Usage

USED = frozenset({"model", "input", "encoding_format", "dimensions", "user", "input_type"})
IDS_OF = "text-embedding-3-small"  # token ids in an embeddings call are this model's (cl100k), whatever model is named
TEXTS_PER_REQUEST = 64  # then another project's texts have their turn


async def answer_embeddings(
    call: Call, model: Model, local: Local, tokenizers: Tokenizers, created: int
) -> AsyncGenerator[Event]:
    body = msgspec.json.decode(call.body)
    call.ignored = ignored(body, USED)
    texts = _texts(body["input"], tokenizers)
    width = local.model.dimensions or 0
    dimensions = body.get("dimensions") or width
    if dimensions > width:
        raise InvalidRequest(
            f"Invalid value for 'dimensions': the model `{local.model.name}` has {width} dimensions, got {dimensions}.",
            param="dimensions",
        )
    query = _is_query(body)
    vectors: list[bytes] = []
    usage = Usage()
    for start in range(0, len(texts), TEXTS_PER_REQUEST):
        async with local.queue.place(call.project, 0):
            asked = {"texts": texts[start : start + TEXTS_PER_REQUEST], "query": query}
            answer = await local.upstream.json("/v1/embeddings", asked)
        usage.input_tokens += answer["tokens"]
        vectors += [shortened(base64.b64decode(vector), dimensions, width) for vector in answer["vectors"]]
    as_text = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _told(vector, as_text)}
        for index, vector in enumerate(vectors)
    ]
    used = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    yield Done(msgspec.json.encode({"object": "list", "data": data, "model": local.model.name, "usage": used}), usage)


def shortened(vector: bytes, dimensions: int, width: int) -> bytes:
    """The first dimensions of a unit vector (float32, little-endian), of length 1 again."""
    if dimensions == width:
        return vector
    numbers = array("f", vector[: 4 * dimensions])
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return array("f", [number / length for number in numbers]).tobytes()


def _told(vector: bytes, as_text: bool) -> Any:
    return base64.b64encode(vector).decode() if as_text else array("f", vector).tolist()


def _texts(given: Any, tokenizers: Tokenizers) -> list[str]:
    """The input as texts: one, several, or the token ids of one or several."""
    items = given if isinstance(given, list) and not (given and isinstance(given[0], int)) else [given]
    texts = []
    for item in items:
        if isinstance(item, list):
            try:
                item = tokenizers.decode(item, IDS_OF)
            except ValueError as error:
                raise InvalidRequest(f"Invalid token in 'input': {error}", param="input") from error
        if not item:
            raise InvalidRequest("'input' cannot be an empty string.", param="input")
        texts.append(item)
    if not texts:
        raise InvalidRequest("'input' cannot be an empty array.", param="input")
    return texts


def _is_query(body: Mapping[str, Any]) -> bool:
    kind = body.get("input_type") or "query"
    if kind not in ("query", "passage", "document"):
        raise InvalidRequest("Invalid value for 'input_type': it is 'query' or 'passage'.", param="input_type")
    return bool(kind == "query")
