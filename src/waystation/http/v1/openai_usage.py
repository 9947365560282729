"""`/v1/organization/usage/…` and `/v1/organization/costs`, as OpenAI has them: buckets of UTC, a page of them at a time."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from waystation.errors import InvalidRequest
from waystation.http.v1.control import Asked, Control, Query, Resource
from waystation.ledger.reading.amounts import decimal_of
from waystation.ledger.reading.model import Dimension, UsageRow
from waystation.ledger.reading.usage import usage
from waystation.terms import Operation
from waystation.wire.listing import read_flag, read_limit
from waystation.wire.openai_usage import (
    Amount,
    CompletionsBucket,
    CompletionsBuckets,
    CompletionsUsage,
    Costs,
    CostsBucket,
    CostsBuckets,
    EmbeddingsBucket,
    EmbeddingsBuckets,
    EmbeddingsUsage,
    ModerationsBucket,
    ModerationsBuckets,
    ModerationsUsage,
)


class Width(NamedTuple):
    """A kind of bucket: its seconds, the ledger's word, how many are on a page unless it is said, and at most."""

    seconds: int
    bucket: str
    default: int
    most: int


WIDTHS = {
    "1m": Width(60, "minute", 60, 1_440),
    "1h": Width(3_600, "hour", 24, 168),
    "1d": Width(86_400, "day", 7, 31),
}
COSTS_WIDTHS = {"1d": Width(86_400, "day", 7, 180)}
# What OpenAI calls our dimensions; `user_id` is the `user` of a call. A line of costs is a model.
COMPLETIONS_BY: dict[str, Dimension | None] = {
    "project_id": "project",
    "user_id": "end_user",
    "api_key_id": "key",
    "model": "model",
    "service_tier": "tier",
    "batch": None,  # there are no batches yet: all calls are none
}
EMBEDDINGS_BY: dict[str, Dimension | None] = {
    name: COMPLETIONS_BY[name] for name in ("project_id", "user_id", "api_key_id", "model")
}
COSTS_BY: dict[str, Dimension | None] = {"project_id": "project", "line_item": "model", "api_key_id": "key"}
FILTERS: dict[str, Dimension] = {
    "project_ids": "project",
    "user_ids": "end_user",
    "api_key_ids": "key",
    "models": "model",
}
COSTS_FILTERS: dict[str, Dimension] = {"project_ids": "project", "api_key_ids": "key", "line_items": "model"}
DEFAULT_TIER = "default"


class Span(NamedTuple):
    """The buckets of a page."""

    first_at: int
    end_at: int  # of what is counted
    width: Width
    next_at: int | None

    def edges(self) -> list[tuple[int, int]]:
        step = self.width.seconds
        return [(at, at + step) for at in range(self.first_at, self.end_at, step)]


class Read(NamedTuple):
    """What a page has: its buckets with their rows, and what the rows are grouped by."""

    span: Span
    by: list[str]
    rows: dict[int, list[UsageRow]]

    @property
    def next_page(self) -> str | None:
        return None if self.span.next_at is None else f"page_{self.span.next_at}"


async def completions(control: Control, asked: Asked) -> CompletionsBuckets:
    operations = [Operation.CHAT, Operation.COMPLETION]
    found = await _read(control, asked, WIDTHS, COMPLETIONS_BY, FILTERS, operations)
    none = "batch" in asked.query and read_flag(asked.query, "batch")

    def results(rows: Sequence[UsageRow]) -> list[CompletionsUsage]:
        return [] if none else [_completions(found.by, each) for each in _whole(rows, found.by, COMPLETIONS_BY)]

    return CompletionsBuckets(
        data=[
            CompletionsBucket(start_time=begin, end_time=end, results=results(found.rows.get(begin, ())))
            for begin, end in found.span.edges()
        ],
        has_more=found.next_page is not None,
        next_page=found.next_page,
    )


async def embeddings(control: Control, asked: Asked) -> EmbeddingsBuckets:
    found = await _read(control, asked, WIDTHS, EMBEDDINGS_BY, FILTERS, [Operation.EMBEDDINGS])

    def results(rows: Sequence[UsageRow]) -> list[EmbeddingsUsage]:
        return [EmbeddingsUsage(**_input_alone(each)) for each in _whole(rows, found.by, EMBEDDINGS_BY)]

    return EmbeddingsBuckets(
        data=[
            EmbeddingsBucket(start_time=begin, end_time=end, results=results(found.rows.get(begin, ())))
            for begin, end in found.span.edges()
        ],
        has_more=found.next_page is not None,
        next_page=found.next_page,
    )


async def moderations(control: Control, asked: Asked) -> ModerationsBuckets:
    found = await _read(control, asked, WIDTHS, EMBEDDINGS_BY, FILTERS, [Operation.MODERATIONS])

    def results(rows: Sequence[UsageRow]) -> list[ModerationsUsage]:
        return [ModerationsUsage(**_input_alone(each)) for each in _whole(rows, found.by, EMBEDDINGS_BY)]

    return ModerationsBuckets(
        data=[
            ModerationsBucket(start_time=begin, end_time=end, results=results(found.rows.get(begin, ())))
            for begin, end in found.span.edges()
        ],
        has_more=found.next_page is not None,
        next_page=found.next_page,
    )


async def costs(control: Control, asked: Asked) -> CostsBuckets:
    """Two currencies are two results."""
    found = await _read(control, asked, COSTS_WIDTHS, COSTS_BY, COSTS_FILTERS, [])
    return CostsBuckets(
        data=[
            CostsBucket(start_time=begin, end_time=end, results=[_costs(row) for row in found.rows.get(begin, ())])
            for begin, end in found.span.edges()
        ],
        has_more=found.next_page is not None,
        next_page=found.next_page,
    )


# -- asking


async def _read(
    control: Control,
    asked: Asked,
    widths: dict[str, Width],
    known: dict[str, Dimension | None],
    filters: dict[str, Dimension],
    operations: list[Operation],
) -> Read:
    """Raises InvalidRequest with OpenAI's names."""
    span, by = _span(asked, widths, control.clock.now_s()), _group_by(asked, known)
    only: dict[str, list[str]] = {of: asked.values(name) for name, of in filters.items() if name in asked.query}
    if operations:
        only["operation"] = [str(each) for each in operations]
    dimensions = [of for name in by if (of := known[name]) is not None]
    if span.first_at >= span.end_at:
        return Read(span, by, {})
    find = partial(
        usage,
        folder=control.journals,
        organization_id=asked.organization_id,
        from_at=span.first_at,
        until_at=span.end_at,
        bucket=span.width.bucket,
        by=dimensions,
        filters=only,
        time_zone="UTC",
    )
    try:
        report = await control.read_books(find)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param=_openais(error.param, filters), code=error.code) from None
    rows: dict[int, list[UsageRow]] = {}
    for row in report.rows:
        rows.setdefault(row.from_at - row.from_at % span.width.seconds, []).append(row)
    return Read(span, by, rows)


def _span(asked: Asked, widths: dict[str, Width], now: int) -> Span:
    if "start_time" not in asked.query:
        raise InvalidRequest(
            "Missing required parameter: 'start_time'.", param="start_time", code="missing_required_parameter"
        )
    width = widths.get(asked.query.get("bucket_width", "1d"))
    if width is None:
        raise InvalidRequest(f"Invalid 'bucket_width': it is one of {', '.join(widths)}.", param="bucket_width")
    start, end = asked.time("start_time", 0), asked.time("end_time", now + 1)
    if end <= start and "end_time" in asked.query:
        raise InvalidRequest("'start_time' must be before 'end_time', which is not included.", param="start_time")
    limit = read_limit(asked.query, width.default, width.most)
    first = start - start % width.seconds
    page = asked.query.get("page")
    if page is not None:
        number = page.removeprefix("page_")
        if not (number.isascii() and number.isdigit() and len(number) < 13 and page.startswith("page_")):
            raise _wrong_page()
        if int(number) < first or int(number) % width.seconds:
            raise _wrong_page()
        first = int(number)
    last = first + limit * width.seconds
    return Span(first, min(last, end), width, last if last < end else None)


def _wrong_page() -> InvalidRequest:
    return InvalidRequest("Invalid 'page': it is the 'next_page' of the page before.", param="page")


def _group_by(asked: Asked, known: dict[str, Dimension | None]) -> list[str]:
    names = [name for value in asked.values("group_by") for name in value.split(",")]
    for name in names:
        if name not in known:
            raise InvalidRequest(f"Invalid 'group_by': {name[:40]!r} is none of {', '.join(known)}.", param="group_by")
    return list(dict.fromkeys(names))


def _openais(param: str | None, filters: dict[str, Dimension]) -> str | None:
    """What OpenAI calls a parameter of the ledger's."""
    names = {"from": "start_time", "until": "end_time", "by": "group_by", "bucket": "limit"}
    names |= {of: name for name, of in filters.items()}
    return names.get(param or "", param)


# -- results


def _whole(rows: Sequence[UsageRow], by: list[str], known: dict[str, Dimension | None]) -> list[UsageRow]:
    """Tokens have no currency: rows that differ in that alone are one."""
    sums: dict[tuple[Any, ...], UsageRow] = {}
    for row in rows:
        key = tuple(getattr(row, of) for name in by if (of := known[name]) is not None)
        before = sums.get(key)
        sums[key] = row if before is None else _added(before, row)
    return list(sums.values())


def _added(one: UsageRow, other: UsageRow) -> UsageRow:
    names = ("requests", "input_tokens", "output_tokens", "cached_tokens")
    return msgspec.structs.replace(
        one, **{name: (getattr(one, name) or 0) + (getattr(other, name) or 0) for name in names}
    )


def _completions(by: list[str], row: UsageRow) -> CompletionsUsage:
    return CompletionsUsage(
        input_tokens=row.input_tokens,
        input_cached_tokens=row.cached_tokens or 0,
        output_tokens=row.output_tokens,
        num_model_requests=row.requests,
        project_id=row.project,
        user_id=row.end_user,
        api_key_id=row.key,
        model=row.model,
        batch=False if "batch" in by else None,
        service_tier=(row.tier or DEFAULT_TIER) if "service_tier" in by else None,
    )


def _input_alone(row: UsageRow) -> dict[str, Any]:
    """What is told of calls that have no output."""
    return {
        "input_tokens": row.input_tokens,
        "num_model_requests": row.requests,
        "project_id": row.project,
        "user_id": row.end_user,
        "api_key_id": row.key,
        "model": row.model,
    }


def _costs(row: UsageRow) -> Costs:
    value = msgspec.Raw(decimal_of(row.cost_nano).encode())
    return Costs(
        amount=Amount(value=value, value_nano=str(row.cost_nano), currency=row.currency.lower()),
        line_item=row.model,
        project_id=row.project,
        api_key_id=row.key,
    )


# -- as the document has them

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_TIME: dict[str, Any] = {"type": "integer", "minimum": 0}


def _query(
    widths: dict[str, Width], by: dict[str, Dimension | None], filters: dict[str, Dimension]
) -> tuple[Query, ...]:
    most = max(width.most for width in widths.values())
    return (
        Query("start_time", _TIME, "Required: from then on, in UTC seconds."),
        Query("end_time", _TIME, "Until then, not included; left out: now."),
        Query("bucket_width", {"type": "string", "enum": list(widths), "default": "1d"}, "How long a bucket is."),
        Query(
            "group_by", {"type": "array", "items": {"type": "string", "enum": list(by)}}, "What results are told by."
        ),
        *(Query(name, _TEXTS, f"Only of these: {of}.") for name, of in filters.items()),
        Query("limit", {"type": "integer", "minimum": 1, "maximum": most}, "Buckets on the page."),
        Query("page", _TEXT, "The `next_page` of the page before."),
    )


_BATCH = Query("batch", {"type": "boolean"}, "Only batches, or only other calls.")
_USAGE, _COSTS = "/organization/usage", "/organization/costs"
RESOURCES = (
    Resource(
        "GET",
        f"{_USAGE}/completions",
        completions,
        "usage-completions",
        "What chats and completions used.",
        CompletionsBuckets,
        query=(*_query(WIDTHS, COMPLETIONS_BY, FILTERS), _BATCH),
    ),
    Resource(
        "GET",
        f"{_USAGE}/embeddings",
        embeddings,
        "usage-embeddings",
        "What embeddings used.",
        EmbeddingsBuckets,
        query=_query(WIDTHS, EMBEDDINGS_BY, FILTERS),
    ),
    Resource(
        "GET",
        f"{_USAGE}/moderations",
        moderations,
        "usage-moderations",
        "What moderations used.",
        ModerationsBuckets,
        query=_query(WIDTHS, EMBEDDINGS_BY, FILTERS),
    ),
    Resource(
        "GET",
        _COSTS,
        costs,
        "usage-costs",
        "What calls cost.",
        CostsBuckets,
        query=_query(COSTS_WIDTHS, COSTS_BY, COSTS_FILTERS),
    ),
)
