"""`/v1/waystation/rate_limits`: how much may be asked for at a time; and a project's limits as OpenAI's admin API has them."""

from functools import partial
from typing import Any

import msgspec

from waystation.errors import InvalidRequest, NotFound
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.ledger.rates.model import SCOPES, UNIT_OF_FIELD, RateLimit
from waystation.wire.limits import (
    ALL_MODELS,
    LIMIT_MAX,
    ChangeLimits,
    ProjectRateLimit,
    ProjectRateLimitList,
    RateLimitList,
    RateLimitObject,
    SetLimits,
)
from waystation.wire.listing import LIMIT_MAX as OBJECTS_MAX
from waystation.wire.listing import Deleted, listing, read_id, read_page
from waystation.wire.read import Reader

_read_set, _read_change = Reader(SetLimits).read, Reader(ChangeLimits).read


async def set_(control: Control, asked: Asked) -> RateLimitObject:
    """A subject has one set of limits for a model, so setting it twice is setting it anew."""
    wanted = _read_set(asked.body)
    limits = _named(wanted)
    if not limits:
        first, *others = UNIT_OF_FIELD
        raise InvalidRequest(
            f"Name at least one limit: {first}, {', '.join(others)}.", param=first, code="missing_required_parameter"
        )
    subject = wanted.subject
    if subject is None and wanted.scope == "organization":
        subject = asked.organization_id
    if subject is None:
        raise InvalidRequest(
            "Missing required parameter: 'subject'.", param="subject", code="missing_required_parameter"
        )
    put = partial(
        control.limits.set_limit,
        organization_id=asked.organization_id,
        scope=wanted.scope,
        subject=subject,
        model=wanted.model,
        limits=limits,
    )
    return limit_object(await control.change(put))


async def list_(control: Control, asked: Asked) -> RateLimitList:
    page = asked.page()
    find = partial(
        control.limits.limits,
        organization_id=asked.organization_id,
        scope=asked.query.get("scope"),
        subject=asked.query.get("subject"),
        model=asked.query.get("model"),
        after=page.after,
        rows_max=page.rows_max,
        ascending=page.ascending,
    )
    return listing(RateLimitList, page, [limit_object(limit) for limit in await control.read(find)])


async def retrieve(control: Control, asked: Asked) -> RateLimitObject:
    limit_id = asked.id("rate_limit_id")
    find = partial(control.limits.limit, organization_id=asked.organization_id, limit_id=limit_id)
    return limit_object(await control.read(find))


async def delete(control: Control, asked: Asked) -> Deleted:
    limit_id = asked.id("rate_limit_id")
    await control.change(partial(control.limits.remove_limit, organization_id=asked.organization_id, limit_id=limit_id))
    return Deleted(object="rate_limit.deleted", id=limit_id)


# -- a project's, as OpenAI has them


async def list_of_project(control: Control, asked: Asked) -> ProjectRateLimitList:
    """The oldest first. `before` alone: the page that ends just before it; here it may come with `after`."""
    project_id, before = asked.id("project_id"), read_id(asked.query, "before")
    query = {name: value for name, value in asked.query.items() if name != "before"}
    page = read_page({"limit": str(OBJECTS_MAX), "order": "asc", **query})
    backwards = bool(before) and not page.after

    def find(connection: Any) -> list[RateLimit]:
        control.accounts.project(connection, asked.organization_id, project_id)
        return control.limits.limits(
            connection,
            asked.organization_id,
            scope="project",
            subject=project_id,
            after=page.after,
            before=before,
            rows_max=page.rows_max,
            ascending=not backwards,
        )

    found = listing(ProjectRateLimitList, page, [project_limit(limit) for limit in await control.read(find)])
    if not backwards:
        return found
    return msgspec.structs.replace(found, data=found.data[::-1], first_id=found.last_id, last_id=found.first_id)


async def change_of_project(control: Control, asked: Asked) -> ProjectRateLimit:
    project_id, limit_id = asked.id("project_id"), asked.id("rate_limit_id")
    changes = _named(_read_change(asked.body))

    def put(connection: Any) -> RateLimit:
        control.accounts.project(connection, asked.organization_id, project_id)
        known = control.limits.limit(connection, asked.organization_id, limit_id)
        if (known.scope, known.subject) != ("project", project_id):
            raise NotFound(f"There is no rate limit {limit_id!r} of this project.", param="rate_limit_id")
        return control.limits.change_limit(connection, asked.organization_id, limit_id, changes)

    return project_limit(await control.change(put))


# -- as they are shown


def _named(wanted: ChangeLimits) -> dict[str, int]:
    """The limits that a request names."""
    values = {field: getattr(wanted, field) for field in UNIT_OF_FIELD}
    return {field: value for field, value in values.items() if value is not None}


def limit_object(limit: RateLimit) -> RateLimitObject:
    limits: dict[str, Any] = {field: limit.limits.get(field) for field in UNIT_OF_FIELD}
    return RateLimitObject(
        id=limit.id,
        organization_id=limit.organization_id,
        scope=limit.scope,
        subject=limit.subject,
        model=limit.model,
        created_at=limit.created_at,
        updated_at=limit.updated_at,
        **limits,
    )


def project_limit(limit: RateLimit) -> ProjectRateLimit:
    limits: dict[str, Any] = {"max_requests_per_1_minute": LIMIT_MAX, "max_tokens_per_1_minute": LIMIT_MAX}
    return ProjectRateLimit(id=limit.id, model=limit.model or ALL_MODELS, **(limits | limit.limits))


_ALL, _ONE = "/waystation/rate_limits", "/waystation/rate_limits/{rate_limit_id}"
_OF_PROJECT = "/organization/projects/{project_id}/rate_limits"
_WHICH = (
    Query("scope", {"type": "string", "enum": list(SCOPES)}, "Only those of organizations, projects or keys."),
    Query("subject", {"type": "string"}, "Only those of this organization, project or key."),
    Query("model", {"type": "string"}, "Only those for this model alone."),
)
_OPENAIS_PAGE = (
    PAGE[0],
    Query("before", {"type": "string"}, "The id before which the page ends."),
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}, "Objects on the page."),
)
RESOURCES = (
    Resource("GET", _ALL, list_, "listRateLimits", "The rate limits in force.", RateLimitList, query=(*PAGE, *_WHICH)),
    Resource(
        "POST",
        _ALL,
        set_,
        "setRateLimit",
        "Limit how much a subject may ask for at a time, in the place of its limits for the same model.",
        RateLimitObject,
        SetLimits,
    ),
    Resource("GET", _ONE, retrieve, "retrieveRateLimit", "Limits of one subject.", RateLimitObject),
    Resource("DELETE", _ONE, delete, "deleteRateLimit", "Remove limits.", Deleted),
    Resource(
        "GET",
        _OF_PROJECT,
        list_of_project,
        "list-project-rate-limits",
        "A project's rate limits.",
        ProjectRateLimitList,
        query=_OPENAIS_PAGE,
    ),
    Resource(
        "POST",
        f"{_OF_PROJECT}/{{rate_limit_id}}",
        change_of_project,
        "update-project-rate-limits",
        "Change some of a project's limits; the others stay.",
        ProjectRateLimit,
        ChangeLimits,
    ),
)
