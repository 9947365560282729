"""The body of POST /v1/embeddings."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.messages import Plain
from waystation.wire.prompts import TokenOrText, check_items, prompts_in, text_of
from waystation.wire.read import Reader

INPUTS_MAX = 2048
Input = str | Annotated[list[TokenOrText], Meta(min_length=1, max_length=INPUTS_MAX)]


class EmbeddingsRequest(Plain, frozen=True, gc=False, kw_only=True):
    """Embeddings as asked for. Null means the same as leaving a parameter out, except in `model` and `input`."""

    model: str
    input: Input
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    user: str | None = None

    @property
    def remembers(self) -> bool:
        """Whether the answer is to be kept, or the call refers to what is."""
        return False

    @property
    def stream(self) -> bool:
        return False

    @property
    def include_usage(self) -> bool:
        return False

    @property
    def output_tokens_asked(self) -> int:
        """Embeddings have no output tokens."""
        return 0

    @property
    def choices(self) -> int:
        return 1

    @property
    def end_user(self) -> str | None:
        return self.user

    @property
    def has_images(self) -> bool:
        return False

    @property
    def image_param(self) -> str | None:
        return None

    @property
    def inputs(self) -> list[Any]:
        """The inputs one by one, each a text or a list of token ids."""
        if type(self.input) is list and prompts_in(self.input) == len(self.input) and type(self.input[0]) is not int:
            return self.input
        return [self.input]

    @property
    def prompt_text(self) -> str:
        """All text that the model reads; inputs that are token ids are not in it."""
        return text_of(self.input)


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """The body as a request that OpenAI would take. Raises InvalidRequest with `param` in OpenAI's words."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    check_items(request.input, "input")
    if request.input == "":
        raise _empty("input")
    if type(request.input) is list and "" in request.input:
        raise _empty(f"input[{request.input.index('')}]")
    return request


def _empty(param: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': input cannot be an empty string.", param=param)


_READER = Reader(EmbeddingsRequest)
