"""A JSON schema as Anthropic's structured outputs take it: objects are closed, and bounds are said in words.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations" (November 2026).
"""

from typing import Any

# Refused with a 400; what they ask for goes into the description, where the model reads it.
_BOUNDS = frozenset(
    (
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    )
)
_MAPS = frozenset(("properties", "$defs", "definitions"))
_LISTS = frozenset(("anyOf", "allOf", "oneOf", "prefixItems"))


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every object closed and without what is refused. Schemas here are at most 64 levels deep."""
    made: dict[str, Any] = {}
    bounds: list[str] = []
    for name, value in schema.items():
        if name in _BOUNDS or (name == "minItems" and value not in (0, 1)):
            bounds.append(f"{name}: {value}")
        elif name in _MAPS and isinstance(value, dict):
            made[name] = {key: _strict(each) for key, each in value.items()}
        elif name in _LISTS and isinstance(value, list):
            made["anyOf" if name == "oneOf" else name] = [_strict(each) for each in value]
        elif name == "items":
            made[name] = _strict(value)
        else:
            made[name] = value
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    if bounds:
        made["description"] = f"{made.get('description', '')} ({', '.join(bounds)})".strip()
    return made


def _strict(value: Any) -> Any:
    return strict_schema(value) if isinstance(value, dict) else value
