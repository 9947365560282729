"""Files that callers name by URL, brought for providers that take only their content.

Who fetches, and what may be reached, is decided elsewhere (`runtime/egress.py`): a URL of a caller's leads anywhere.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from waystation.dialects.ask import Ask, Document, Image, Part, ToolResult, Turn
from waystation.errors import InvalidRequest, Unsupported

URLS_MAX = 20
"""Of one request."""
BYTES_MAX = 64 * 1024 * 1024
"""Of all files of one request together."""


class Fetch(Protocol):
    async def __call__(self, url: str) -> tuple[str, bytes]:
        """The media type and the bytes of what is at a caller's URL. Raises InvalidRequest when that can't be had."""
        ...


async def brought(ask: Ask, fetch: Fetch | None, takes_url: Callable[[str], bool]) -> Ask:
    """The same Ask, with the content of its files instead of URLs that the provider does not take.

    Each URL is fetched once. Raises InvalidRequest as `fetch` does and when it is too much, Unsupported without a `fetch`.
    """
    urls = dict.fromkeys(url for turn in ask.turns for part in turn.parts for url in _urls(part) if not takes_url(url))
    if not urls:
        return ask
    if fetch is None:
        raise Unsupported("This model takes files by their content, not by URL.", param="messages")
    if len(urls) > URLS_MAX:
        raise InvalidRequest(f"A request to this model may name {URLS_MAX} files by URL.", param="messages")
    files: dict[str, tuple[str, str]] = {}
    size = 0
    for url in urls:
        media_type, data = await fetch(url)
        size += len(data)
        if size > BYTES_MAX:
            raise InvalidRequest(f"The files of a request may have {BYTES_MAX} bytes together.", param="messages")
        files[url] = media_type, base64.b64encode(data).decode("ascii")
    return replace(ask, turns=tuple(_filled_turn(turn, files) for turn in ask.turns))


def _urls(part: Part) -> list[str]:
    if isinstance(part, ToolResult):
        return [url for each in part.parts for url in _urls(each)]
    if isinstance(part, Image | Document) and part.data is None and part.url is not None:
        return [part.url]
    return []


def _filled_turn(turn: Turn, files: Mapping[str, tuple[str, str]]) -> Turn:
    return replace(turn, parts=tuple(_filled(part, files) for part in turn.parts))


def _filled(part: Part, files: Mapping[str, tuple[str, str]]) -> Part:
    if isinstance(part, ToolResult):
        return replace(part, parts=tuple(_filled(each, files) for each in part.parts))
    if isinstance(part, Image | Document) and part.data is None and (part.url or "") in files:
        media_type, data = files[part.url or ""]
        return replace(part, url=None, data=data, media_type=media_type or part.media_type)
    return part
