"""The body of POST /v1/responses/compact and its answer: a conversation made short, to go on from."""

from typing import Any, Literal

import msgspec

from waystation.errors import InvalidRequest
from waystation.wire.answers import Shape
from waystation.wire.messages import Plain
from waystation.wire.read import Reader, unknown_parameters
from waystation.wire.response_items import check_items
from waystation.wire.responses import Item, ResponsesRequest

SEALED_CHARS_MAX = 20_971_520
"""Of an `encrypted_content`: OpenAI's bound."""


class CompactBody(Plain, frozen=True, gc=False, kw_only=True):
    """What is asked. Null is the same as leaving a parameter out."""

    model: str = ""
    input: str | list[Item] | None = None
    previous_response_id: str | None = None
    instructions: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None


class CompactRequest(ResponsesRequest, frozen=True, gc=False, kw_only=True):
    """The same as a response's request, as which it travels. `unused`: parameters that compaction doesn't have."""

    unused: tuple[str, ...] = ()

    @property
    def remembers(self) -> bool:
        """It always refers to what is kept, or may: who sees to that is asked first."""
        return True


class CompactedResponse(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[Item]
    usage: dict[str, Any]


def read_compact(body: bytes) -> CompactRequest:
    """The body as a request. Raises InvalidRequest with `param`."""
    read = _READER.read(body)
    if not read.model:
        raise InvalidRequest("you must provide a model parameter")
    if not read.input and read.previous_response_id is None:
        raise InvalidRequest(
            "One of 'input' or 'previous_response_id' must be provided.",
            param="input",
            code="missing_required_parameter",
        )
    if isinstance(read.input, list):
        check_items(read.input)
    return CompactRequest(**msgspec.structs.asdict(read), unused=unknown_parameters(body, CompactBody))


_READER = Reader(CompactBody)
