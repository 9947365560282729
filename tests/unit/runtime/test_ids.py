"""Ids: of one form, never twice, in the order of time."""

import re

from waystation.runtime.ids import Ids


def test_ids_have_their_prefix_and_32_hex_digits() -> None:
    assert re.fullmatch(r"req_[0-9a-f]{32}", Ids().request_id())
    assert re.fullmatch(r"key_[0-9a-f]{32}", Ids().new("key_"))


def test_ids_never_meet_twice_across_batches() -> None:
    ids = Ids()
    made = [ids.request_id() for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert len({id_[12:] for id_ in made}) == len(made), "the part of chance alone tells them apart"


def test_ids_sort_by_time() -> None:
    now = [1_750_000_000.0]
    ids = Ids(lambda: now[0])
    first = ids.request_id()
    now[0] += 1
    assert first < ids.request_id()


def test_no_random_bytes_are_used_twice() -> None:
    given = iter([bytes([number]) * 4096 for number in range(3)])
    ids = Ids(random=lambda _size: next(given))
    parts = [ids.new("")[8:] for _ in range(700)]
    assert parts.count("00" * 12) == 341
    assert parts.count("01" * 12) == 341
