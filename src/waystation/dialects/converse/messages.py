"""The turns of an Ask as Converse's `messages` and `system`."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.dialects.ask import Ask, Audio, Document, Image, Part, Reasoning, Refusal, Text, ToolResult, ToolUse
from waystation.dialects.converse.family import Family, Maker
from waystation.dialects.gemini.signatures import own as gemini_signature
from waystation.dialects.mapping import Notes
from waystation.dialects.media import media_type

CACHE_POINT: dict[str, Any] = {"cachePoint": {"type": "default"}}

_IMAGES = {"image/gif": "gif", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/png": "png", "image/webp": "webp"}
_DOCUMENTS = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_AUDIO = frozenset(("aac", "flac", "m4a", "mp3", "mp4", "mpeg", "ogg", "opus", "pcm", "wav", "webm"))

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9\s()\[\]-]+")
_SPACES = re.compile(r"\s{2,}")


def takes_url(url: str) -> bool:
    """Whether the API reads this URL itself: in S3. Others are fetched for it."""
    return url.startswith("s3://")


def messages(ask: Ask, kin: Family, notes: Notes) -> dict[str, Any]:
    """`messages`, and `system` where there is any. Raises Unsupported for what the API can't take.

    Roles take turns there, so consecutive turns of one role become one message.
    """
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    names: set[str] = set()
    for turn in ask.turns:
        blocks = _blocks(turn.parts, kin, notes, names)
        if turn.role in ("system", "developer"):
            system += [block for block in blocks if "text" in block or "cachePoint" in block]
        elif blocks:
            role = "assistant" if turn.role == "assistant" else "user"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
    if not turns:
        return {"messages": [{"role": "user", "content": system}]}  # it wants at least one message
    return {"messages": turns, "system": system} if system else {"messages": turns}


def _blocks(parts: Sequence[Part], kin: Family, notes: Notes, names: set[str]) -> list[dict[str, Any]]:
    blocks = []
    for part in parts:
        blocks += _block(part, kin, notes, names)
        if isinstance(part, Text) and part.cache and kin.caches_on_request and blocks:
            blocks.append(CACHE_POINT)
    return blocks


def _block(part: Part, kin: Family, notes: Notes, names: set[str]) -> list[dict[str, Any]]:
    match part:
        case Text() | Refusal():
            return [{"text": part.text}] if part.text.strip() else []  # it refuses empty ones
        case Image():
            return [_image(part, notes)]
        case Document():
            return [_document(part, notes, names)]
        case Audio():
            if part.format not in _AUDIO:
                raise notes.refusal("turns", "This model does not take audio of this format.")
            return [{"audio": {"format": part.format, "source": {"bytes": part.data}}}]
        case Reasoning():
            return _reasoning(part, kin)
        case ToolUse():
            use = {"toolUseId": id_of(part.id), "name": part.name, "input": _arguments(part.arguments)}
            return [{"toolUse": use}]
        case ToolResult():
            return [_result(part, kin, notes, names)]


def _source(file: Image | Document, notes: Notes) -> dict[str, Any]:
    if file.data is not None:
        return {"bytes": file.data}
    if file.url is None or not takes_url(file.url):
        raise notes.refusal("turns", "This model takes files by their content, not by this reference.")
    return {"s3Location": {"uri": file.url}}


def _image(image: Image, notes: Notes) -> dict[str, Any]:
    kind = _IMAGES.get(media_type(image) or f"image/{(image.url or '').rpartition('.')[2].lower()}")
    if kind is None:
        raise notes.refusal("turns", "This model takes images in PNG, JPEG, GIF and WebP, with their media type.")
    if image.detail not in (None, "auto"):
        notes.ignore("detail")
    return {"image": {"format": kind, "source": _source(image, notes)}}


def _document(file: Document, notes: Notes, names: set[str]) -> dict[str, Any]:
    kind = _DOCUMENTS.get(media_type(file) or "")
    if kind is None:
        raise notes.refusal("turns", "This model takes documents as PDF, Word, Excel, CSV, HTML, Markdown or text.")
    return {"document": {"format": kind, "name": _name(file.name, names), "source": _source(file, notes)}}


def _name(given: str | None, names: set[str]) -> str:
    """A document's name: of few kinds of characters, and no other one's in this request."""
    plain = _SPACES.sub(" ", _NOT_IN_A_NAME.sub(" ", (given or "").rpartition(".")[0] or given or "")).strip()[:180]
    name, count = plain or "document", 1
    while name in names:
        count += 1
        name = f"{plain or 'document'} {count}"
    names.add(name)
    return name


def _reasoning(part: Reasoning, kin: Family) -> list[dict[str, Any]]:
    if kin.maker is not Maker.CLAUDE:
        return []
    if part.redacted is not None:
        return [{"reasoningContent": {"redactedContent": part.redacted}}]
    if part.signature is None or gemini_signature(part.signature) is not None:
        return []
    return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}]


def id_of(call_id: str) -> str:
    """A call's id as it may be there; the same for the call and its result, wherever the id was made."""
    return call_id if _ID.fullmatch(call_id) else f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def _arguments(text: str) -> Any:
    """They must be an object; what another model made of them may be none."""
    try:
        arguments = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        arguments = text
    return arguments if isinstance(arguments, dict) else {"input": arguments}


def _result(result: ToolResult, kin: Family, notes: Notes, names: set[str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "toolUseId": id_of(result.call_id),
        "content": [block for part in result.parts for block in _block(part, kin, notes, names)],
    }
    if result.is_error and kin.maker in (Maker.CLAUDE, Maker.NOVA):
        made["status"] = "error"
    return {"toolResult": made}
