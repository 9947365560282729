"""What of a streamed response is whole and what is open, as far as it is needed to end it properly before its own end."""

from typing import Any

import msgspec

from waystation.providers.openai.responses_echo import event

KEPT_BYTES_MAX = 16 * 1024 * 1024
"""Of items that are whole; what comes after is missing in the response that a cut stream ends with."""

_decode = msgspec.json.decode
_DONE = {"output_text": "response.output_text.done", "refusal": "response.refusal.done"}


class _Open:
    """An item that has begun."""

    __slots__ = ("item", "parts")

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item
        self.parts: dict[int, tuple[str, list[str]]] = {}  # by content_index: its kind, and its text so far


class Items:
    """Of one stream."""

    __slots__ = ("_kept_bytes", "_open", "_whole")

    def __init__(self) -> None:
        self._whole: dict[int, Any] = {}
        self._open: dict[int, _Open] = {}
        self._kept_bytes = 0

    def begins(self, index: int, item: Any) -> None:
        self._open[index] = _Open(item if isinstance(item, dict) else {})

    def grows(self, index: int, part: int, kind: str, text: str) -> None:
        """`kind`: "output_text", "refusal", or the name of the item's member that the text belongs to."""
        if (item := self._open.get(index)) is not None:
            item.parts.setdefault(part, (kind, []))[1].append(text)

    def ends(self, index: int, raw: bytes) -> None:
        self._open.pop(index, None)
        self._kept_bytes += len(raw)
        if self._kept_bytes <= KEPT_BYTES_MAX:
            self._whole[index] = msgspec.Raw(raw)

    def close(self, number: int) -> tuple[bytes, int]:
        """The events that end what is open, numbered from `number`; and the next number."""
        events = b""
        for index, item in sorted(self._open.items()):
            for members in _endings(index, item):
                events += event(members["type"], members | {"sequence_number": number})
                number += 1
            self._whole[index] = item.item
        self._open.clear()
        return events, number

    @property
    def output(self) -> list[Any]:
        return [item for _, item in sorted(self._whole.items())]


def _endings(index: int, open_item: _Open) -> list[dict[str, Any]]:
    """The events that end one item where it is; the item becomes what they say."""
    item, found = open_item.item, []
    item["status"] = "incomplete"
    for at, (kind, texts) in sorted(open_item.parts.items()):
        text = "".join(texts)
        if kind not in _DONE:
            item[kind] = text
            continue
        is_text = kind == "output_text"
        part = {"type": kind, "text": text, "annotations": []} if is_text else {"type": kind, "refusal": text}
        where = {"item_id": item.get("id", ""), "output_index": index, "content_index": at}
        said = {"text": text, "logprobs": []} if is_text else {"refusal": text}
        found.append({"type": _DONE[kind], **where, **said})
        found.append({"type": "response.content_part.done", **where, "part": part})
        content = item.get("content")
        item["content"] = [*(content if isinstance(content, list) else ()), part]
    found.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return found
