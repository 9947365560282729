"""The turns of an Ask as Gemini's `contents` and `systemInstruction`."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.dialects.gemini.family import Family
from waystation.dialects.gemini.signatures import FOREIGN, own
from waystation.dialects.mapping import Notes
from waystation.dialects.media import media_type

_ITS_OWN_URL = re.compile(r"https://generativelanguage\.googleapis\.com/|gs://|https://(?:www\.)?youtube\.com/watch\?")
_FILE_NAME = re.compile(r"files/[a-z0-9-]{1,64}")
_FILES_URL = "https://generativelanguage.googleapis.com/v1beta/"
_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def takes_url(url: str) -> bool:
    """Whether the API reads this URL itself: its own files, Cloud Storage, YouTube. Others are fetched for it.

    It takes public URLs of other hosts as well, but not for every model, and only with a media type that we don't know.
    """
    return _ITS_OWN_URL.match(url) is not None


def contents(ask: Ask, kin: Family, notes: Notes) -> dict[str, Any]:
    """`contents`, and `systemInstruction` where there is one. Raises Unsupported for what the API can't take."""
    system = [{"text": text} for turn in ask.turns if turn.role in ("system", "developer") for text in _texts(turn)]
    turns: list[dict[str, Any]] = []
    for turn in ask.turns:
        if turn.role in ("system", "developer"):
            continue
        role = "model" if turn.role == "assistant" else "user"
        parts = [part for each in turn.parts for part in _parts(each, kin, notes)]
        if role == "model" and kin.has_levels:
            _sign_first_call(parts)
        if not parts:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts  # the results of parallel calls belong into one turn
        else:
            turns.append({"role": role, "parts": parts})
    if not turns:
        return {"contents": [{"role": "user", "parts": system}]}  # it wants at least one turn
    return {"contents": turns, "systemInstruction": {"parts": system}} if system else {"contents": turns}


def _texts(turn: Turn) -> Iterable[str]:
    return (part.text for part in turn.parts if isinstance(part, Text) and part.text)


def _parts(part: Part, kin: Family, notes: Notes) -> list[dict[str, Any]]:
    match part:
        case Text() | Refusal():
            return [{"text": part.text}] if part.text else []
        case Image() | Document():
            return [_file(part, kin, notes)]
        case Audio():
            return [{"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}]
        case Reasoning():
            signature = own(part.signature)
            return [] if signature is None else [{"text": "", "thoughtSignature": signature}]
        case ToolUse():
            return [_call(part)]
        case ToolResult():
            return _result(part, kin, notes)


def _file(part: Image | Document, kin: Family, notes: Notes) -> dict[str, Any]:
    if part.data is not None:
        kind = media_type(part)
        if kind is None:
            raise notes.refusal("turns", "Say the media type of each file, for instance in its data URL.")
        made: dict[str, Any] = {"inlineData": {"mimeType": kind, "data": part.data}}
    else:
        made = {"fileData": {"fileUri": _uri(part, notes)}}
        if part.media_type is not None:
            made["fileData"]["mimeType"] = part.media_type
    if isinstance(part, Image) and part.detail in _RESOLUTIONS:
        if kin.has_levels:
            made["mediaResolution"] = {"level": _RESOLUTIONS[part.detail]}
        else:
            notes.ignore("detail")
    return made


def _uri(part: Image | Document, notes: Notes) -> str:
    uri = part.url or (part.file_id if isinstance(part, Document) else None) or ""
    if _FILE_NAME.fullmatch(uri):
        return _FILES_URL + uri
    if not takes_url(uri):
        raise notes.refusal("turns", "This model takes files by their content, not by this reference.")
    return uri


def _call(use: ToolUse) -> dict[str, Any]:
    call = {"id": use.id, "name": use.name, "args": _arguments(use.arguments)}
    if not use.id:
        del call["id"]
    return (
        {"functionCall": call} if use.signature is None else {"functionCall": call, "thoughtSignature": use.signature}
    )


def _arguments(text: str) -> Any:
    """They must be an object; what another model made of them may be none."""
    try:
        arguments = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        arguments = text
    return arguments if isinstance(arguments, dict) else {"input": arguments}


def _sign_first_call(parts: list[dict[str, Any]]) -> None:
    """The first call of a step must be signed, and no other need be."""
    call = next((part for part in parts if "functionCall" in part), None)
    if call is not None and "thoughtSignature" not in call:
        call["thoughtSignature"] = FOREIGN


def _result(result: ToolResult, kin: Family, notes: Notes) -> list[dict[str, Any]]:
    """A tool's result. Files in it are parts of it from Gemini 3 on, and come after it before."""
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    files = [_file(part, kin, notes) for part in result.parts if not isinstance(part, Text)]
    response: dict[str, Any] = {
        "id": result.call_id,
        "name": result.name or result.call_id,
        "response": {"error" if result.is_error else "output": text},
    }
    if not result.call_id:
        del response["id"]
    if files and kin.has_levels:
        response["parts"] = files
        files = []
    return [{"functionResponse": response}, *files]
