"""`/v1/waystation/usage`: what was used and what it cost, by whatever is asked; `/v1/waystation/requests/{id}`: one call."""

import base64
import binascii
from functools import partial
from typing import Any

import msgspec

from waystation.errors import InvalidRequest, NotFound
from waystation.http.v1.control import Asked, Control, Query, Resource
from waystation.ledger.reading.amounts import decimal_of
from waystation.ledger.reading.model import BUCKETS, DIMENSIONS, UsageReport, UsageRow
from waystation.ledger.reading.requests import CallUsage, request
from waystation.ledger.reading.usage import usage
from waystation.wire.listing import read_limit
from waystation.wire.usage import CallObject, UsageOf, UsagePage

ROWS_DEFAULT, ROWS_MAX = 1_000, 10_000  # on a page
DAYS_DEFAULT = 30
_CURSOR_CHARS_MAX = 4_000
_SECONDS_A_DAY = 86_400


async def read(control: Control, asked: Asked) -> UsagePage:
    now = control.clock.now_s()
    until_at = asked.time("until", now + 1)
    after, limit = _cursor(asked.query.get("page", "")), read_limit(asked.query, ROWS_DEFAULT, ROWS_MAX)
    by = [name for value in asked.values("group_by") for name in value.split(",")]
    find = partial(
        usage,
        folder=control.journals,
        organization_id=asked.organization_id,
        from_at=asked.time("from", max(0, until_at - DAYS_DEFAULT * _SECONDS_A_DAY)),
        until_at=until_at,
        bucket=asked.query.get("bucket"),
        by=by,
        filters={name: asked.values(name) for name in DIMENSIONS if name in asked.query},
        time_zone=asked.query.get("time_zone"),
    )
    try:
        report = await control.read_books(find)
    except InvalidRequest as error:
        if error.param == "by":  # which the query calls otherwise
            raise InvalidRequest(error.message.replace("'by'", "'group_by'"), param="group_by") from None
        raise
    return _page(report, after, limit)


def _page(report: UsageReport, after: list[Any] | None, limit: int) -> UsagePage:
    rows = report.rows if after is None else [row for row in report.rows if _place(report, row) > after]
    shown = rows[:limit]
    more = len(rows) > limit
    return UsagePage(
        organization_id=report.organization_id,
        time_zone=report.time_zone,
        from_at=report.from_at,
        until_at=report.until_at,
        bucket=report.bucket,
        group_by=list(report.by),
        data=[usage_of(row) for row in shown],
        has_more=more,
        next_page=_cursor_of(_place(report, shown[-1])) if more else None,
    )


# -- pages: a cursor is the place of the last row in the order of the report


def _place(report: UsageReport, row: UsageRow) -> list[Any]:
    return [row.from_at, *(getattr(row, name) or "" for name in report.by), row.currency]


def _cursor_of(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _cursor(text: str) -> list[Any] | None:
    """Raises InvalidRequest."""
    if not text:
        return None
    try:
        if len(text) > _CURSOR_CHARS_MAX:
            raise ValueError
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, *others = msgspec.json.decode(raw, type=list[int | str])
        if not isinstance(at, int) or not all(isinstance(each, str) for each in others):
            raise ValueError
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidRequest("Invalid 'page': it is the 'next_page' of the page before.", param="page") from None
    return [at, *others]


# -- one call


async def retrieve_request(control: Control, asked: Asked) -> CallObject:
    """To a project's key, other projects' calls aren't there."""
    request_id = asked.id("request_id")
    find = partial(request, folder=control.journals, request_id=request_id, organization_id=asked.organization_id)
    found = await control.read_books(find)
    if not asked.caller.admin and found.project_id != asked.caller.project_id:
        raise NotFound(f"There is no request {request_id!r}, or its row is no longer kept.", param="request_id")
    return call_object(found)


# -- as they are shown


def usage_of(row: UsageRow) -> UsageOf:
    return UsageOf(
        from_at=row.from_at,
        until_at=row.until_at,
        project=row.project,
        key=row.key,
        model=row.model,
        operation=row.operation,
        deployment=row.deployment,
        end_user=row.end_user,
        tier=row.tier,
        requests=row.requests,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cached_tokens=row.cached_tokens,
        reasoning_tokens=row.reasoning_tokens,
        currency=row.currency,
        cost=decimal_of(row.cost_nano),
        cost_nano=str(row.cost_nano),
        saved=None if row.saved_nano is None else decimal_of(row.saved_nano),
        saved_nano=None if row.saved_nano is None else str(row.saved_nano),
    )


def call_object(call: CallUsage) -> CallObject:
    return CallObject(
        id=call.request_id,
        state=call.state,
        created_at=call.at,
        organization_id=call.organization_id,
        project_id=call.project_id,
        key_id=call.key_id,
        operation=call.operation,
        model=call.model,
        deployment=call.deployment,
        end_user=call.end_user,
        stream=call.stream,
        status=call.status,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cached_tokens=call.cached_tokens,
        reasoning_tokens=call.reasoning_tokens,
        other_usage=call.extra,
        tier=call.tier,
        estimated=call.estimated,
        flagged=call.flagged,
        currency=call.currency,
        held_nano=None if call.held_nano is None else str(call.held_nano),
        cost=decimal_of(call.cost_nano),
        cost_nano=str(call.cost_nano),
        corrections_nano=str(call.corrections_nano),
        duration_ms=call.duration_ms,
        served_by=call.served_by,
        served_model=call.served_model,
        attempts=call.attempts,
        saved_nano=None if call.saved_nano is None else str(call.saved_nano),
        kept_input_tokens=call.kept_input_tokens,
        kept_output_tokens=call.kept_output_tokens,
    )


_TEXT: dict[str, Any] = {"type": "string"}
_TIME: dict[str, Any] = {"type": "integer", "minimum": 0}
_QUERY = (
    Query("from", _TIME, f"UTC seconds; left out: {DAYS_DEFAULT} days before the end."),
    Query("until", _TIME, "UTC seconds, not included; left out: now."),
    Query("bucket", {"type": "string", "enum": list(BUCKETS)}, "Left out: the whole time is one."),
    Query(
        "group_by",
        _TEXT,
        f"With commas, or repeated: {', '.join(DIMENSIONS)}. Tiers, minutes and end users by all but project and model are "
        "known of the last 32 days.",
    ),
    Query("time_zone", _TEXT, "Where days, weeks and months begin; left out: the organization's."),
    Query(
        "limit", {"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS_DEFAULT}, "Rows on the page."
    ),
    Query("page", _TEXT, "The `next_page` of the page before."),
    *(Query(name, _TEXT, f"Only of this {name}; may be repeated.") for name in DIMENSIONS),
)
RESOURCES = (
    Resource(
        "GET",
        "/waystation/usage",
        read,
        "retrieveUsage",
        "What was used and what it cost, with what is not posted yet.",
        UsagePage,
        query=_QUERY,
    ),
    Resource(
        "GET",
        "/waystation/requests/{request_id}",
        retrieve_request,
        "retrieveRequest",
        "One call, by its x-request-id: what it used and cost, as soon as it has ended.",
        CallObject,
    ),
)
