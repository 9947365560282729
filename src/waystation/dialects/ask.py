"""What is asked of a model, whatever the dialect: the nouns that every dialect reads its requests into and writes them from."""

from typing import Any, Literal

import msgspec


class Text(msgspec.Struct, frozen=True):
    text: str
    cache: bool = False  # the provider is asked to keep the prompt up to here in its cache (`cache_control`)


class Image(msgspec.Struct, frozen=True):
    """A picture: by URL, or as base64 with its media type."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class Document(msgspec.Struct, frozen=True):
    """A file, mostly a PDF: by URL, as base64, or by its id at the provider."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    file_id: str | None = None
    name: str | None = None


class Audio(msgspec.Struct, frozen=True):
    data: str  # base64
    format: str  # "wav", "mp3"


class Refusal(msgspec.Struct, frozen=True):
    text: str


class Reasoning(msgspec.Struct, frozen=True):
    """What the model thought in an earlier turn. Providers that sign it want it back unchanged, with its signature."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None  # hidden by the provider: to be handed back as it is


class ToolUse(msgspec.Struct, frozen=True):
    """A call of a tool that the model made in an earlier turn."""

    id: str
    name: str
    arguments: str  # JSON of an object; of a custom tool any text
    custom: bool = False
    signature: str | None = None  # Gemini's thought signature, where it gave one


class ToolResult(msgspec.Struct, frozen=True):
    call_id: str
    name: str = ""  # of the tool, found from the call that it answers; Gemini and older dialects want it
    parts: tuple["Text | Image | Document", ...] = ()
    is_error: bool = False


Part = Text | Image | Document | Audio | Refusal | Reasoning | ToolUse | ToolResult


class Turn(msgspec.Struct, frozen=True):
    """One message. Results of tools are parts of a user's turn; consecutive turns of one role may occur."""

    role: Literal["system", "developer", "user", "assistant"]
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None  # JSON schema of the arguments; None: takes none
    strict: bool | None = None
    custom: bool = False  # takes free text


class ToolChoice(msgspec.Struct, frozen=True):
    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None  # of a named one


class Format(msgspec.Struct, frozen=True):
    """The form of the answer: any JSON object (`schema` None), or JSON of this schema."""

    schema: dict[str, Any] | None = None
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request for text. `turns` is a chat's; a completion has `prompt` instead and no turns.

    None everywhere means that the caller did not say. `output_tokens_max` is already what the budget can pay.
    """

    stream: bool
    turns: tuple[Turn, ...] = ()
    prompt: str | None = None
    said: str = ""  # so much of the answer has been sent: go on right after it, without repeating it
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    format: Format | None = None
    output_tokens_max: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stops: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None  # so many alternatives for each token; 0: the token's own alone
    choices: int = 1
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    reasoning_tokens_max: int | None = None  # a budget for thinking, where the caller's dialect has one
    verbosity: Literal["low", "medium", "high"] | None = None
    end_user: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    # What no other dialect knows, by its name in the caller's: named as ignored by a provider that can't use it.
    extra: dict[str, Any] = {}
