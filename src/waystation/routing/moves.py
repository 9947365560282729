"""What is tried next: the rule of failover. Pure: what has happened and how things stand, in; the next move, out.

How things stand (breakers, rests of credentials, retry tokens) is kept in `standing.py`; `router.py` obeys.
"""

from collections.abc import Sequence

import msgspec

from waystation.errors import ApiError
from waystation.routing.failing import Failed, told, unasked
from waystation.terms import Blame, Rung, Target

BACKOFF_S = 0.1
"""Full jitter: before the n-th repeat at a deployment anything from 0 to BACKOFF_S · 2ⁿ⁻¹, at most BACKOFF_S_MAX."""
BACKOFF_S_MAX = 2.0
TOKEN_WAIT_S = 0.2
"""The first wait for a retry token, half of it by chance; it doubles, TOKEN_WAITS_MAX times."""
TOKEN_WAITS_MAX = 4
REST_WAITED_S_MAX = 5.0
"""So long a call waits because it was told to come again, where nobody else can answer; of more the caller is told."""


class Option(msgspec.Struct, frozen=True):
    """A deployment with one credential of its provider, as it stands now."""

    target: Target
    fallback: bool = False  # of another model than the one that was asked for
    shut_s: float = 0.0  # its breaker keeps it shut for so long
    quick: bool = True  # where it is shut: it failed fast, so that to ask it all the same costs nobody time
    rests_s: float = 0.0  # its credential is told to wait for so long
    full: bool = False  # its provider has as many calls of ours as we let it have
    token: bool = True  # its provider's retry tokens allow one more repeat

    @property
    def open(self) -> bool:
        return not self.full and self.shut_s <= 0 and self.rests_s <= 0


class Try(msgspec.Struct, frozen=True):
    """Ask this one, after a pause. `repeat`: this call has failed there before, so it costs a retry token."""

    target: Target
    after_s: float = 0.0
    repeat: bool = False


class Resume(msgspec.Struct, frozen=True):
    """Have this one go on right after the text that has been sent."""

    target: Target
    after: str
    after_s: float = 0.0
    repeat: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Nobody is asked for so long: repeats have used up the retry tokens, and whoever succeeds meanwhile earns more."""

    after_s: float


class Lower(msgspec.Struct, frozen=True):
    """Nobody answers: a rung below models. When it has nothing, the error holds."""

    rung: Rung
    error: ApiError


class GiveUp(msgspec.Struct, frozen=True):
    error: ApiError


Move = Try | Resume | Wait | Lower | GiveUp


def next_move(
    options: Sequence[Option],
    so_far: Sequence[Failed],
    *,
    left_s: float,
    attempts_max: int = 7,
    chance: float = 1.0,
    waits: int = 0,
    sent: str | None = None,
    any_goes_on: bool = False,
    below: Sequence[Rung] = (),
    model: str = "",
) -> Move:
    """The next move of a call.

    `options`: whoever may be asked, the most wanted first; fallbacks come last. `so_far`: what has failed, in order.
    `left_s`: of the call's whole time. `chance`: a random number in [0, 1), the jitter. `waits`: for tokens, until now.
    `sent`: the text that has gone out; None while nothing has. Then only a deployment that can be prefilled goes on, or
    `any_goes_on` (a prompt is simply longer then). `below`: rungs under models that the route has. `model`: its name.

    Somebody whom this call has not asked yet comes first and needs no retry token: breakers and rests bound that. To
    repeat where it has failed costs one, and waits. Where all is shut, the least bad is asked once, if it fails fast.
    """
    if so_far and _ends_it(so_far[-1]):
        return GiveUp(so_far[-1].error)
    error = told(so_far) or _unasked(options, model)
    unable = bool(so_far) and all(failed.blame is Blame.UNABLE for failed in so_far)
    end: Move = Lower(below[0], error) if below and sent is None and not unable else GiveUp(error)
    if left_s <= 0 or sum(failed.dispatched for failed in so_far) >= attempts_max:
        return end
    able = [option for option in options if _is_able(option, so_far, sent, any_goes_on)]
    fresh = [option for option in able if _failures(option, so_far) == 0]
    for option in fresh:
        if option.open:
            return _go(option, sent)
    if again := [option for option in able if option.open]:
        payable = [option for option in again if option.token]
        if not payable:
            pause_s = TOKEN_WAIT_S * 2.0**waits * (0.5 + chance / 2)
            return Wait(pause_s) if waits < TOKEN_WAITS_MAX and pause_s < left_s else end
        option = min(payable, key=lambda option: _failures(option, so_far))
        name = option.target.deployment.name
        waits_s = _told_to_wait_s(so_far, name)
        pause_s = max(backoff_s(_failures(option, so_far), chance), waits_s[-1])
        if sum(waits_s) > REST_WAITED_S_MAX:
            return end
        return _go(option, sent, pause_s, repeat=True) if pause_s < left_s else end
    if not any(failed.blame is Blame.DEPLOYMENT and failed.dispatched for failed in so_far):
        bad = [option for option in fresh if option.shut_s > 0 and option.quick]
        if rested := [option for option in bad if not option.full and option.rests_s <= 0]:
            return _go(min(rested, key=lambda option: option.shut_s), sent)
    if resting := [option for option in able if option.rests_s > 0 and option.shut_s <= 0 and option.token]:
        option = min(resting, key=lambda option: option.rests_s)
        pause_s = option.rests_s + backoff_s(1, chance)  # with jitter: many wait for the same moment
        waited_s = sum(_told_to_wait_s(so_far, option.target.deployment.name)[:-1])
        if pause_s < left_s and waited_s + option.rests_s <= REST_WAITED_S_MAX:
            return _go(option, sent, pause_s, repeat=True)
    return end


def backoff_s(failures: int, chance: float) -> float:
    """The pause before a deployment is asked again that has failed so often in this call."""
    return chance * min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** max(0, failures - 1))


def rung_of(first: Target, target: Target, *, fallback: bool, local: bool, repeat: bool) -> Rung:
    """Which step of the ladder a target is, seen from the one that was wanted first."""
    if target.deployment.name == first.deployment.name:
        return Rung.CREDENTIAL if repeat or target.credential.id != first.credential.id else Rung.PRIMARY
    if local:
        return Rung.LOCAL
    if fallback or target.deployment.provider != first.deployment.provider:
        return Rung.PROVIDER
    return Rung.DEPLOYMENT


def _ends_it(failed: Failed) -> bool:
    return failed.blame is None or (failed.blame is Blame.CALLER and not failed.fallback)


def _is_able(option: Option, so_far: Sequence[Failed], sent: str | None, any_goes_on: bool) -> bool:
    """Whether it may be asked at all, now or after a pause."""
    if sent is not None and sent.strip() and not (any_goes_on or option.target.deployment.prefill):
        return False
    return not any(_rules_out(failed, option.target) for failed in so_far)


def _rules_out(failed: Failed, target: Target) -> bool:
    there = failed.target
    if failed.blame is Blame.CALLER:
        return there.model.name == target.model.name
    if failed.blame in (Blame.MODEL, Blame.UNABLE, Blame.BUSY):
        return there.deployment.name == target.deployment.name
    if failed.blame is Blame.CREDENTIAL:
        return there.credential == target.credential and there.deployment.provider == target.deployment.provider
    same = there.deployment.name == target.deployment.name and there.credential.id == target.credential.id
    return failed.drilled and same


def _failures(option: Option, so_far: Sequence[Failed]) -> int:
    """How often this call has failed there. A limit is its credential's alone."""
    name, credential = option.target.deployment.name, option.target.credential.id
    there = [failed for failed in so_far if failed.target.deployment.name == name]
    return sum(
        failed.blame is Blame.DEPLOYMENT or (failed.blame is Blame.LIMIT and failed.target.credential.id == credential)
        for failed in there
    )


def _unasked(options: Sequence[Option], model: str) -> ApiError:
    rests = [option.rests_s for option in options if option.rests_s > 0]
    shut = [option.shut_s for option in options if option.shut_s > 0]
    return unasked(
        model,
        full=any(option.full for option in options),
        rests_s=min(rests, default=None),
        shut_s=min(shut, default=None),
    )


def _told_to_wait_s(so_far: Sequence[Failed], name: str) -> list[float]:
    """What each failure of a deployment said about when to come again."""
    there = [failed.error.retry_after_ms or 0 for failed in so_far if failed.target.deployment.name == name]
    return [wait_ms / 1000 for wait_ms in there]


def _go(option: Option, sent: str | None, after_s: float = 0.0, *, repeat: bool = False) -> Move:
    if sent is None:
        return Try(option.target, after_s, repeat)
    return Resume(option.target, sent, after_s, repeat)
