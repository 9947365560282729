"""A price in a request: as people write it (`price`), or in whole nanos (`rates`)."""

from typing import Any

from waystation.errors import InvalidRequest
from waystation.metering.price_reading import read_price, read_price_text
from waystation.terms import Price
from waystation.wire.money import asked_nano
from waystation.wire.prices import Rates


def asked_price(price: dict[str, Any] | int | str | None, rates: Rates | None) -> Price | None:
    """None: unmetered. Raises InvalidRequest for neither, for both, and for what is no price."""
    if rates is not None:
        if price is not None:
            raise InvalidRequest("Send either 'price' or 'rates', not both.", param="rates", code="invalid_value")
        return _of_rates(rates)
    if price is None:
        raise InvalidRequest(
            'Missing required parameter: \'price\'. Send {"input": "2.50", "output": "10"}, 0 or "unmetered".',
            param="price",
            code="missing_required_parameter",
        )
    try:
        return read_price_text(price) if isinstance(price, str) else read_price(price)
    except ValueError as error:
        raise InvalidRequest(f"'price' {error}.", param="price", code="invalid_value") from None


def _of_rates(rates: Rates) -> Price:
    amounts: dict[str, Any] = {}
    for field in Rates.__struct_fields__[1:]:
        try:
            amount = asked_nano(getattr(rates, field), None, field)
        except InvalidRequest:
            raise InvalidRequest(
                f"Invalid 'rates.{field}': it is a whole number of 10⁻⁹ of the currency.",
                param=f"rates.{field}",
                code="invalid_value",
            ) from None
        if amount is not None:
            amounts[field] = amount
    return Price(rates.currency, **amounts)
