"""Amounts as people read them: exact decimals of 10⁻⁹."""

NANO = 1_000_000_000
DECIMALS_MIN = 2


def decimal_of(amount_nano: int) -> str:
    """An amount in full, no rounding: 1_515_000 is "0.001515", 12_500_000_000 is "12.50"."""
    sign = "-" if amount_nano < 0 else ""
    whole, rest = divmod(abs(amount_nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(DECIMALS_MIN, "0")
    return f"{sign}{whole}.{decimals}"
