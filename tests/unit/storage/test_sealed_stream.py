"""What is sealed piece by piece comes back the same however it is cut, and nothing else opens or passes for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.storage.sealed_stream import CHUNK_BYTES, TAG_BYTES, Damaged, Sealing, Unsealing

ROOT, OTHER = b"r" * 32, b"o" * 32


def sealed(content: bytes, root: bytes | None = ROOT, cut: int = 70_000) -> bytes:
    sealing = Sealing(root, "files/1")
    pieces = [sealing.feed(content[at : at + cut]) for at in range(0, len(content), cut)]
    return b"".join(pieces) + sealing.finish()


def opened(data: bytes, root: bytes | None = ROOT, belongs_to: str = "files/1", cut: int = 50_000) -> bytes:
    unsealing = Unsealing(root, belongs_to)
    pieces = [unsealing.feed(data[at : at + cut]) for at in range(0, len(data), cut)]
    return b"".join(pieces) + unsealing.finish()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("root", [ROOT, None], ids=["sealed", "plain"])
def test_what_goes_in_comes_out(size: int, root: bytes | None) -> None:
    content = bytes(at % 251 for at in range(size))
    assert opened(sealed(content, root), root) == content
    assert opened(sealed(content, None), ROOT) == content, "what was kept before there was a key stays readable"


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 40), st.integers(1, 40))
def test_however_it_is_cut(content: bytes, cut_in: int, cut_out: int) -> None:
    assert opened(sealed(content, cut=cut_in), cut=cut_out) == content


def test_nothing_else_opens_it() -> None:
    data = sealed(b"x" * (2 * CHUNK_BYTES + 5))
    chunk = CHUNK_BYTES + TAG_BYTES
    flipped = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    swapped = data[:17] + data[17 + chunk : 17 + 2 * chunk] + data[17 : 17 + chunk] + data[17 + 2 * chunk :]
    for bad in (flipped, swapped, data[:-1], data[: 17 + 2 * chunk], data[:17], data[:3], b"", data + b"more"):
        with pytest.raises(Damaged):
            opened(bad)
    for root, place in ((OTHER, "files/1"), (None, "files/1"), (ROOT, "files/2")):
        with pytest.raises(Damaged):
            opened(data, root, place)
