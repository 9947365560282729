"""What a call is charged by whoever answered it, and what its usage row says of that beyond the plain columns. Pure.

- What costs nobody anything (`FREE_RUNGS`) is charged nothing and uses no tokens; of a kept answer it is said what it would
  have cost the caller now: saved, not spent.
- Another model than the one that was asked for costs what it costs, but never more than the one that was asked for.
"""

from typing import Any, NamedTuple

import msgspec

from waystation.gateway.call import Call
from waystation.metering.cost import charged_nano
from waystation.terms import FREE_RUNGS, Model, Price, Rung, Usage

_KEPT = frozenset((Rung.CACHE, Rung.STALE_CACHE))


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few calls have, as the `extra` of a usage row and of a settlement: JSON without what is as usual."""

    cache_write_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    images: int = 0
    tool_calls: dict[str, int] | None = None  # of tools that the provider ran
    served_by: str | None = None  # the rung of the ladder that answered; None: the first
    served_model: str | None = None  # the model that answered; None: the one that was asked for
    attempts: int = 1  # how many times something was dispatched
    saved_nano: int | None = None  # of a kept answer: what its usage would have cost the caller now
    kept_input_tokens: int = 0  # what it used when it was made
    kept_output_tokens: int = 0

    @property
    def free(self) -> bool:
        """Nobody was asked, so no price has anything to say about it."""
        return self.served_by in FREE_RUNGS


NOTHING = Extra()
USAGE_FIELDS = ("cache_write_tokens", "audio_input_tokens", "audio_output_tokens", "images", "tool_calls")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Extra).decode


class Charge(NamedTuple):
    """What the ledger writes down of a call."""

    usage: Usage
    cost_nano: int
    without_rate: bool  # the price says nothing about something that was used
    extra: str | None


def extra_of(usage: Usage, **more: Any) -> str | None:
    """As JSON; None when all is as usual."""
    extra = Extra(**{name: getattr(usage, name) for name in USAGE_FIELDS}, **more)
    return None if extra == NOTHING else _encode(extra).decode()


def read_extra(text: str | None) -> Extra:
    return _decode(text) if text else NOTHING


def saved_nano(text: str | None) -> int | None:
    """What a kept answer saved; None: it is none. Asked of every record that is posted."""
    return _decode(text).saved_nano if text is not None and "saved_nano" in text else None


def charge_of(call: Call, usage: Usage, price: Price, currency: str, tier: str | None) -> Charge:
    """The charge of a call that did not go the plain way. `usage` is cleaned, `price` is of the model that was asked for."""
    rung, attempts = call.rung, max(call.attempts, 1)
    served_by = None if rung is Rung.PRIMARY else rung.value
    if rung in _KEPT:
        saved, _ = charged_nano(usage, price, tier)
        return Charge(
            Usage(),
            0,
            False,
            extra_of(
                Usage(),
                served_by=served_by,
                attempts=attempts,
                saved_nano=saved,
                kept_input_tokens=usage.input_tokens,
                kept_output_tokens=usage.output_tokens,
            ),
        )
    if rung in FREE_RUNGS:
        return Charge(Usage(), 0, False, extra_of(Usage(), served_by=served_by, attempts=attempts))
    cost, without_rate = _cheaper(usage, price, call.served, currency, tier)
    model = None if call.served is None else call.served.name
    return Charge(
        usage, cost, without_rate, extra_of(usage, served_by=served_by, served_model=model, attempts=attempts)
    )


def _cheaper(usage: Usage, price: Price, served: Model | None, currency: str, tier: str | None) -> tuple[int, bool]:
    """At the price of what answered or of what was asked for, whichever is less. Other currencies can't be compared."""
    asked = charged_nano(usage, price, tier)
    if served is None:
        return asked
    if served.price is None:  # an administrator's word: it costs nothing
        return 0, False
    if served.price.currency != currency:
        return asked
    return min(asked, charged_nano(usage, served.price, tier), key=lambda charge: charge[0])
