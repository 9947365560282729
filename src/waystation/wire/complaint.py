"""Turn msgspec's refusal into the sentence, code and `param` that OpenAI answers with.

msgspec says what it expected and where (`$.messages[0].role`); the words also need the value that was sent and the type
at that place, so both are followed along the path. Only a refused request comes here.
Source of the sentences: OpenAI's own answers, as quoted in the trackers of its SDKs and of gateways.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.errors import InvalidRequest
from waystation.wire import words
from waystation.wire.words import MISSING

_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[([0-9]+)\]|\[(\.\.\.)\]")
_BOUND = re.compile(r"Expected `(\w+)` (>=|<=|>|<) (\S+)$")
_LENGTH = re.compile(r"Expected `(\w+)` of length (>=|<=) ([0-9]+)$")
_PATTERN = re.compile(r"Expected `str` matching regex (?s:'(.*)')$")
_MISSING_FIELD = re.compile(r"Object missing required field `([A-Za-z0-9_]+)`$")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?s:(.*))`$")
_GOT = re.compile(r"Expected `.*`, got `(\w+)`$")


def complaint(error: msgspec.ValidationError, data: Any, struct: type[msgspec.Struct]) -> InvalidRequest:
    """What OpenAI would say. `data` is the whole body as plain objects, or None where even that can't be had."""
    what, path, of_key = _split(str(error))
    place = _Place(struct, data, path)
    if of_key:
        return _bad_key(place, what)
    if missing := _MISSING_FIELD.match(what):
        return _missing(place, missing[1])
    if unknown := _UNKNOWN_FIELD.match(what):
        name = f"{place.param}.{unknown[1]}" if place.param else unknown[1]
        return unknown_parameter(name)
    if bound := _BOUND.match(what):
        return _out_of_bounds(place, bound[2], bound[3])
    if length := _LENGTH.match(what):
        return _wrong_length(place, length[1], length[2], int(length[3]))
    if pattern := _PATTERN.match(what):
        return place.refuse(
            f"Invalid '{place.param}': string does not match pattern. "
            f"Expected a string that matches the pattern '{pattern[1]}'.",
            "invalid_value",
        )
    if what.startswith(("Invalid enum value", "Invalid value")):
        return place.refuse(
            f"Invalid value: '{words.shown(place.value)}'. "
            f"Supported values are: {words.listed(words.choices(place.hint), 'and')}.",
            "invalid_value",
        )
    if "out of range" in what:
        return place.refuse(f"Invalid '{place.param}': number out of range.", "invalid_value")
    return _wrong_type(place, what)


class _Place:
    """Where in the body the fault is: the path in OpenAI's form, the value there and the type that belongs there."""

    def __init__(self, struct: type[msgspec.Struct], data: Any, path: str) -> None:
        self.param = ""
        self.hint: Any = struct
        self.value = data
        for name, index in _steps(path):
            if name is not None:
                self.param += f".{name}" if self.param else name
                self.hint = words.field(self.hint, self.value, name)
                self.value = self.value.get(name, MISSING) if isinstance(self.value, dict) else MISSING
            elif index is not None:
                self.param += f"[{index}]"
                self.hint = words.item(self.hint)
                within = isinstance(self.value, list) and index < len(self.value)
                self.value = self.value[index] if within else MISSING
            else:
                self._enter_map()

    def _enter_map(self) -> None:
        """msgspec doesn't say under which key: find the first value that the type refuses."""
        _, self.hint = words.mapping(self.hint)
        found: tuple[str, Any] = ("", MISSING)
        for key, value in self.value.items() if isinstance(self.value, dict) else ():
            try:
                msgspec.convert(value, self.hint)
            except msgspec.ValidationError:
                found = (key, value)
                break
        self.param += f".{words.shown(found[0])}" if found[0] else ""
        self.value = found[1]

    def refuse(self, message: str, code: str | None) -> InvalidRequest:
        return InvalidRequest(message, param=self.param or None, code=code)


def _steps(path: str) -> Iterator[tuple[str | None, int | None]]:
    for step in _STEP.finditer(path):
        yield step[1], int(step[2]) if step[2] else None


def _split(text: str) -> tuple[str, str, bool]:
    """The sentence, the path after `$`, and whether it is about a key of the map there.

    What the caller sent may be quoted in the sentence, so the path is looked for from the end.
    """
    head, found, tail = text.rpartition(" - at `")
    if not found or not tail.endswith("`"):
        return text, "", False
    if tail.startswith("key` in `$"):
        return head, tail.removeprefix("key` in `$")[:-1], True
    return head, tail.removeprefix("$")[:-1], False


def _missing(place: _Place, name: str) -> InvalidRequest:
    if not place.param and name == "model":
        return InvalidRequest("you must provide a model parameter")  # as OpenAI says it, without a param
    if name == "content" and _is_plain_message(place.hint, place.value):
        return null_content(place.param)
    param = f"{place.param}.{name}" if place.param else name
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unknown_parameter(name: str) -> InvalidRequest:
    """OpenAI's words for a parameter that it doesn't have."""
    name = name[: words.VALUE_CHARS_MAX]
    return InvalidRequest(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _is_plain_message(hint: Any, value: Any) -> bool:
    # A developer message is checked by another part of OpenAI's API, which has other words.
    return isinstance(value, dict) and "role" in value and value["role"] != "developer"


def null_content(message_param: str) -> InvalidRequest:
    """OpenAI's own words and form of path (`messages.[0].content`) for a message without content."""
    param = message_param.replace("[", ".[") + ".content"
    return InvalidRequest("Invalid value for 'content': expected a string, got null.", param=param)


def _bad_key(place: _Place, what: str) -> InvalidRequest:
    keys = place.value if isinstance(place.value, dict) else {}
    key_hint, _ = words.mapping(place.hint)
    key = next((key for key in keys if not words.takes_key(key_hint, key)), "")
    if length := _LENGTH.match(what):
        return InvalidRequest(
            f"Invalid property name in '{place.param}': '{words.shortened(key)}' is too long. "
            f"Expected a string with maximum length {length[3]}, but got a string with length {len(key)} instead.",
            param=f"{place.param}.{words.shown(key)}",
            code="property_name_above_max_length",
        )
    return place.refuse(
        f"Invalid key in '{place.param}': {words.shown(key)}. You should only be submitting non-negative integers.",
        None,
    )


def _out_of_bounds(place: _Place, sign: str, bound: str) -> InvalidRequest:
    kind = "integer" if words.is_integer(place.hint) else "decimal"
    above = sign in ("<=", "<")
    return place.refuse(
        f"Invalid '{place.param}': {kind} {'above maximum' if above else 'below minimum'} value. "
        f"Expected a value {sign} {bound.removesuffix('.0')}, but got {words.shown(place.value)} instead.",
        f"{kind}_{'above_max' if above else 'below_min'}_value",
    )


def _wrong_length(place: _Place, kind: str, sign: str, bound: int) -> InvalidRequest:
    size = len(place.value) if isinstance(place.value, str | list | dict) else 0
    if kind == "object":
        return place.refuse(
            f"Invalid '{place.param}': too many properties. Expected an object with at most {bound} properties, "
            f"but got an object with {size} properties instead.",
            "object_above_max_properties",
        )
    noun, article = ("array", "an") if kind == "array" else ("string", "a")
    if sign == ">=" and size == 0:
        return place.refuse(
            f"Invalid '{place.param}': empty {noun}. Expected {article} {noun} with minimum length {bound}, "
            f"but got an empty {noun} instead.",
            f"empty_{noun}",
        )
    fault, limit = ("too short", "minimum") if sign == ">=" else ("too long", "maximum")
    return place.refuse(
        f"Invalid '{place.param}': {noun} {fault}. Expected {article} {noun} with {limit} length {bound}, "
        f"but got {article} {noun} with length {size} instead.",
        f"{noun}_{'below_min' if sign == '>=' else 'above_max'}_length",
    )


def _wrong_type(place: _Place, what: str) -> InvalidRequest:
    found = _GOT.match(what)
    got = words.got(place.value) if place.value is not MISSING else words.got_named(found[1] if found else "")
    if not place.param:
        return InvalidRequest(
            f"Invalid type for the request body: expected an object, but got {got} instead.", code="invalid_type"
        )
    of_message = place.param.startswith("messages[") and place.param.endswith("].content")
    if of_message and place.value is None and not words.is_developer_content(place.hint):
        return null_content(place.param.removesuffix(".content"))
    return place.refuse(
        f"Invalid type for '{place.param}': expected {words.expected(place.hint)}, but got {got} instead.",
        "invalid_type",
    )
