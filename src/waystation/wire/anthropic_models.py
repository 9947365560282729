"""What GET /v1/models and GET /v1/models/{model} answer a client of Anthropic's, one page at a time.

Source: https://platform.claude.com/docs/en/api/models/list (November 2026).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from waystation.errors import InvalidRequest, ModelNotFound
from waystation.terms import Model, Operation

LIMIT_DEFAULT, LIMIT_MAX = 20, 1000


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model as Anthropic lists it. Times are RFC 3339."""

    id: str
    type: Literal["model"] = "model"
    display_name: str
    created_at: str
    lifecycle: Literal["active", "deprecated"] = "active"
    deprecated_at: str | None = None
    retires_at: str | None = None
    max_input_tokens: int
    max_tokens: int


class ModelInfoList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


def model_info(model: Model) -> ModelInfo:
    route = model.route
    deprecated_at = route.deprecated_at if route is not None else None
    return ModelInfo(
        id=model.name,
        display_name=model.name,
        created_at=_date(model.created_at),
        lifecycle="active" if deprecated_at is None else "deprecated",
        deprecated_at=None if deprecated_at is None else _date(deprecated_at),
        retires_at=None if route is None or route.sunset_at is None else _date(route.sunset_at),
        max_input_tokens=model.abilities.context_tokens_max,
        max_tokens=model.abilities.output_tokens_max,
    )


def model_page(models: Sequence[Model], query: Mapping[str, str]) -> ModelInfoList:
    """A page of the models that can be asked for a message, by name.

    Raises InvalidRequest, ModelNotFound when a page begins at what is not listed.
    """
    able = (model for model in models if Operation.CHAT in model.abilities.operations)
    found = sorted(able, key=lambda model: model.name)
    limit = _limit(query.get("limit"))
    after, before = query.get("after_id"), query.get("before_id")
    if after is not None and before is not None:
        raise InvalidRequest("Send either 'after_id' or 'before_id', not both.", param="after_id")
    names = [model.name for model in found]
    if before is not None:
        rest = found[: _place(names, before)]
        page = rest[-limit:]
    else:
        rest = found if after is None else found[_place(names, after) + 1 :]
        page = rest[:limit]
    return ModelInfoList(
        data=[model_info(model) for model in page],
        has_more=len(rest) > len(page),
        first_id=page[0].name if page else None,
        last_id=page[-1].name if page else None,
    )


def _place(names: list[str], name: str) -> int:
    if name not in names:
        raise ModelNotFound("There is no model of this name to begin a page at.")
    return names.index(name)


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LIMIT_MAX):
        raise InvalidRequest(f"Invalid 'limit': expected an integer from 1 to {LIMIT_MAX}.", param="limit")
    return int(text)


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
