"""How long an answer is kept, what a caller may ask for, and which answers are worth it."""

import msgspec
import pytest

from tests.unit.providers.cache.cache_stand import CALLER, MODEL, USED, call, routed
from waystation.providers.cache.memory import Memory
from waystation.providers.cache.model import (
    PIECES_MAX,
    Kept,
    Lifetime,
    Wish,
    is_worth_keeping,
    joined,
    lifetime,
    wish_of,
)
from waystation.terms import Caller, Done, Model, Rung

OFF = Caller("key_1", "proj_1", "org-1")


@pytest.mark.parametrize(
    ("caller", "model", "then"),
    [
        (OFF, MODEL, Lifetime(0, 0)),
        (CALLER, MODEL, Lifetime(60, 0)),
        (CALLER, routed(), Lifetime(60, 0)),
        (CALLER, routed(cache=True, cache_s=300, stale_s=10), Lifetime(60, 10)),  # the project's own word
        (OFF, routed(cache=True, cache_s=300), Lifetime(300, 0)),
        (OFF, routed(cache_s=300), Lifetime(0, 0)),
        (OFF, routed(stale_s=900), Lifetime(0, 900)),  # only for when all else fails
        (None, routed(stale_s=900), Lifetime(0, 900)),
    ],
)
def test_how_long(caller: Caller | None, model: Model, then: Lifetime) -> None:
    assert lifetime(caller, model) == then


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        (None, Wish()),
        (b"", Wish()),
        (b"max-age=60", Wish(age_s_max=60)),
        (b'Max-Age="60"', Wish(age_s_max=60)),
        (b"no-cache", Wish(look=False)),
        (b"No-Cache, max-age=60", Wish(look=False, age_s_max=60)),
        (b"max-age=0", Wish(look=False, age_s_max=0)),
        (b"max-age=soon", Wish(look=False, age_s_max=0)),
        (b"max-age=" + b"9" * 9_000, Wish(age_s_max=9_999_999_999)),
        (b"no-store", Wish(look=False, keep=False)),
        (b"private , no-store", Wish(look=False, keep=False)),
        (b"no-storelike, xno-cache", Wish()),
    ],
)
def test_what_a_caller_may_say(said: bytes | None, wish: Wish) -> None:
    assert wish_of({} if said is None else {b"cache-control": said}) == wish


@pytest.mark.parametrize("rung", list(Rung))
def test_only_the_models_own_answers_are_kept(rung: Rung) -> None:
    made = call()
    made.rung = rung
    own = {Rung.PRIMARY, Rung.CREDENTIAL, Rung.DEPLOYMENT, Rung.PROVIDER}
    assert is_worth_keeping(made, Done(b"{}", USED)) == (rung in own)
    made.served = MODEL
    assert not is_worth_keeping(made, Done(b"{}", USED))


def test_what_was_made_shorter_by_a_budget_is_not_kept() -> None:
    cut, clamped, unmetered = call(), call(), call()
    cut.cut, clamped.output_tokens_max = True, 100
    assert not is_worth_keeping(cut, Done(b"{}", USED))
    assert not is_worth_keeping(clamped, Done(b"{}", USED))
    assert not is_worth_keeping(unmetered, Done(b"{}", None))


@pytest.mark.parametrize("count", [1, 2, PIECES_MAX, PIECES_MAX + 1, 10_000])
def test_a_stream_has_a_bounded_number_of_pieces_and_all_its_bytes(count: int) -> None:
    pieces = [b"%d\n" % number for number in range(count)]
    together = joined(pieces)
    assert b"".join(together) == b"".join(pieces)
    assert min(count, PIECES_MAX // 2) <= len(together) <= PIECES_MAX


def kept(number: int, size_bytes: int = 1_000, expires_at: int = 100, project_id: str = "proj_1") -> Kept:
    return Kept(
        digest=b"%d" % number,
        project_id=project_id,
        model="small",
        pieces=(b"x" * size_bytes,),
        usage=USED,
        created_at=0,
        fresh_until=expires_at,
        expires_at=expires_at,
    )


def test_memory_has_a_bound_and_lets_go_of_what_was_used_longest_ago() -> None:
    each = kept(0).size_bytes
    memory = Memory(3 * each)
    for number in range(3):
        memory.put(kept(number))
    assert memory.get(b"0") is not None
    memory.put(kept(3))
    assert [memory.get(b"%d" % number) is not None for number in range(4)] == [True, False, True, True]
    memory.put(kept(3, 500))
    assert memory.size_bytes == sum(found.size_bytes for number in range(4) if (found := memory.get(b"%d" % number)))
    memory.put(kept(4, 100_000))  # larger than all together
    assert (len(memory), memory.size_bytes) == (0, 0)


def test_memory_forgets_projects_and_what_has_expired() -> None:
    memory = Memory(10**6)
    for number in range(4):
        memory.put(kept(number, expires_at=10 * number, project_id=f"proj_{number % 2}"))
    assert memory.expire(10, 100) == 2
    assert memory.forget({"proj_1"}) == 1
    assert len(memory) == 1
    assert memory.size_bytes == kept(2).size_bytes


def test_a_lifetime_that_is_made_shorter_holds_for_what_is_kept() -> None:
    made = msgspec.structs.replace(kept(1), fresh_until=60, expires_at=90)
    assert Lifetime(60, 30).end_of(made, stale=False) == 60
    assert Lifetime(10, 30).end_of(made, stale=False) == 10
    assert Lifetime(10, 30).end_of(made, stale=True) == 40
    assert Lifetime(900, 900).end_of(made, stale=True) == 90
