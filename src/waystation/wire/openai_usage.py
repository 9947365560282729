"""Usage and costs as OpenAI's admin API has them: buckets of time with results."""

from typing import Literal

import msgspec

from waystation.wire.answers import Shape


class CompletionsUsage(Shape, frozen=True, kw_only=True):
    """What chats and completions used. What it was not grouped by is null."""

    object: Literal["organization.usage.completions.result"] = "organization.usage.completions.result"
    input_tokens: int
    input_cached_tokens: int
    output_tokens: int
    num_model_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    model: str | None
    batch: bool | None
    service_tier: str | None


class EmbeddingsUsage(Shape, frozen=True, kw_only=True):
    object: Literal["organization.usage.embeddings.result"] = "organization.usage.embeddings.result"
    input_tokens: int
    num_model_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    model: str | None


class ModerationsUsage(Shape, frozen=True, kw_only=True):
    object: Literal["organization.usage.moderations.result"] = "organization.usage.moderations.result"
    input_tokens: int
    num_model_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    model: str | None


class Amount(Shape, frozen=True, kw_only=True):
    """`value` is a number in decimals, exact as it is written; `value_nano` the same as a text of whole 10⁻⁹."""

    value: msgspec.Raw
    value_nano: str
    currency: str  # "usd"


class Costs(Shape, frozen=True, kw_only=True):
    """What calls cost, of one currency. `line_item` is a model."""

    object: Literal["organization.costs.result"] = "organization.costs.result"
    amount: Amount
    line_item: str | None
    project_id: str | None
    api_key_id: str | None


class _Bucket(Shape, frozen=True, kw_only=True):
    object: Literal["bucket"] = "bucket"
    start_time: int
    end_time: int


class CompletionsBucket(_Bucket, frozen=True, kw_only=True):
    results: list[CompletionsUsage]


class EmbeddingsBucket(_Bucket, frozen=True, kw_only=True):
    results: list[EmbeddingsUsage]


class ModerationsBucket(_Bucket, frozen=True, kw_only=True):
    results: list[ModerationsUsage]


class CostsBucket(_Bucket, frozen=True, kw_only=True):
    results: list[Costs]


class _Buckets(Shape, frozen=True, kw_only=True):
    object: Literal["page"] = "page"
    has_more: bool
    next_page: str | None


class CompletionsBuckets(_Buckets, frozen=True, kw_only=True):
    data: list[CompletionsBucket]


class EmbeddingsBuckets(_Buckets, frozen=True, kw_only=True):
    data: list[EmbeddingsBucket]


class ModerationsBuckets(_Buckets, frozen=True, kw_only=True):
    data: list[ModerationsBucket]


class CostsBuckets(_Buckets, frozen=True, kw_only=True):
    data: list[CostsBucket]
