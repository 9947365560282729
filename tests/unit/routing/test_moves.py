"""Failover as a table of stories: what has happened so far, and what is tried next."""

import msgspec
import pytest

from tests.unit.routing.routes import deployment, failure, model
from waystation.errors import ApiError, RateLimitExceeded, ServiceUnavailable, UpstreamFailed
from waystation.routing.failing import Failed
from waystation.routing.moves import (
    BACKOFF_S,
    BACKOFF_S_MAX,
    REST_WAITED_S_MAX,
    TOKEN_WAIT_S,
    TOKEN_WAITS_MAX,
    GiveUp,
    Lower,
    Move,
    Option,
    Resume,
    Try,
    Wait,
    backoff_s,
    next_move,
    rung_of,
)
from waystation.terms import Blame, Credential, Rung, Target

MODEL = model(["a/m", "b/m"])
OTHER = model(["c/other"], name="other")
K1, K2 = Credential("k1", "first"), Credential("k2", "second")

A = Target(deployment("a/m"), MODEL)
B = Target(deployment("b/m"), MODEL)
A1, A2 = msgspec.structs.replace(A, credential=K1), msgspec.structs.replace(A, credential=K2)
C = Target(deployment("c/other"), OTHER)
P = Target(deployment("p/m", prefill=True), MODEL)

DEPLOYMENT, CREDENTIAL, LIMIT = Blame.DEPLOYMENT, Blame.CREDENTIAL, Blame.LIMIT


def option(target: Target, **more: object) -> Option:
    return Option(target, target is C, **more)  # type: ignore[arg-type]


def failed(target: Target, blame: Blame, retry_after_ms: int | None = None) -> Failed:
    return Failed(target, blame, failure(blame, retry_after_ms=retry_after_ms), target is C)


def move(options: list[Option], so_far: list[Failed], **more: object) -> Move:
    return next_move(options, so_far, **{"left_s": 60.0, "chance": 1.0, "model": "m"} | more)  # type: ignore[arg-type]


BOTH = [option(A), option(B)]
POOL = [option(A1), option(A2), option(B)]
STORIES: dict[str, tuple[list[Option], list[Failed], Move]] = {
    "the first is asked first": (BOTH, [], Try(A)),
    "who is shut is passed over": ([option(A, shut_s=3.0), option(B)], [], Try(B)),
    "who is full is passed over": ([option(A, full=True), option(B)], [], Try(B)),
    "a credential at rest is passed over": ([option(A1, rests_s=9.0), option(A2)], [], Try(A2)),
    "it failed: another deployment, at once": (BOTH, [failed(A, DEPLOYMENT)], Try(B)),
    "another deployment needs no retry token": (
        [option(A, token=False), option(B, token=False)],
        [failed(A, DEPLOYMENT)],
        Try(B),
    ),
    "both failed: the one that failed less, after a pause": (
        BOTH,
        [failed(A, DEPLOYMENT), failed(B, DEPLOYMENT)],
        Try(A, BACKOFF_S, True),
    ),
    "the pause doubles": (
        BOTH,
        [failed(A, DEPLOYMENT), failed(B, DEPLOYMENT), failed(A, DEPLOYMENT), failed(B, DEPLOYMENT)],
        Try(A, 2 * BACKOFF_S, True),
    ),
    "a single one is asked again": ([option(A)], [failed(A, DEPLOYMENT)], Try(A, BACKOFF_S, True)),
    "it says when to come again": ([option(A)], [failed(A, DEPLOYMENT, 1500)], Try(A, 1.5, True)),
    "its dialect can't be told this: another deployment": (BOTH, [failed(A, Blame.UNABLE)], Try(B)),
    "a refused credential: the next one, at once": (POOL, [failed(A1, CREDENTIAL)], Try(A2)),
    "a limited credential rests: the next one, at once": (
        [option(A1, rests_s=20.0), option(A2), option(B)],
        [failed(A1, LIMIT, 20_000)],
        Try(A2),
    ),
    "a limit that says to come again at once: others first": (BOTH, [failed(A, LIMIT, 0)], Try(B)),
    "a limit that says to come again at once, of the only one": (
        [option(A)],
        [failed(A, LIMIT, 0)],
        Try(A, BACKOFF_S, True),
    ),
    "a short rest is waited for where nobody else is": (
        [option(A1, rests_s=2.0)],
        [failed(A1, LIMIT, 2000)],
        Try(A1, 2.0 + BACKOFF_S, True),
    ),
    "all rest: the one that is back first is waited for": (
        [option(A1, rests_s=3.0), option(A2, rests_s=1.0)],
        [],
        Try(A2, 1.0 + BACKOFF_S, True),
    ),
    "a full queue: the next one": (BOTH, [failed(A, Blame.BUSY)], Try(B)),
    "it has not the model: the next one": (BOTH, [failed(A, Blame.MODEL)], Try(B)),
    "a fallback refuses the request: the next one": (
        [option(C), option(B)],
        [failed(C, Blame.CALLER)],
        Try(B),
    ),
    "all are shut: the least bad is asked": (
        [option(A, shut_s=7.0), option(B, shut_s=2.0)],
        [],
        Try(B),
    ),
    "all are shut, one hangs: the other one": (
        [option(A, shut_s=7.0), option(B, shut_s=2.0, quick=False)],
        [],
        Try(A),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_is_tried_next(story: str) -> None:
    options, so_far, then = STORIES[story]
    assert move(options, so_far) == then


ENDS: dict[str, tuple[list[Option], list[Failed], type[ApiError]]] = {
    "the caller's own mistake: nobody else is asked": (BOTH, [failed(A, Blame.CALLER)], ApiError),
    "all are shut: one of them is asked, not all": (
        [option(A, shut_s=1.0), option(B, shut_s=2.0)],
        [failed(A, DEPLOYMENT)],
        UpstreamFailed,
    ),
    "seven attempts are enough": ([option(A)], [failed(A, DEPLOYMENT)] * 7, UpstreamFailed),
    "the only credential is refused": ([option(A1)], [failed(A1, CREDENTIAL)], UpstreamFailed),
    "nobody has the model": ([option(A)], [failed(A, Blame.MODEL)], UpstreamFailed),
    "a long rest is told": ([option(A, rests_s=60.0)], [failed(A, LIMIT, 60_000)], RateLimitExceeded),
    "all are full": ([option(A, full=True), option(B, full=True)], [], RateLimitExceeded),
    "all rest for long": ([option(A, rests_s=30.0)], [], RateLimitExceeded),
    "all are shut and hang": ([option(A, shut_s=3.0, quick=False)], [], ServiceUnavailable),
    "the least bad is asked once": ([option(A, shut_s=1.0)], [failed(A, DEPLOYMENT)], UpstreamFailed),
    "there is nobody": ([], [], ServiceUnavailable),
    "it says to come again soon, for the third time": (
        [option(A)],
        [failed(A, DEPLOYMENT, 2000)] * 3,
        UpstreamFailed,
    ),
    "it says to come again much later": ([option(A)], [failed(A, DEPLOYMENT, 90_000)], UpstreamFailed),
}


@pytest.mark.parametrize("story", ENDS)
def test_when_a_call_is_given_up(story: str) -> None:
    options, so_far, error = ENDS[story]
    then = move(options, so_far)
    assert isinstance(then, GiveUp)
    assert isinstance(then.error, error)


def test_without_a_retry_token_a_repeat_waits_for_others_to_earn_some() -> None:
    options, so_far = [option(A, token=False)], [failed(A, DEPLOYMENT)]
    waits = [move(options, so_far, waits=waits) for waits in range(TOKEN_WAITS_MAX)]
    assert waits == [Wait(TOKEN_WAIT_S * 2**number) for number in range(TOKEN_WAITS_MAX)]
    assert isinstance(move(options, so_far, waits=TOKEN_WAITS_MAX), GiveUp)


def test_no_time_is_left() -> None:
    assert isinstance(move(BOTH, [failed(A, DEPLOYMENT)], left_s=0.0), GiveUp)
    assert isinstance(move([option(A)], [failed(A, DEPLOYMENT)], left_s=BACKOFF_S), GiveUp)
    assert isinstance(move([option(A, rests_s=2.0)], [], left_s=2.0), GiveUp)


def test_what_is_not_dispatched_is_no_attempt() -> None:
    none = [msgspec.structs.replace(failed(B, Blame.MODEL), dispatched=False)] * 20
    assert move([option(A)], none) == Try(A)


@pytest.mark.parametrize(
    ("retry_after_ms", "told_ms"),
    [([None, 900], 900), ([5000, 900], 900), ([None, None], None)],
)
def test_the_soonest_limit_is_told(retry_after_ms: list[int | None], told_ms: int | None) -> None:
    so_far = [failed(A1, LIMIT, retry_after_ms[0]), failed(A2, LIMIT, retry_after_ms[1])]
    then = move([option(A1, rests_s=99.0), option(A2, rests_s=99.0)], [*so_far, failed(B, DEPLOYMENT)])
    assert isinstance(then, GiveUp)
    assert isinstance(then.error, RateLimitExceeded)
    assert then.error.retry_after_ms == told_ms


def test_who_shuts_all_says_when_to_come_again() -> None:
    then = move([option(A, shut_s=3.2, quick=False), option(B, shut_s=1.25, quick=False)], [])
    assert isinstance(then, GiveUp)
    assert then.error.retry_after_ms == 1250


GOING_ON: dict[str, tuple[list[Option], list[Failed], str, bool, Move | None]] = {
    "text has gone out: only who can be prefilled goes on": (
        [option(A), option(B), option(P)],
        [failed(A, DEPLOYMENT)],
        "Once ",
        False,
        Resume(P, "Once "),
    ),
    "nobody can be prefilled": (BOTH, [failed(A, DEPLOYMENT)], "Once ", False, None),
    "a prompt is simply longer then": (BOTH, [failed(A, DEPLOYMENT)], "Once ", True, Resume(B, "Once ")),
    "only white space has gone out: anybody begins": (BOTH, [failed(A, DEPLOYMENT)], "\n", False, Resume(B, "\n")),
    "the same deployment goes on with its own": (
        [option(P)],
        [failed(P, DEPLOYMENT)],
        "Once ",
        False,
        Resume(P, "Once ", BACKOFF_S, True),
    ),
}


@pytest.mark.parametrize("story", GOING_ON)
def test_who_goes_on(story: str) -> None:
    options, so_far, sent, any_goes_on, then = GOING_ON[story]
    found = move(options, so_far, sent=sent, any_goes_on=any_goes_on, below=(Rung.STATIC,))
    if then is None:
        assert isinstance(found, GiveUp)  # and no static reply after half an answer
    else:
        assert found == then


def test_below_models_come_the_kept_and_the_written_words() -> None:
    then = move(BOTH, [failed(A, DEPLOYMENT)] * 7, below=(Rung.STALE_CACHE, Rung.STATIC))
    assert isinstance(then, Lower)
    assert then.rung is Rung.STALE_CACHE
    assert isinstance(move(BOTH, [failed(A, Blame.CALLER)], below=(Rung.STATIC,)), GiveUp)  # nobody could answer that


@pytest.mark.parametrize(("failures", "most_s"), [(1, 0.1), (2, 0.2), (5, 1.6), (6, 2.0), (60, 2.0)])
def test_a_pause_is_anything_up_to_its_bound(failures: int, most_s: float) -> None:
    assert backoff_s(failures, 1.0) == pytest.approx(most_s)
    assert backoff_s(failures, 0.25) == pytest.approx(most_s / 4)
    assert backoff_s(failures, 1.0) <= BACKOFF_S_MAX <= REST_WAITED_S_MAX


RUNGS = [
    (A, A, False, False, False, Rung.PRIMARY),
    (A, A, False, False, True, Rung.CREDENTIAL),
    (A1, A2, False, False, False, Rung.CREDENTIAL),
    (A, Target(deployment("a/n"), MODEL), False, False, False, Rung.DEPLOYMENT),
    (A, B, False, False, False, Rung.PROVIDER),
    (A, C, True, False, False, Rung.PROVIDER),
    (A, Target(deployment("local/q"), OTHER), True, True, False, Rung.LOCAL),
]


@pytest.mark.parametrize(("first", "target", "fallback", "local", "repeat", "rung"), RUNGS, ids=range(len(RUNGS)))
def test_each_step_of_the_ladder_has_its_name(
    first: Target, target: Target, fallback: bool, local: bool, repeat: bool, rung: Rung
) -> None:
    assert rung_of(first, target, fallback=fallback, local=local, repeat=repeat) is rung


def test_what_nobody_can_be_told_is_refused_and_not_answered_with_static_words() -> None:
    so_far = [failed(A, Blame.UNABLE), failed(B, Blame.UNABLE)]
    assert move(BOTH, so_far, below=(Rung.STATIC,)) == GiveUp(so_far[-1].error)
