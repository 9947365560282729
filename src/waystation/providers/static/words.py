"""In which language and with which words a caller is told that nobody answers. Pure."""

from waystation.dialects.ask import Ask, Text
from waystation.terms import Static

DEFAULT = Static(
    en="Sorry, {model} can't answer at the moment: none of its providers can be reached. Nothing was charged. Please ask "
    "again in a few minutes. If it goes on, give your administrator this number: {request_id}",
    zh="抱歉，{model} 暂时无法回答：目前联系不上它的任何供应商。本次不收费。请过几分钟再试；"
    "如果一直如此，请把这个编号告诉管理员：{request_id}",
)
"""What is said in a language for which the route's words are empty."""

_HEADER_BYTES_MAX = 1_000
_RANGES_MAX = 20
_HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))


def words_of(static: Static, language: str, model: str, request_id: str) -> str:
    """The reply, with the names that it speaks of put in. Braces that mean nothing stay as they are."""
    text = (static.zh or DEFAULT.zh) if language == "zh" else (static.en or DEFAULT.en)
    # In one pass over the template: a model may be called "{request_id}".
    return model.join(part.replace("{request_id}", request_id) for part in text.split("{model}"))


def language_of(accept_language: bytes | None, said: str) -> str:
    """Chinese ("zh") or English ("en"): the one that the header prefers; without a preference, the one that was spoken.

    Source: RFC 9110, 12.5.4. Most clients send nothing, or "*".
    """
    return _preferred(accept_language) or ("zh" if has_han(said) else "en")


def _preferred(header: bytes | None) -> str | None:
    best, best_quality = None, 0.0
    for number, each in enumerate((header or b"")[:_HEADER_BYTES_MAX].split(b",")):
        if number == _RANGES_MAX:
            break
        tag, _, parameter = each.strip().lower().partition(b";")
        language = tag.strip().partition(b"-")[0].decode("latin-1")
        quality = _quality(parameter)
        if language in ("zh", "en") and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameter: bytes) -> float:
    name, _, value = parameter.strip().partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0


def has_han(text: str) -> bool:
    """Whether there is a Chinese character in it."""
    return not text.isascii() and any(low <= ord(letter) <= high for letter in text for low, high in _HAN)


def last_said(ask: Ask) -> str:
    """What the caller's user said last."""
    for turn in reversed(ask.turns):
        texts = [part.text for part in turn.parts if type(part) is Text]
        if turn.role == "user" and texts:  # a turn of results of tools says nothing in anybody's language
            return "\n".join(texts)
    return ask.prompt or ""


def wants_words(ask: Ask) -> bool:
    """Whether a sentence is an answer to this at all: who reads JSON or calls of tools is better told an error."""
    return ask.format is None and (ask.tool_choice is None or ask.tool_choice.mode in ("auto", "none"))
