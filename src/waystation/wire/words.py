"""The words for types and values in refusals, and the steps from a struct's type to the type of one of its places.

Types are read from the structs' own annotations, so that a sentence can't say anything else than what is checked.
"""

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

MISSING: Any = object()  # no value at that place
VALUE_CHARS_MAX = 100  # of what the caller sent, how much is said back

_NOUNS = {
    str: ("a", "string", "strings"),
    int: ("an", "integer", "integers"),
    float: ("a", "decimal", "decimals"),
    bool: ("a", "boolean", "booleans"),
    msgspec.Raw: ("an", "object", "objects"),
}
_GOT = {
    "null": "null",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a decimal number",
    "str": "a string",
    "array": "an array",
    "object": "an object",
}
_JSON_NAMES = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}


def got(value: Any) -> str:
    """What was sent, with its article: `a decimal number`."""
    return got_named(_JSON_NAMES.get(type(value), ""))


def got_named(name: str) -> str:
    """The same from msgspec's word for it."""
    return _GOT.get(name, "something else")


def shown(value: Any) -> str:
    """A value as it may be said back: short, and only plain values."""
    if isinstance(value, str):
        return value[:VALUE_CHARS_MAX]
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return f"{value}"[:VALUE_CHARS_MAX].removesuffix(".0")
    return "a value of another type"


def shortened(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:3]}...{text[-3:]}"


def listed(names: Sequence[str], last: str) -> str:
    """'a', 'b', and 'c': quoted, with a comma before the last of three or more, as OpenAI does."""
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 3:
        return f" {last} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {last} {quoted[-1]}"


def expected(hint: Any) -> str:
    """A type with its article: `an integer`, `one of a string or array of objects`."""
    for meta in _metas(hint):
        if meta.extra and "says" in meta.extra:
            return str(meta.extra["says"])
    seen: list[str] = []
    for option in _options(hint):
        says = _one(option)
        if says not in seen:
            seen.append(says)
    if len(seen) == 1:
        return seen[0]
    if seen and seen[0] == "an object" and _tag_choices(hint):
        return seen[0]
    bare = seen[:1] + [says.removeprefix("an ").removeprefix("a ") for says in seen[1:]]
    return f"one of {', '.join(bare[:-1])} or {bare[-1]}"


def choices(hint: Any) -> list[str]:
    """The values that an enumeration, or the tag of a union, takes."""
    found: list[str] = []
    for option in _options(hint):
        if get_origin(option) is Literal:
            found += [str(value) for value in get_args(option)]
    return found


def field(hint: Any, value: Any, name: str) -> Any:
    """The type of a struct's field, or the choice of tags where the field is the tag."""
    structs = [option for option in _options(hint) if _is_struct(option)]
    tag_field = structs[0].__struct_config__.tag_field if structs else None
    if name == tag_field:
        return Literal[tuple(struct.__struct_config__.tag for struct in structs)]
    tag = value.get(tag_field) if tag_field and isinstance(value, dict) else None
    for struct in structs:
        if tag_field is None or len(structs) == 1 or struct.__struct_config__.tag == tag:
            names = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
            return get_type_hints(struct, include_extras=True).get(names.get(name, name), Any)
    return Any


def item(hint: Any) -> Any:
    """The type of an array's items."""
    return next((get_args(option)[0] for option in _options(hint) if get_origin(option) is list), Any)


def mapping(hint: Any) -> tuple[Any, Any]:
    """The types of a map's keys and values."""
    for option in _options(hint):
        if get_origin(option) is dict:
            key, value = get_args(option)
            return key, value
    return Any, Any


def takes_key(hint: Any, key: str) -> bool:
    try:
        msgspec.convert(key, hint, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def is_integer(hint: Any) -> bool:
    return int in _options(hint)


def is_developer_content(hint: Any) -> bool:
    return any(meta.extra and meta.extra.get("developer") for meta in _metas(hint))


def _one(option: Any) -> str:
    if get_origin(option) is Literal:
        values = [str(value) for value in get_args(option)]
        return f"'{values[0]}'" if len(values) == 1 else f"one of {listed(values, 'or')}"
    if get_origin(option) is list:
        return f"an array of {_plural(get_args(option)[0])}"
    article, noun, _ = _NOUNS.get(option, ("an", "object", "objects"))
    return f"{article} {noun}"


def _plural(hint: Any) -> str:
    options = _options(hint)
    if get_origin(options[0]) is Literal:
        return "strings"
    if get_origin(options[0]) is list:
        return "arrays"
    plurals = {_NOUNS.get(option, ("an", "object", "objects"))[2] for option in options}
    return plurals.pop() if len(plurals) == 1 else "values"


def _tag_choices(hint: Any) -> bool:
    return all(_is_struct(option) for option in _options(hint))


def _is_struct(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, msgspec.Struct)


def _options(hint: Any) -> list[Any]:
    """The alternatives of a union without null and annotations, in the order written."""
    if get_origin(hint) is Annotated:
        return _options(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [option for part in get_args(hint) for option in _options(part)]
    return [] if hint is type(None) else [hint]


def _metas(hint: Any) -> list[msgspec.Meta]:
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        return [meta for meta in metas if isinstance(meta, msgspec.Meta)] + _metas(inner)
    if get_origin(hint) in (Union, types.UnionType):
        return [meta for part in get_args(hint) for meta in _metas(part)]
    return []
