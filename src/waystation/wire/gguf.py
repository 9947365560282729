"""The head of a GGUF file as plain data: what a model is, how large its cache grows, which tokens it knows.

Reads the metadata only, with the standard library; the tensors are left to llama.cpp.
Source: the GGUF specification, versions 2 and 3.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

HEAD_ENTRIES_MAX = 4096  # a real file has some dozens: more means that the file is not what it says
ARRAY_ITEMS_MAX = 4_000_000

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class NotGguf(ValueError):
    """The file is no GGUF file, or a damaged one."""


def read_head(path: Path) -> dict[str, Any]:
    """The metadata of a GGUF file, by key. Strings in arrays stay bytes. Raises NotGguf, OSError."""
    with path.open("rb") as file:
        try:
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file
            raise NotGguf(f"{path}: {error}") from error
        with view:
            try:
                return _read(view)
            except (struct.error, UnicodeDecodeError, IndexError, NotGguf) as error:
                raise NotGguf(f"{path} is not a GGUF file: {error}") from error


def kv_bytes_per_token(head: dict[str, Any]) -> int:
    """How much cache one token of context takes with 16-bit keys and values; 0 where the head does not say."""
    kind = head.get("general.architecture", "")
    layers, heads, width = (
        head.get(f"{kind}.{key}") for key in ("block_count", "attention.head_count", "embedding_length")
    )
    if not (isinstance(layers, int) and isinstance(heads, int) and isinstance(width, int) and heads):
        return 0
    groups = head.get(f"{kind}.attention.head_count_kv", heads)
    key = head.get(f"{kind}.attention.key_length", width // heads)
    value = head.get(f"{kind}.attention.value_length", width // heads)
    if not (isinstance(groups, int) and isinstance(key, int) and isinstance(value, int)):
        return 0
    return 2 * layers * groups * (key + value)


def _read(view: mmap.mmap) -> dict[str, Any]:
    if view[:4] != b"GGUF":
        raise NotGguf("it does not begin with GGUF")
    version, _tensors, entries = struct.unpack_from("<IQQ", view, 4)
    if version not in (2, 3) or entries > HEAD_ENTRIES_MAX:
        raise NotGguf(f"version {version} with {entries} entries")
    head: dict[str, Any] = {}
    at = 24
    for _ in range(entries):
        key, at = _bytes(view, at)
        (kind,) = struct.unpack_from("<I", view, at)
        head[key.decode()], at = _value(view, at + 4, kind)
    return head


def _value(view: mmap.mmap, at: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        text, at = _bytes(view, at)
        return text.decode(), at
    if kind == _ARRAY:
        return _array(view, at)
    if kind not in _SCALARS:
        raise NotGguf(f"a value of type {kind}")
    form = _SCALARS[kind]
    return struct.unpack_from(form, view, at)[0], at + struct.calcsize(form)


def _array(view: mmap.mmap, at: int) -> tuple[list[Any], int]:
    kind, count = struct.unpack_from("<IQ", view, at)
    at += 12
    if count > ARRAY_ITEMS_MAX:
        raise NotGguf(f"an array of {count} items")
    if kind in _SCALARS:
        form = f"<{count}{_SCALARS[kind][1]}"
        return list(struct.unpack_from(form, view, at)), at + struct.calcsize(form)
    if kind != _STRING:
        raise NotGguf(f"an array of type {kind}")
    items = []
    length = struct.Struct("<Q").unpack_from  # a vocabulary has hundreds of thousands: no call more than needed
    for _ in range(count):
        end = at + 8 + length(view, at)[0]
        items.append(view[at + 8 : end])
        at = end
    return items, at


def _bytes(view: mmap.mmap, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<Q", view, at)
    if length > len(view):
        raise NotGguf("a string longer than the file")
    return view[at + 8 : at + 8 + length], at + 8 + length
