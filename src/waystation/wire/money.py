"""Amounts of money as people and programs write them, exactly: decimal text or whole 10⁻⁹ units. No float is ever money."""

import re

from waystation.errors import InvalidRequest

NANO_DIGITS = 9
WHOLE_DIGITS_MAX = 9  # an amount of 10⁹ and more is a slip of the keyboard

_DECIMAL = re.compile(rf"(\d{{1,{WHOLE_DIGITS_MAX}}})(?:\.(\d{{1,{NANO_DIGITS}}}))?")
_WHOLE = re.compile(r"[0-9]{1,19}")


def nano_of(text: str) -> int:
    """A decimal number as 10⁻⁹ of its unit: "2.50" is 2_500_000_000. Raises ValueError unless that is exact."""
    match = _DECIMAL.fullmatch(text.strip())
    if match is None or not text.isascii():
        raise ValueError(f'is {text[:40]!r}; an amount looks like "2.50", with at most {NANO_DIGITS} decimals')
    whole, decimals = match[1], match[2] or ""
    return int(whole + decimals.ljust(NANO_DIGITS, "0"))


def decimal_of(amount_nano: int) -> str:
    """10⁻⁹ units as a decimal number, at least two digits after the point: 12_500_000_000 is "12.50"."""
    whole, rest = divmod(abs(amount_nano), 10**NANO_DIGITS)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount_nano < 0 else ''}{whole}.{decimals}"


def asked_nano(nano: int | str | None, decimal: str | None, name: str) -> int | None:
    """What a request says as `<name>_nano` (a whole number or its text) or as `<name>` ("12.50"); None for neither.

    Raises InvalidRequest for both, and for what isn't exact; whether the amount makes sense is the service's to say.
    """
    if nano is not None and decimal is not None:
        raise InvalidRequest(f"Send either '{name}' or '{name}_nano', not both.", param=name, code="invalid_value")
    if decimal is not None:
        try:
            return nano_of(decimal)
        except ValueError as error:
            raise InvalidRequest(f"Invalid '{name}': it {error}.", param=name, code="invalid_value") from None
    if isinstance(nano, str):
        if not _WHOLE.fullmatch(nano):
            raise InvalidRequest(
                f"Invalid '{name}_nano': it is a whole number of 10⁻⁹ of the currency, such as \"12500000000\". "
                f"Use '{name}' for \"12.50\".",
                param=f"{name}_nano",
                code="invalid_value",
            )
        return int(nano)
    return nano


def required_nano(nano: int | str | None, decimal: str | None, name: str) -> int:
    """The same where an amount has to be said. Raises InvalidRequest."""
    asked = asked_nano(nano, decimal, name)
    if asked is None:
        raise InvalidRequest(
            f"Missing required parameter: '{name}'. Send '{name}' as \"12.50\" or '{name}_nano' as \"12500000000\".",
            param=name,
            code="missing_required_parameter",
        )
    return asked
