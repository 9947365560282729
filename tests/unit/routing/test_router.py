"""The shell obeys the rules: who is asked, what the caller sees, what is left open (nothing)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.unit.routing.routes import (
    ABILITIES,
    Scripted,
    Stand,
    Step,
    blamed,
    call_of,
    deployment,
    event,
    failure,
    model,
    sayings,
    whole,
    words,
)
from waystation.errors import ApiError, RateLimitExceeded, ServiceUnavailable, Unsupported, UpstreamTimeout
from waystation.gateway.call import Call
from waystation.routing.breaker import FAILURES_IN_A_ROW
from waystation.routing.standing import LIMIT_REST_S, REFUSED_S
from waystation.terms import (
    Abilities,
    Blame,
    Credential,
    Dialect,
    Done,
    Event,
    Model,
    Operation,
    Piece,
    Rung,
    Static,
    Usage,
)

FAILS = [failure(Blame.DEPLOYMENT)]
STREAM = {"stream": True}


def test_the_plain_case_is_one_attempt() -> None:
    stand = Stand(Scripted("a", whole("Hello.")))
    answer = stand.answers(model(["a/m"]))
    assert (answer.call.deployment, answer.call.attempts, answer.call.rung) == ("a/m", 1, Rung.PRIMARY)
    assert answer.call.served is None
    assert answer.done.data == b'{"text": "Hello."}'


def test_a_stream_passes_as_it_comes() -> None:
    answer = Stand(Scripted("a", words("Once ", "upon "))).answers(model(["a/m"]), call_of(STREAM))
    assert answer.data == b"".join(step.data for step in words("Once ", "upon ") if isinstance(step, Piece | Done))
    assert [one.text for one in answer.events if isinstance(one, Piece)] == ["Once ", "upon ", ""]


def test_a_single_deployment_is_asked_again_after_a_pause() -> None:
    stand = Stand(Scripted("a", FAILS, FAILS, whole()))
    answer = stand.answers(model(["a/m"]))
    assert (answer.error, answer.call.attempts, answer.call.rung) == (None, 3, Rung.CREDENTIAL)
    assert len(stand.clock.slept) == 2
    assert sum(stand.clock.slept) < 0.3


def test_another_deployment_is_asked_at_once() -> None:
    stand = Stand(Scripted("a", FAILS), Scripted("b"))
    answer = stand.answers(model(["a/m"], ["b/m"]))
    assert (answer.call.deployment, answer.call.attempts, answer.call.rung) == ("b/m", 2, Rung.PROVIDER)
    assert stand.clock.slept == []


def test_the_same_provider_is_another_rung() -> None:
    stand = Stand(Scripted("a", FAILS, whole()))
    assert stand.answers(model(["a/m"], ["a/n"])).call.rung is Rung.DEPLOYMENT


def test_a_callers_mistake_is_told_at_once() -> None:
    stand = Stand(Scripted("a", [failure(Blame.CALLER)]), Scripted("b"))
    answer = stand.answers(model(["a/m"], ["b/m"]))
    assert answer.error is not None
    assert (answer.error.status, answer.call.attempts) == (400, 1)
    assert stand.providers["b"].calls == []


def test_what_began_without_text_can_be_asked_for_anew() -> None:
    begun: list[Step] = [Piece(event("", role="assistant")), failure(Blame.DEPLOYMENT)]
    answer = Stand(Scripted("a", begun), Scripted("b", words("Fine."))).answers(
        model(["a/m"], ["b/m"]), call_of(STREAM)
    )
    assert answer.text == "Fine."
    assert sum(chunk["choices"][0]["delta"].get("role") is not None for chunk in answer.chunks) == 1


def test_after_the_first_text_a_failure_is_a_clean_error() -> None:
    stand = Stand(Scripted("a", [*words("Once ", finish=False), failure(Blame.DEPLOYMENT)]), Scripted("b"))
    answer = stand.answers(model(["a/m"], ["b/m"]), call_of(STREAM))
    assert answer.error is not None
    assert answer.error.status == 502
    assert answer.text == "Once "
    assert answer.call.attempts == 1


# -- credentials

K1, K2 = Credential("k1", "first"), Credential("k2", "second", weight=0)


def test_a_refused_credential_is_reported_once_and_rests() -> None:
    pool = Scripted("a", [failure(Blame.CREDENTIAL)], whole(), credentials=(K1, K2))
    stand = Stand(pool)
    answer = stand.answers(model(["a/m"]))
    assert (answer.call.rung, answer.call.attempts) == (Rung.CREDENTIAL, 2)
    assert [(provider, id_) for provider, id_, _ in stand.refused] == [("a", "k1")]
    for _ in range(5):
        assert stand.answers(model(["a/m"])).call.attempts == 1
    assert [target.credential.id for target in pool.calls] == ["k1", "k2", "k2", "k2", "k2", "k2", "k2"]
    (resting,) = stand.router.resting_credentials()
    assert (resting.credential_id, resting.refused, resting.rests_ms) == ("k1", True, REFUSED_S * 1000)
    assert len(stand.refused) == 1


def test_a_refusal_says_nothing_against_the_deployment() -> None:
    stand = Stand(Scripted("a", [failure(Blame.CREDENTIAL)], credentials=(K1,)))
    for _ in range(20):
        assert stand.answers(model(["a/m"])).error is not None
    assert len(stand.providers["a"].calls) == 1
    assert stand.router.health()[0].state == "closed"


def test_a_credential_that_was_touched_is_well_again() -> None:
    stand = Stand(Scripted("a", [failure(Blame.CREDENTIAL)], whole(), credentials=(K1,)))
    stand.answers(model(["a/m"]))
    assert isinstance(stand.answers(model(["a/m"])).error, RateLimitExceeded | ServiceUnavailable)
    changed = Scripted("a", whole(), credentials=(Credential("k1", "renamed"),))
    stand.providers["a"] = changed
    stand.router.set_providers({"a": changed})
    assert stand.answers(model(["a/m"])).error is None


def test_a_limited_credential_rests_as_long_as_it_was_told() -> None:
    pool = Scripted("a", [failure(Blame.LIMIT, retry_after_ms=20_000)], whole(), credentials=(K1, K2))
    stand = Stand(pool)
    stand.answers(model(["a/m"]))
    stand.answers(model(["a/m"]))
    stand.clock.advance(61)
    stand.answers(model(["a/m"]))
    assert [target.credential.id for target in pool.calls] == ["k1", "k2", "k2", "k1"]


def test_a_limit_of_the_only_credential_is_waited_for_or_told() -> None:
    stand = Stand(Scripted("a", [failure(Blame.LIMIT)], whole()))
    answer = stand.answers(model(["a/m"]))
    assert answer.error is None
    assert LIMIT_REST_S <= sum(stand.clock.slept) <= LIMIT_REST_S + 0.1
    stand = Stand(Scripted("a", [failure(Blame.LIMIT, retry_after_ms=30_000)]))
    for left_ms in (30_000, 30_000):
        answer = stand.answers(model(["a/m"]))
        assert isinstance(answer.error, RateLimitExceeded)
        assert answer.error.retry_after_ms == left_ms
    assert len(stand.providers["a"].calls) == 1


def test_all_credentials_are_disabled() -> None:
    off = Credential("k1", "first", disabled=True)
    answer = Stand(Scripted("a", credentials=(off,))).answers(model(["a/m"]))
    assert isinstance(answer.error, ServiceUnavailable)
    assert "disabled" in str(answer.error)


# -- bounds of ours


def test_a_full_provider_is_passed_over_and_a_full_house_says_so() -> None:
    async def story() -> None:
        gate = asyncio.Event()
        slow: list[Step] = [gate.wait, *whole()]
        stand = Stand(Scripted("a", slow, concurrency_max=1), Scripted("b", slow, concurrency_max=1))
        route = model(["a/m"], ["b/m"])
        events, calls = [], []
        for _ in range(2):
            events.append(stand.router.attempt(call_of(), route))
            calls.append(asyncio.ensure_future(anext(events[-1])))
            await asyncio.sleep(0)
        assert [len(stand.providers[name].calls) for name in "ab"] == [1, 1]
        third = call_of()
        with pytest.raises(RateLimitExceeded) as refused:
            await anext(stand.router.attempt(third, route))
        assert refused.value.retry_after_ms is not None
        assert third.attempts == 0
        gate.set()
        await asyncio.gather(*calls)
        for one in events:
            await one.aclose()
        assert (await stand.answer(route)).call.deployment == "a/m"

    asyncio.run(story())


def test_a_full_queue_is_nobodys_fault() -> None:
    stand = Stand(Scripted("local", [failure(Blame.BUSY)]), Scripted("b"))
    for _ in range(20):
        answer = stand.answers(model(["local/m"], ["b/m"]))
        assert (answer.call.deployment, answer.call.attempts) == ("b/m", 1)
    assert stand.router.health()[1].state == "closed"


# -- what the route says


def test_fallbacks_are_asked_when_all_else_fails_and_their_model_is_said() -> None:
    other = model(["b/n"], name="other")
    stand = Stand(Scripted("a", FAILS), Scripted("b"))
    answer = stand.answers(model(["a/m"], fallbacks=[other]))
    assert (answer.call.deployment, answer.call.rung, answer.call.served) == ("b/n", Rung.PROVIDER, other)


def test_a_fallback_of_this_machine_is_the_rung_local() -> None:
    local = model(["local/q"], name="q")
    answer = Stand(Scripted("a", FAILS), Scripted("local")).answers(model(["a/m"], fallbacks=[local]))
    assert (answer.call.rung, answer.call.served) == (Rung.LOCAL, local)


UNABLE: dict[str, tuple[Abilities, dict[str, Any]]] = {
    "it does no chats": (Abilities(frozenset({Operation.EMBEDDINGS}), 1000, 100), {}),
    "it sees no pictures": (
        ABILITIES,
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
            ]
        },
    ),
    "it calls no tools": (
        Abilities(frozenset(Operation), 32_768, 4096, tools=False),
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ),
    "the prompt does not fit": (
        Abilities(frozenset(Operation), 100, 100),
        {"messages": [{"role": "user", "content": "x" * 700}]},
    ),
}


@pytest.mark.parametrize("why", UNABLE)
def test_a_fallback_that_can_not_do_it_is_not_asked(why: str) -> None:
    abilities, asked = UNABLE[why]
    stand = Stand(Scripted("a", [failure(Blame.MODEL)]), Scripted("b"))
    answer = stand.answers(model(["a/m"], fallbacks=[model(["b/n"], name="n", abilities=abilities)]), call_of(asked))
    assert answer.error is not None
    assert stand.providers["b"].calls == []


def test_the_routes_time_to_the_first_byte_holds() -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    stand = Stand(Scripted("a", [hang]), Scripted("b"))
    answer = stand.answers(model(["a/m"], ["b/m"], first_byte_timeout_s=0.01))
    assert (answer.call.deployment, answer.error) == ("b/m", None)
    alone = Stand(Scripted("a", [hang])).answers(model(["a/m"], total_timeout_s=0.01))
    assert isinstance(alone.error, UpstreamTimeout)


def test_an_operation_that_the_provider_lacks_is_a_clear_refusal() -> None:
    stand = Stand(Scripted("a", operations=(Operation.CHAT,)))
    answer = stand.answers(model(["a/m"]), call_of(operation=Operation.EMBEDDINGS))
    assert isinstance(answer.error, Unsupported)
    assert answer.error.status == 400


def test_a_provider_that_is_not_there_is_said() -> None:
    assert isinstance(Stand().answers(model(["gone/m"])).error, ServiceUnavailable)


# -- the breaker, through the shell


def test_a_dead_deployment_is_left_alone_and_found_again() -> None:
    async def story() -> None:
        dead = Scripted("a", *[FAILS] * FAILURES_IN_A_ROW, whole())
        stand = Stand(dead, Scripted("b"))
        route = model(["a/m"], ["b/m"])
        for _ in range(FAILURES_IN_A_ROW):
            assert (await stand.answer(route)).call.attempts == 2
        assert (await stand.answer(route)).call.attempts == 1
        assert len(dead.calls) == FAILURES_IN_A_ROW
        assert [one.state for one in stand.router.health()] == ["open", "closed"]
        stand.clock.advance(1.0)
        answer = await stand.answer(route)
        assert (answer.call.deployment, answer.call.attempts) == ("a/m", 1)
        assert stand.router.health()[0].state == "closed"

    asyncio.run(story())


def test_a_model_that_is_not_there_is_not_asked_for_each_time() -> None:
    stand = Stand(Scripted("a", [failure(Blame.MODEL)]), Scripted("b"))
    attempts = [stand.answers(model(["a/m"], ["b/m"])).call.attempts for _ in range(5)]
    assert attempts == [2, 1, 1, 1, 1]


def test_states_outlive_a_change_of_the_configuration() -> None:
    stand = Stand(Scripted("a", FAILS), Scripted("b"))
    for _ in range(FAILURES_IN_A_ROW):
        stand.answers(model(["a/m"], ["b/m"]))
    stand.router.set_providers({name: Scripted(name) for name in "ab"})
    assert [one.state for one in stand.router.health()] == ["open", "closed"]
    stand.router.set_providers({"b": Scripted("b")})
    assert [one.deployment for one in stand.router.health()] == ["b/m"]


# -- drills


class Row:
    def __init__(self, kind: str, subject: str, project_id: str = "project", until_at: int = 1_750_000_060) -> None:
        self.project_id, self.kind, self.subject, self.until_at = project_id, kind, subject, until_at


DRILLS = [
    (Row("provider", "a"), "b/m", Rung.PROVIDER),
    (Row("deployment", "a/m"), "a/n", Rung.DEPLOYMENT),
    (Row("credential", "k1"), "a/m", Rung.CREDENTIAL),
    (Row("provider", "a", project_id="another"), "a/m", Rung.PRIMARY),
    (Row("provider", "a", until_at=1_750_000_000), "a/m", Rung.PRIMARY),
]


@pytest.mark.parametrize(("drill", "answers", "rung"), DRILLS, ids=range(len(DRILLS)))
def test_a_drill_walks_the_ladder_and_harms_nobody(drill: Row, answers: str, rung: Rung) -> None:
    stand = Stand(Scripted("a", credentials=(K1, K2)), Scripted("b"))
    stand.router.drills.put([drill])
    answer = stand.answers(model(["a/m"], ["a/n"], ["b/m"]))
    assert (answer.call.deployment, answer.call.rung, answer.call.attempts) == (answers, rung, 1)
    assert all(one.failed == 0 for one in stand.router.health())


def test_a_drill_of_everything_is_an_error_or_the_written_words() -> None:
    stand = Stand(Scripted("a"), words=Sorry())
    stand.router.drills.put([Row("provider", "a")])
    answer = stand.answers(model(["a/m"]))
    assert answer.error is not None
    assert (answer.error.status, answer.call.attempts) == (502, 0)
    said = stand.answers(SORRY)
    assert (said.call.rung, said.call.deployment, said.done.data) == (Rung.STATIC, "static", b"Sorry.")


# -- cache and static replies


class Sorry:
    def reply(self, call: Call, model: Model) -> AsyncGenerator[Event] | None:
        return one_event(Done(b"Sorry.", Usage()))


class Pantry:
    """A larder that keeps everything, and finds what it is told to."""

    def __init__(self, fresh: bytes | None = None, stale: bytes | None = None, wanted: bool = True) -> None:
        self.fresh, self.stale, self.wanted = fresh, stale, wanted
        self.kept: list[Event] = []

    def wants(self, call: Call, model: Model) -> bool:
        return self.wanted

    async def find(self, call: Call, model: Model, *, stale: bool) -> AsyncGenerator[Event] | None:
        data = self.stale if stale else self.fresh
        return None if data is None else one_event(Done(data, Usage()))

    async def keep(self, call: Call, model: Model, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        try:
            async for one in events:
                self.kept.append(one)
                yield one
        finally:
            await events.aclose()


async def one_event(event: Event) -> AsyncGenerator[Event]:
    yield event


SORRY = model(["a/m"], stale_s=60, static=Static("Sorry.", "抱歉。"))


def test_what_is_kept_fresh_answers_before_anybody_is_asked() -> None:
    stand = Stand(Scripted("a"), larder=Pantry(fresh=b"kept"))
    answer = stand.answers(model(["a/m"]))
    assert (answer.done.data, answer.call.rung, answer.call.attempts) == (b"kept", Rung.CACHE, 0)
    assert stand.providers["a"].calls == []


def test_an_answer_is_kept_as_it_passes() -> None:
    pantry = Pantry()
    answer = Stand(Scripted("a", words("Once ")), larder=pantry).answers(model(["a/m"]), call_of(STREAM))
    assert pantry.kept == answer.events


def test_when_all_fail_the_stale_answer_comes_before_the_written_words() -> None:
    for stale, rung in ((b"old", Rung.STALE_CACHE), (None, Rung.STATIC)):
        stand = Stand(Scripted("a", FAILS), larder=Pantry(stale=stale, wanted=False), words=Sorry())
        answer = stand.answers(SORRY)
        assert (answer.error, answer.call.rung, answer.call.deployment) == (None, rung, rung.value)
        assert answer.call.attempts == 7


def test_a_callers_mistake_gets_no_written_words() -> None:
    stand = Stand(Scripted("a", [failure(Blame.CALLER)]), words=Sorry())
    assert stand.answers(SORRY).error is not None


# -- other dialects


def anthropic(**asked: Any) -> Call:
    return call_of(asked, dialect=Dialect.ANTHROPIC)


def test_a_provider_of_another_dialect_is_told_and_its_words_are_written() -> None:
    stand = Stand(Scripted("a", told=[sayings("Once ", "upon ", usage=Usage(7, 2))]))
    whole_ = stand.answers(model(["a/m"]), anthropic())
    assert (whole_.done.data, whole_.done.usage) == (b'{"id": "id-new", "text": "Once upon "}', Usage(7, 2))
    stream = stand.answers(model(["a/m"]), anthropic(stream=True))
    assert (stream.text, stream.done.usage) == ("Once upon ", Usage(7, 2))
    assert {chunk["id"] for chunk in stream.chunks} == {"id-new"}


def test_what_can_not_be_said_in_other_words_goes_to_who_needs_none() -> None:
    native = [(Dialect.ANTHROPIC, Operation.CHAT)]
    stand = Stand(Scripted("a", told=[sayings("No.")]), Scripted("b", whole("Yes."), native=native))
    answer = stand.answers(model(["a/m"], ["b/m"]), anthropic(service_tier="flex"))
    assert (answer.call.deployment, answer.call.attempts) == ("b/m", 1)
    alone = Stand(Scripted("a", told=[sayings("No.")])).answers(model(["a/m"]), anthropic(service_tier="flex"))
    assert alone.error is not None
    assert (alone.error.status, alone.error.param) == (400, "service_tier")


def test_a_stream_in_other_words_ends_when_its_money_does() -> None:
    async def story() -> None:
        stand = Stand(Scripted("a", told=[sayings("Once ", "upon ", "a ", "time")]))
        call = anthropic(stream=True)
        events: list[Event] = []
        async for one in stand.router.attempt(call, model(["a/m"])):
            events.append(one)
            call.cut = True
        assert isinstance(events[-1], Done)
        assert b'"finish_reason": "length"' in events[-1].data
        assert [one.text for one in events if isinstance(one, Piece)] == ["Once "]
        assert stand.providers["a"].open == 0

    asyncio.run(story())


# -- leaving


@pytest.mark.parametrize("after", [0, 1, 2])
def test_whoever_leaves_closes_everything_from_the_inside_out(after: int) -> None:
    async def story() -> None:
        gate = asyncio.Event()
        stand = Stand(Scripted("a", [*words("Once ", "upon ", finish=False), gate.wait]))
        events = stand.router.attempt(call_of(STREAM), model(["a/m"]))
        for _ in range(after):
            await anext(events)
        waiting = asyncio.ensure_future(anext(events)) if after == 2 else None
        await asyncio.sleep(0)
        if waiting is not None:
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await events.aclose()
        assert stand.providers["a"].open == 0
        assert [one.in_flight for one in stand.router.health()] == [0] * bool(after)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())


def test_whoever_leaves_during_a_pause_leaves_nothing() -> None:
    async def story() -> None:
        stand = Stand(Scripted("a", [failure(Blame.LIMIT, retry_after_ms=4000)]))
        real = asyncio.Event()

        async def sleep(seconds: float) -> None:
            real.set()
            await asyncio.sleep(3600)

        stand.clock.sleep = sleep  # type: ignore[method-assign]
        events = stand.router.attempt(call_of(), model(["a/m"]))
        task = asyncio.ensure_future(anext(events))
        await real.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stand.router.health()[0].in_flight == 0

    asyncio.run(story())


def test_a_fault_of_ours_is_raised_and_leaves_nothing() -> None:
    def broken() -> Any:
        raise KeyError("ours")

    stand = Stand(Scripted("a", [broken]))
    with pytest.raises(KeyError):
        stand.answers(model(["a/m"]))
    assert stand.router.health()[0].in_flight == 0


def test_an_error_without_blame_ends_the_call() -> None:
    stand = Stand(Scripted("a", [blamed(ApiError("Ours."), None)]), Scripted("b"))
    answer = stand.answers(model(["a/m"], ["b/m"]))
    assert answer.error is not None
    assert stand.providers["b"].calls == []


def test_a_provider_that_is_taken_away_meanwhile_still_ends_its_calls() -> None:
    async def story() -> None:
        gate = asyncio.Event()
        stand = Stand(Scripted("a", [gate.wait, failure(Blame.DEPLOYMENT)], whole("Late.")))
        events = stand.router.attempt(call_of(), model(["a/m"]))
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        stand.router.set_providers({"b": Scripted("b")})
        gate.set()
        with pytest.raises(ServiceUnavailable):
            await first
        assert stand.providers["a"].open == 0

    asyncio.run(story())


def test_a_tier_is_shared_out_and_a_shut_deployment_gets_nothing() -> None:
    a, b = Scripted("a"), Scripted("b")
    stand = Stand(a, b)
    route = model([deployment("a/m", weight=3), "b/m"])
    for _ in range(400):
        stand.answers(route)
    assert len(a.calls) == pytest.approx(300, abs=40)
    breaker = stand.router.standing.deployment("a/m", "a").breaker
    while breaker.closed:
        breaker.failed(stand.clock.monotonic_s())
    before = len(a.calls)
    for _ in range(20):
        assert stand.answers(route).call.deployment == "b/m"
    assert len(a.calls) == before
