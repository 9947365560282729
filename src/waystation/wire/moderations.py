"""The body of POST /v1/moderations, and the shape of its answer. What is harmful is judged elsewhere."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.answers import Shape
from waystation.wire.messages import Plain, TextPart
from waystation.wire.read import Reader

DEFAULT_MODEL = "omni-moderation-latest"
INPUTS_MAX = 1024  # OpenAI names no bound; each input is a result of its own


class ImageAddress(Plain, frozen=True, gc=False):
    url: str


class ImageInput(Plain, frozen=True, gc=False, tag_field="type", tag="image_url"):
    image_url: ImageAddress


Item = str | TextPart | ImageInput


class ModerationRequest(Plain, frozen=True, gc=False, kw_only=True):
    """Texts are judged one by one; an array of parts is one input, whose parts belong together."""

    input: str | Annotated[list[Item], Meta(min_length=1, max_length=INPUTS_MAX)]
    model: str = DEFAULT_MODEL

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
        """Moderations have no output tokens."""
        return 0

    @property
    def choices(self) -> int:
        return 1

    @property
    def end_user(self) -> str | None:
        return None

    @property
    def image_param(self) -> str | None:
        """Where the first image is; None without images."""
        if type(self.input) is str:
            return None
        return next((f"input[{at}]" for at, item in enumerate(self.input) if type(item) is ImageInput), None)

    @property
    def has_images(self) -> bool:
        return self.image_param is not None

    @property
    def texts(self) -> list[str]:
        """What is judged, a text for each result. Pictures have no words."""
        if type(self.input) is str:
            return [self.input]
        if type(self.input[0]) is str:
            return [item for item in self.input if type(item) is str]
        return ["\n".join(item.text for item in self.input if type(item) is TextPart)]

    @property
    def prompt_text(self) -> str:
        """All text that the model reads."""
        return "\n".join(self.texts)


def read_moderation(body: bytes) -> ModerationRequest:
    """The body as a request that OpenAI would take. Raises InvalidRequest with `param` in OpenAI's words."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    if type(request.input) is list:
        _check_kinds(request.input)
    return request


def _check_kinds(items: list[Any]) -> None:
    """Texts or parts, never both."""
    of_texts = type(items[0]) is str
    for at, item in enumerate(items):
        if (type(item) is str) is not of_texts:
            expected, got = ("a string", "an object") if of_texts else ("an object", "a string")
            raise InvalidRequest(
                f"Invalid type for 'input[{at}]': expected {expected}, but got {got} instead.",
                param=f"input[{at}]",
                code="invalid_type",
            )


_READER = Reader(ModerationRequest)


# -- the answer


class Categories(Shape, frozen=True, kw_only=True):
    """Whether each is flagged."""

    harassment: bool
    harassment_threatening: bool = msgspec.field(name="harassment/threatening")
    hate: bool
    hate_threatening: bool = msgspec.field(name="hate/threatening")
    illicit: bool
    illicit_violent: bool = msgspec.field(name="illicit/violent")
    self_harm: bool = msgspec.field(name="self-harm")
    self_harm_intent: bool = msgspec.field(name="self-harm/intent")
    self_harm_instructions: bool = msgspec.field(name="self-harm/instructions")
    sexual: bool
    sexual_minors: bool = msgspec.field(name="sexual/minors")
    violence: bool
    violence_graphic: bool = msgspec.field(name="violence/graphic")


CATEGORIES: tuple[str, ...] = Categories.__struct_encode_fields__
"""OpenAI's thirteen."""


class ModerationResult(Shape, frozen=True, kw_only=True):
    """Of one input. The scores, 0 to 1, and the kinds of input that they speak of are by category."""

    flagged: bool
    categories: Categories
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]


class ModerationAnswer(Shape, frozen=True, kw_only=True):
    id: str  # "modr-…"
    model: str
    results: list[ModerationResult]
