"""JSON Schemas as grammars that llama.cpp enforces, proved to be in force before an answer relies on them.

Where a schema can't be made a grammar, llama.cpp logs that and writes freely. So each new schema is tried once with a
bias that only a grammar can overrule.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from waystation.engine.upstream import Upstream
from waystation.errors import InvalidRequest

PROVED_MAX = 512
# Never the beginning of a JSON text, so a model that is made to want it writes it only when no grammar holds it back.
BAIT = "Z"
BAIT_BIAS = 100
_COMPLETION_FOR_BAIT = {"prompt": "x", "n_predict": 1, "temperature": 0, "cache_prompt": False, "lora": []}

# Only llguidance reads this, llama.cpp's other grammar passes over it. Spaces are bounded: small models love them.
_PRETTY = {"lenient": True, "coerce_one_of": True, "whitespace_flexible": True, "whitespace_pattern": r"[\x20\n]{0,16}"}
_COMPACT = {
    "lenient": True,
    "coerce_one_of": True,
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}

NUMBER_MOST = 999_999_999_999_999
"""A number without a bound of its own ends here: small models write zeros until their limit, and the JSON is never whole."""

ANY_OBJECT: dict[str, Any] = {"type": "object"}
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def for_answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for an answer that a person may read: spaces as the model likes them."""
    return {**_with_bounded_numbers(schema), "x-guidance": _PRETTY}


def for_arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for a tool's arguments, spaced as models were trained to write them."""
    return {**_with_bounded_numbers(schema), "x-guidance": _COMPACT}


def _with_bounded_numbers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with a range for each number that has none."""
    bounded: dict[str, Any] = {key: value if key in _VALUES else _bounded(value) for key, value in schema.items()}
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if ("integer" in kinds or "number" in kinds) and not schema.keys() & _SAYS_WHICH_NUMBERS:
        bounded |= {"minimum": -NUMBER_MOST, "maximum": NUMBER_MOST}
    return bounded


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return _with_bounded_numbers(value)
    return [_bounded(each) for each in value] if isinstance(value, list) else value


_VALUES = {"const", "enum", "default", "examples"}  # what is in there is no schema
_SAYS_WHICH_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const"}


def asked_schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema that a chat's response_format asks for, or None."""
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_object":
        return ANY_OBJECT
    if wanted.get("type") == "json_schema":
        return wanted["json_schema"].get("schema") or ANY_OBJECT
    return None


class Schemas:
    """Which schemas one child is known to enforce."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._proved: OrderedDict[bytes, bool] = OrderedDict()
        self._bait: int | None = None

    async def enforced(self, schema: Mapping[str, Any]) -> bool:
        """Whether the child writes by this schema. One short question for a schema that is new."""
        key = hashlib.sha256(msgspec.json.encode(schema)).digest()
        known = self._proved.get(key)
        if known is None:
            known = self._proved[key] = await self._try(schema)
            if len(self._proved) > PROVED_MAX:
                self._proved.popitem(last=False)
        return known

    async def require(self, schema: Mapping[str, Any], what: str, param: str) -> None:
        """Raise InvalidRequest unless the schema is enforced: an answer that only may follow it is worth nothing."""
        if not await self.enforced(schema):
            raise InvalidRequest(
                f"Invalid schema for {what}: the local model can't follow it. Patterns with look-around, references "
                "that lead nowhere and demands that nothing meets are not supported.",
                param=param,
            )

    async def _try(self, schema: Mapping[str, Any]) -> bool:
        if self._bait is None:
            answer = await self._upstream.json("/tokenize", {"content": BAIT})
            self._bait = answer["tokens"][0]
        asked = {**_COMPLETION_FOR_BAIT, "logit_bias": [[self._bait, BAIT_BIAS]], "json_schema": schema}
        try:
            answer = await self._upstream.json("/completion", {**asked, "response_fields": ["content"]})
        except InvalidRequest:
            return False
        return not str(answer.get("content", "")).startswith(BAIT)
