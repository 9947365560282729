"""What OpenAI asks of a JSON Schema that is to be followed strictly, and how it says that one is not.

Only the rules that make a schema strict; whether the engine can follow every keyword is the engine's business.
Source: OpenAI's guide to structured outputs and its answers.
"""

from collections.abc import Iterator
from typing import Any

from waystation.errors import InvalidRequest

_NOT_PERMITTED = ("allOf", "oneOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else")
_ALL_REQUIRED = "'required' is required to be supplied and to be an array including every key in properties."


def refuse_other_than_object(schema: dict[str, Any], what: str, param: str, code: str | None) -> None:
    """The root of parameters and of strict formats is an object. An empty schema takes anything and is let pass."""
    kind = schema.get("type")
    if schema and kind != "object":
        raise InvalidRequest(
            f"""Invalid schema for {what}: schema must be a JSON Schema of 'type: "object"', got 'type: "{kind}"'.""",
            param=param,
            code=code,
        )


def refuse_loose_schema(schema: dict[str, Any], what: str, param: str, code: str | None) -> None:
    """Raise InvalidRequest for the first place where more, or less, than the schema's properties would be allowed.

    The schema comes from a body whose depth is bounded, so walking it by recursion is safe.
    """
    for context, fault in _faults(schema, ()):
        raise InvalidRequest(f"Invalid schema for {what}: In context={context}, {fault}", param=param, code=code)


def _faults(schema: Any, context: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(schema, dict):
        return
    for keyword in _NOT_PERMITTED:
        if keyword in schema:
            yield context, f"'{keyword}' is not permitted."
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        for fault in _object_faults(schema):
            yield context, fault
    for keyword in ("properties", "$defs", "definitions"):
        members = schema.get(keyword)
        if isinstance(members, dict):
            for name, member in members.items():
                yield from _faults(member, (*context, keyword, name))
    yield from _faults(schema.get("items"), (*context, "items"))
    options = schema.get("anyOf")
    if isinstance(options, list):
        for index, option in enumerate(options):
            yield from _faults(option, (*context, "anyOf", str(index)))


def _object_faults(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    properties = schema.get("properties")
    names = list(properties) if isinstance(properties, dict) else []
    required = schema.get("required", [] if not names else None)
    missing = names if not isinstance(required, list) else [name for name in names if name not in required]
    if missing:
        yield f"{_ALL_REQUIRED} Missing '{missing[0]}'."
    for name in required if isinstance(required, list) else ():
        if name not in names:
            yield f"{_ALL_REQUIRED} Extra required key '{name}' supplied."
