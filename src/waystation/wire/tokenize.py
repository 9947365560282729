"""The body of POST /v1/waystation/tokenize and its answer: how many tokens a text or a chat is for a model.

The counting itself is done by `metering`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from waystation.errors import InvalidRequest
from waystation.wire.messages import Messages, Plain, texts_of
from waystation.wire.read import Reader
from waystation.wire.tools import Tools

INPUTS_MAX = 2048


class TokenizeRequest(Plain, frozen=True, gc=False, kw_only=True):
    """Either `input` or `messages`; `return_tokens` asks for the ids, which only an `input` has."""

    model: str
    input: str | Annotated[list[str], Meta(min_length=1, max_length=INPUTS_MAX)] | None = None
    messages: Messages | None = None
    tools: Tools | None = None
    return_tokens: bool | None = None

    @property
    def texts(self) -> list[str]:
        """The texts to count, one by one; of a chat, the texts of its messages."""
        if self.messages is not None:
            return texts_of(self.messages)
        return [self.input] if type(self.input) is str else list(self.input or ())


class Tokenization(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens. `counts` and `tokens` have one entry for each input, in order."""

    object: Literal["tokenization"] = "tokenization"
    model: str
    encoding: str  # "o200k_base", "cl100k_base" or the name of a local model's own vocabulary
    count: int
    counts: list[int] | UnsetType = UNSET
    tokens: list[list[int]] | UnsetType = UNSET


def read_tokenize(body: bytes) -> TokenizeRequest:
    """The body as a request. Raises InvalidRequest with `param`."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    if (request.input is None) == (request.messages is None):
        if request.input is None:
            raise InvalidRequest(
                "Missing required parameter: 'input'. Send either 'input' or 'messages'.",
                param="input",
                code="missing_required_parameter",
            )
        raise InvalidRequest("Send either 'input' or 'messages', not both.", param="messages", code="invalid_value")
    return request


_READER = Reader(TokenizeRequest)
