"""The body of POST /v1/completions, the older way to ask: a prompt instead of messages."""

from typing import Annotated

from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.messages import Plain
from waystation.wire.parameters import (
    LogitBias,
    Penalty,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    TopP,
    check_stream_options,
)
from waystation.wire.prompts import TokenOrText, check_items, prompts_in, text_of
from waystation.wire.read import Reader

OUTPUT_TOKENS_DEFAULT = 16  # OpenAI's default here, unlike in chats

Prompt = str | Annotated[list[TokenOrText], Meta(min_length=1, max_length=2048)]


class CompletionRequest(Plain, frozen=True, gc=False, kw_only=True, rename={"stream_asked": "stream"}):
    """A completion as asked for. Null means the same as leaving a parameter out."""

    model: str
    prompt: Prompt | None = None
    stream_asked: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    user: str | None = None

    @property
    def remembers(self) -> bool:
        """Whether the answer is to be kept, or the call refers to what is."""
        return False

    @property
    def stream(self) -> bool:
        return self.stream_asked is True

    @property
    def include_usage(self) -> bool:
        """Whether the caller wants a last chunk with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def output_tokens_asked(self) -> int:
        """The most tokens that each choice may have."""
        return OUTPUT_TOKENS_DEFAULT if self.max_tokens is None else self.max_tokens

    @property
    def choices(self) -> int:
        """How many answers are generated over all prompts: `best_of` for each, where that is more than are returned."""
        return max(self.n or 1, self.best_of or 1) * prompts_in(self.prompt)

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
    def prompt_text(self) -> str:
        """All text that the model reads; prompts that are token ids are not in it."""
        return text_of(self.prompt) + (self.suffix or "")


def read_completion(body: bytes) -> CompletionRequest:
    """The body as a request that OpenAI would take. Raises InvalidRequest with `param` in OpenAI's words."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    check_stream_options(request.stream_options, request.stream_asked)
    check_items(request.prompt, "prompt")
    returned, generated = request.n or 1, request.best_of
    if generated is not None and returned > (generated or 1):
        raise InvalidRequest(
            "You requested that the server return more choices than it will generate (HINT: you must set 'n' "
            f"(currently {returned}) to be at most 'best_of' (currently {generated}), or omit either parameter if "
            "you don't specifically want to use them.)",
            param="best_of",
        )
    if request.stream and generated is not None and generated > returned:
        raise InvalidRequest(
            "Invalid value for 'best_of': results can't be streamed when 'best_of' is greater than 'n'.",
            param="best_of",
        )
    return request


_READER = Reader(CompletionRequest)
