"""Who is wanted first, over many calls."""

import random
from collections import Counter
from typing import Any, Literal

import pytest

from tests.unit.routing.routes import deployment
from waystation.routing.balance import (
    AFFINITY_BYTES,
    AFFINITY_CALLS_AHEAD,
    LIMITED_S,
    affinity_key,
    drawn,
    ordered,
    pooled,
)
from waystation.routing.standing import DeploymentState
from waystation.terms import Credential, Deployment

Balance = Literal["weighted", "least_busy", "lowest_latency"]
CALLS = 20_000


def firsts(
    tier: list[Deployment],
    balance: Balance = "weighted",
    key: bytes | None = None,
    in_flight: dict[str, int] | None = None,
    latency_s: dict[str, float] | None = None,
) -> dict[str, float]:
    """Which share of the calls each deployment gets."""
    chance = random.Random(5).random
    loads = {one.name: DeploymentState(one.provider) for one in tier}
    for name, state in loads.items():
        state.in_flight = (in_flight or {}).get(name, 0)
        state.latency_s = (latency_s or {}).get(name)
    counts = Counter(ordered(tier, loads, balance, key, chance)[0].name for _ in range(CALLS))
    return {name: count / CALLS for name, count in counts.items()}


A, B, SPARE = deployment("a/m", weight=3), deployment("b/m"), deployment("c/m", weight=0)


def test_weights_are_shares_and_a_spare_is_last() -> None:
    assert firsts([SPARE, A, B]) == {"a/m": pytest.approx(0.75, abs=0.02), "b/m": pytest.approx(0.25, abs=0.02)}
    loads = {one.name: DeploymentState(one.provider) for one in (SPARE, A, B)}
    assert ordered([SPARE, A, B], loads, "weighted", None, random.Random(5).random)[-1] is SPARE


@pytest.mark.parametrize(
    ("in_flight", "first"),
    [({"a/m": 4, "b/m": 1}, "b/m"), ({"a/m": 2, "b/m": 1}, "a/m")],
    ids=["busy", "for its weight"],
)
def test_the_least_busy_for_its_weight_is_first(in_flight: dict[str, int], first: str) -> None:
    assert firsts([A, B], "least_busy", in_flight=in_flight) == {first: 1.0}


def test_the_fastest_is_first_but_others_are_measured_again() -> None:
    shares = firsts([deployment("a/m"), deployment("b/m")], "lowest_latency", latency_s={"a/m": 0.9, "b/m": 0.3})
    assert shares == {"b/m": pytest.approx(0.975, abs=0.01), "a/m": pytest.approx(0.025, abs=0.01)}
    assert firsts([A, B], "lowest_latency", latency_s={"a/m": 0.9})["b/m"] > 0.9  # nobody knows it yet


def test_calls_that_begin_alike_go_to_the_same() -> None:
    assert list(firsts([A, B], key=b"one prompt").values()) == [1.0]


def test_keys_are_shared_out_by_weight_and_few_move_when_one_goes() -> None:
    tier = [deployment("a/m"), deployment("b/m"), deployment("c/m", weight=2)]
    loads: dict[str, Any] = {one.name: DeploymentState(one.provider) for one in tier}
    keys = [str(number).encode() for number in range(8000)]

    def first(tier: list[Deployment], key: bytes) -> str:
        return ordered(tier, loads, "weighted", key, lambda: 0.5)[0].name

    before = {key: first(tier, key) for key in keys}
    counts = Counter(before.values())
    assert counts["c/m"] / len(keys) == pytest.approx(0.5, abs=0.03)
    after = {key: first(tier[1:], key) for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != "a/m")


def test_a_cache_is_not_worth_a_crowd() -> None:
    favourite = next(iter(firsts([A, B], key=b"one prompt")))
    crowd = {favourite: AFFINITY_CALLS_AHEAD + 1}
    assert favourite not in firsts([A, B], key=b"one prompt", in_flight=crowd)


def test_only_what_a_provider_would_keep_names_a_cache() -> None:
    def body(text: str, last: str = "") -> bytes:
        return f'{{"model":"m","messages":[{{"role":"system","content":"{text}"}},"{last}"]}}'.encode()

    long = "x" * AFFINITY_BYTES
    assert affinity_key("p", "m", body("short")) is None
    assert affinity_key("p", "m", body(long, "one")) == affinity_key("p", "m", body(long, "two"))
    keys = {affinity_key("p", "m", body(long)), affinity_key("q", "m", body(long)), affinity_key("p", "n", body(long))}
    assert len(keys) == 3
    assert affinity_key("p", "m", body("y" + long)) not in keys


def test_a_pool_is_used_by_weight_and_the_limited_come_last() -> None:
    one, two, off = Credential("1", "one", weight=3), Credential("2", "two"), Credential("3", "off", disabled=True)
    chance = random.Random(5).random
    limited = {"1": -1e9, "2": -1e9}

    def first() -> str:
        found = pooled([one, two, off], lambda each: limited[each.id], 1000.0, chance)
        assert off not in found
        return found[0].id

    counts = Counter(first() for _ in range(CALLS))
    assert counts["1"] / CALLS == pytest.approx(0.75, abs=0.02)
    limited = {"1": 1000.0 - LIMITED_S + 1, "2": -1e9}
    assert {first() for _ in range(50)} == {"2"}
    limited = {"1": 990.0, "2": 980.0}
    assert {first() for _ in range(50)} == {"2"}  # its limit is longer ago


def test_who_is_drawn_is_drawn_by_weight() -> None:
    chance = random.Random(5).random
    counts = Counter(drawn([SPARE, A, B], chance()).name for _ in range(CALLS))
    assert set(counts) == {"a/m", "b/m"}
    assert counts["a/m"] / CALLS == pytest.approx(0.75, abs=0.02)
    assert drawn([SPARE], 0.5) is SPARE
