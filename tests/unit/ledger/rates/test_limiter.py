"""The limits of the only worker: who is limited, what a refusal says, what comes back, and what a restart remembers."""

import asyncio
from pathlib import Path

import pytest

from tests.unit.ledger.rates.rates_stand import AUDIO, IMAGES, RPD, RPM, STREAMS, TPM, passed, stand, told
from waystation.errors import RateLimitExceeded, RequestBeyondLimit
from waystation.http.errors import error_body, error_headers
from waystation.ledger.rates import limiter as limiter_module
from waystation.ledger.rates.limiter import Limiter
from waystation.ledger.rates.model import RateLimit
from waystation.terms import Caller
from waystation.testing.clock import FakeClock


def test_without_a_limit_nothing_is_counted_and_nothing_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            limiter = await stage.limiter()
            assert limiter.admit_now(stage.caller, "small", 10**9, stream=True) is None
            assert await limiter.admit(stage.caller, "small", 10**9) is None

    asyncio.run(story())


def test_a_refusal_has_openais_words_headers_and_the_exact_time(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("organization", {RPM: 3})
            limiter = await stage.limiter()
            for left in ("2", "1", "0"):
                admitted = passed(limiter.admit_now(stage.caller, "small", 10))
                assert told(admitted)["x-ratelimit-remaining-requests"] == left
            with pytest.raises(RateLimitExceeded) as refused:
                limiter.admit_now(stage.caller, "small", 10)
            error = refused.value
            assert error.message == (
                f"Rate limit reached for small in organization {stage.caller.organization_id} on requests per min (RPM): "
                "Limit 3, Used 3, Requested 1. Please try again in 20s. "
                "Try again after the time in the retry-after-ms header (rate_limit_exceeded)."
            )
            assert b'"type":"requests","param":null,"code":"rate_limit_exceeded"' in error_body(error)
            assert dict(error_headers(error)) == {
                "retry-after-ms": "20000",
                "retry-after": "20",
                "x-ratelimit-limit-requests": "3",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1m0s",
            }
            stage.clock.advance(19.999)
            with pytest.raises(RateLimitExceeded, match="try again in 1ms"):
                limiter.admit_now(stage.caller, "small", 10)
            stage.clock.advance(0.001)
            passed(limiter.admit_now(stage.caller, "small", 10))

    asyncio.run(story())


def test_a_request_that_is_larger_than_the_limit_is_told_not_to_come_again(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("project", {TPM: 1_000})
            limiter = await stage.limiter()
            with pytest.raises(RequestBeyondLimit) as refused:
                limiter.admit_now(stage.caller, "small", 1_001)
            error = refused.value
            assert error.message.startswith(
                f"Request too large for small in project {stage.caller.project_id} "
                f"organization {stage.caller.organization_id} on tokens per min (TPM): Limit 1000, Requested 1001. "
                "The input or output tokens must be reduced in order to run successfully."
            )
            assert "rate_limit_exceeded" in error.message
            headers = dict(error_headers(error))
            assert headers["x-should-retry"] == "false"
            assert "retry-after-ms" not in headers
            assert (error.status, error.type, error.code) == (429, "tokens", "rate_limit_exceeded")
            passed(limiter.admit_now(stage.caller, "small", 1_000))  # the refused one took nothing

    asyncio.run(story())


@pytest.mark.parametrize(
    ("limits", "asked", "words"),
    [
        ({IMAGES: 2}, {"images": 1}, "images per min (IPM): Limit 2, Used 2, Requested 1. Please try again in 30s."),
        ({AUDIO: 2}, {"audio_bytes": 1_000_000}, "audio megabytes per min: Limit 2, Used 2, Requested 1."),
        (
            {RPD: 2},
            {},
            "requests per day (RPD): Limit 2, Used 2, Requested 1. Please try again in 12h0m0s.",
        ),
        ({STREAMS: 2}, {"stream": True}, "concurrent streams: Limit 2, Used 2, Requested 1. Please try again in 1s."),
    ],
)
def test_each_kind_of_limit_holds(tmp_path: Path, limits: dict[str, int], asked: dict[str, int], words: str) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", limits)
            limiter = await stage.limiter()
            for _ in range(2):
                passed(limiter.admit_now(stage.caller, "small", 10, **asked))  # type: ignore[arg-type]
            with pytest.raises(RateLimitExceeded) as refused:
                limiter.admit_now(stage.caller, "small", 10, **asked)  # type: ignore[arg-type]
            assert words in refused.value.message
            if RPD not in limits:
                passed(limiter.admit_now(stage.caller, "small", 10))  # what asks for none of it passes

    asyncio.run(story())


def test_limits_hold_for_their_key_project_organization_and_model_alone(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 1}, "small")
            stage.set_limit("project", {RPM: 3})
            limiter = await stage.limiter()
            passed(limiter.admit_now(stage.caller, "small", 1))
            with pytest.raises(RateLimitExceeded, match=f"in key {stage.caller.key_id} organization"):
                limiter.admit_now(stage.caller, "small", 1)
            passed(limiter.admit_now(stage.caller, "large", 1))  # another model
            passed(limiter.admit_now(stage.other, "small", 1))  # another key
            with pytest.raises(RateLimitExceeded, match="in project"):
                limiter.admit_now(stage.other, "small", 1)
            assert limiter.admit_now(Caller("key_9", "proj_9", "org-9"), "small", 1) is None

    asyncio.run(story())


def test_the_longest_wait_is_told_and_the_tightest_limit_is_in_the_headers(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 60, TPM: 600})
            stage.set_limit("organization", {RPM: 30, TPM: 60_000})
            limiter = await stage.limiter()
            lines = told(passed(limiter.admit_now(stage.caller, "small", 500)))
            assert lines == {
                "x-ratelimit-limit-requests": "30",
                "x-ratelimit-remaining-requests": "29",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-limit-tokens": "600",
                "x-ratelimit-remaining-tokens": "100",
                "x-ratelimit-reset-tokens": "50s",
            }
            for _ in range(29):
                passed(limiter.admit_now(stage.caller, "small", 1))
            with pytest.raises(RateLimitExceeded) as refused:  # 2 s for the request, 52.9 s for the tokens
                limiter.admit_now(stage.caller, "small", 600)
            assert refused.value.retry_after_ms == 52_900
            stage.clock.advance(52.9)
            passed(limiter.admit_now(stage.caller, "small", 600))

    asyncio.run(story())


def test_tokens_are_corrected_once_and_a_voided_call_keeps_only_its_request(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 60, TPM: 1_000})
            limiter = await stage.limiter()
            first = passed(limiter.admit_now(stage.caller, "small", 800))
            first.correct(100)
            first.correct(5)
            first.undo()
            second = passed(limiter.admit_now(stage.caller, "small", 900))
            second.correct(0)
            lines = told(passed(limiter.admit_now(stage.caller, "small", 1)))
            assert lines["x-ratelimit-remaining-tokens"] == "899"
            assert lines["x-ratelimit-remaining-requests"] == "57"
            third = passed(limiter.admit_now(stage.caller, "small", 10))
            third.correct(1_510)
            with pytest.raises(RateLimitExceeded, match="Limit 1000, Used 1611, Requested 1"):
                limiter.admit_now(stage.caller, "small", 1)

    asyncio.run(story())


def test_a_call_that_is_refused_afterwards_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 1, TPM: 100, STREAMS: 1, RPD: 1, IMAGES: 1})
            limiter = await stage.limiter()
            for _ in range(5):
                admitted = passed(limiter.admit_now(stage.caller, "small", 100, stream=True, images=1))
                admitted.undo()
                admitted.undo()
                admitted.correct(50)
                admitted.release()
            passed(limiter.admit_now(stage.caller, "small", 100, stream=True, images=1))

    asyncio.run(story())


def test_a_streams_place_is_free_again_once_it_is_released(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {STREAMS: 1})
            limiter = await stage.limiter()
            stream = passed(limiter.admit_now(stage.caller, "small", 1, stream=True))
            with pytest.raises(RateLimitExceeded):
                limiter.admit_now(stage.caller, "small", 1, stream=True)
            stream.release()
            stream.release()
            passed(limiter.admit_now(stage.caller, "small", 1, stream=True))
            with pytest.raises(RateLimitExceeded):
                limiter.admit_now(stage.caller, "small", 1, stream=True)

    asyncio.run(story())


def test_a_limit_that_is_set_changed_or_removed_holds_from_then_on(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            limiter = await stage.limiter()
            assert limiter.admit_now(stage.caller, "small", 1) is None
            limit = stage.set_limit("key", {RPM: 2, STREAMS: 1})
            await limiter.changed([limit.id, limit.id])
            stream = passed(limiter.admit_now(stage.caller, "small", 1, stream=True))
            passed(limiter.admit_now(stage.caller, "small", 1))
            stage.set_limit("key", {RPM: 3})
            await limiter.changed([limit.id])
            stream.release()  # there is no such limit any more
            passed(limiter.admit_now(stage.caller, "small", 1, stream=True))
            with pytest.raises(RateLimitExceeded, match="Limit 3, Used 3"):
                limiter.admit_now(stage.caller, "small", 1)
            stage.database.write_sync(lambda c: stage.rates.remove_limit(c, stage.caller.organization_id, limit.id))
            await limiter.changed([limit.id, "rl_unknown"])
            assert limiter.admit_now(stage.caller, "small", 1) is None

    asyncio.run(story())


def test_a_restart_does_not_give_the_day_anew(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPD: 3, RPM: 10})
            limiter = await stage.limiter()
            for _ in range(3):
                passed(limiter.admit_now(stage.caller, "small", 1))
            await limiter.close()
            again = await stage.limiter()
            with pytest.raises(RateLimitExceeded, match="Limit 3, Used 3"):
                again.admit_now(stage.caller, "small", 1)
            stage.clock.advance(8 * 3_600)
            passed(again.admit_now(stage.caller, "small", 1))

    asyncio.run(story())


def test_idle_buckets_are_let_go_and_what_comes_late_still_finds_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_module, "SWEEP_AT_BUCKETS", 10)
    monkeypatch.setattr(limiter_module, "PLANS_MAX", 10)
    clock = FakeClock()
    limiter = Limiter(None, clock)  # type: ignore[arg-type]
    limiter._sweep_at = 10
    limiter._directory.put(
        RateLimit(f"rl_{i}", "org-1", "key", f"key_{i}", None, {TPM: 60, STREAMS: 5}, 0, 0) for i in range(100)
    )
    first = passed(limiter.admit_now(Caller("key_0", "proj_1", "org-1"), "small", 10, stream=True))
    second = passed(limiter.admit_now(Caller("key_1", "proj_1", "org-1"), "small", 10))
    for i in range(2, 100):
        clock.advance(20)
        limiter.admit_now(Caller(f"key_{i}", "proj_1", "org-1"), "small", 10)
        assert len(limiter._buckets) <= 12
        assert len(limiter._plans) <= 10
    second.correct(70)  # what is charged late is charged all the same; what is given back late is gone
    with pytest.raises(RateLimitExceeded, match="Limit 60, Used 60"):
        limiter.admit_now(Caller("key_1", "proj_1", "org-1"), "small", 1)
    assert first.streams == 1
    assert ("rl_0", "streams") in limiter._buckets  # an open stream is never forgotten
