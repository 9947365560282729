"""`/v1/waystation/reratings`: price a past period anew, or look at what that would change."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from waystation.errors import InvalidRequest
from waystation.http.v1.asked_price import asked_price
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.ledger.rerating import service
from waystation.ledger.rerating.model import Change, Preview, Rerating
from waystation.metering.price_text import written_price
from waystation.wire.listing import listing
from waystation.wire.read import Reader
from waystation.wire.reratings import CreateRerating, RatingChange, ReratingHead, ReratingList, ReratingObject

_read_create = Reader(CreateRerating).read


async def create(control: Control, asked: Asked) -> ReratingObject:
    """Looks with `preview`; else does it, once for each id."""
    wanted = _read_create(asked.body)
    price = asked_price(wanted.price, wanted.rates)
    if price is None:
        raise InvalidRequest("What was used can't become unmetered. Send 0.", param="price", code="invalid_value")
    ask: dict[str, Any] = {
        "model": wanted.model,
        "from_at": wanted.from_at,
        "until_at": wanted.until_at,
        "price": price,
        "at": control.clock.now_s(),
        "organization_id": wanted.organization_id,
        "project_id": wanted.project_id,
    }
    if wanted.preview:
        return preview_object(await control.read(partial(service.preview, **ask)))
    for name in ("id", "reason"):
        if getattr(wanted, name) is None:
            raise InvalidRequest(
                f"Missing required parameter: '{name}'. Only a preview needs none.",
                param=name,
                code="missing_required_parameter",
            )

    def apply(connection: Any) -> ReratingObject:
        made = service.apply(connection, control.journals, id=wanted.id or "", reason=wanted.reason or "", **ask)
        return rerating_object(*service.rerating(connection, made.id))

    return await control.change(apply)


async def list_(control: Control, asked: Asked) -> ReratingList:
    """The newest first."""
    page = asked.page()
    found = await control.read(partial(service.reratings, after_id=page.after, rows_max=page.rows_max))
    return listing(ReratingList, page, [ReratingHead(**_head(each)) for each in found])


async def retrieve(control: Control, asked: Asked) -> ReratingObject:
    rerating_id = asked.id("rerating_id")
    return rerating_object(*await control.read(partial(service.rerating, rerating_id=rerating_id)))


# -- as they are shown


def preview_object(preview: Preview) -> ReratingObject:
    ask = preview.ask
    delta: dict[str, int] = {}
    for each in preview.changes:
        delta[each.currency] = delta.get(each.currency, 0) + each.delta_nano
    return ReratingObject(
        id=None,
        preview=True,
        model=ask.model,
        organization_id=ask.organization_id,
        project_id=ask.project_id,
        from_at=ask.from_at,
        until_at=ask.until_at,
        price=written_price(ask.price),
        reason=None,
        requests=sum(each.requests for each in preview.changes),
        delta_nano=_texts(delta),
        changes=[_change(each) for each in preview.changes],
        created_at=None,
    )


def rerating_object(rerating: Rerating, changes: Sequence[tuple[str, str, int, int]]) -> ReratingObject:
    """`changes`: by organization and currency, how many calls and by how much."""
    return ReratingObject(
        preview=False,
        changes=[
            RatingChange(
                organization_id=organization_id,
                currency=currency,
                changed=count,
                old_nano=None,
                new_nano=None,
                delta_nano=str(delta),
            )
            for organization_id, currency, count, delta in changes
        ],
        **_head(rerating),
    )


def _head(rerating: Rerating) -> dict[str, Any]:
    return {
        "id": rerating.id,
        "model": rerating.model,
        "organization_id": rerating.organization_id,
        "project_id": rerating.project_id,
        "from_at": rerating.from_at,
        "until_at": rerating.until_at,
        "price": written_price(rerating.price),
        "reason": rerating.reason,
        "requests": rerating.requests,
        "delta_nano": _texts(rerating.delta_nano),
        "created_at": rerating.created_at,
    }


def _change(change: Change) -> RatingChange:
    return RatingChange(
        organization_id=change.organization_id,
        currency=change.currency,
        changed=change.changed,
        old_nano=str(change.old_nano),
        new_nano=str(change.new_nano),
        delta_nano=str(change.delta_nano),
    )


def _texts(amounts: Mapping[str, int]) -> dict[str, str]:
    return {currency: str(amount) for currency, amount in amounts.items()}


_ALL = "/waystation/reratings"
RESOURCES = (
    Resource("GET", _ALL, list_, "listReratings", "The re-ratings, the newest first.", ReratingList, query=PAGE[:2]),
    Resource(
        "POST",
        _ALL,
        create,
        "createRerating",
        "Price the calls of a past period anew, by correcting postings; or look at what that would change.",
        ReratingObject,
        CreateRerating,
    ),
    Resource(
        "GET",
        f"{_ALL}/{{rerating_id}}",
        retrieve,
        "retrieveRerating",
        "A re-rating, and what it changed for whom.",
        ReratingObject,
    ),
)
