"""Hold a body against OpenAI's own description of it.

The description is the file that WAYSTATION_OPENAI_SPEC names, or `../shared/openai-openapi/openapi.json` beside the
repository, or the reduced copy beside this file.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.contract.reduce_spec import REDUCED, reduce

_REPOSITORY = Path(__file__).resolve().parents[2]
_BESIDE = _REPOSITORY.parent / "shared" / "openai-openapi" / "openapi.json"
_URI = "urn:openai-description"


def spec_path() -> Path:
    """Where the description is read from."""
    named = os.environ.get("WAYSTATION_OPENAI_SPEC")
    if named:
        return Path(named)
    return _BESIDE if _BESIDE.exists() else REDUCED


@cache
def description() -> dict[str, Any]:
    """The reduced description: schemas and examples."""
    read: dict[str, Any] = json.loads(spec_path().read_text())
    return reduce(read) if "info" in read else read  # the reduced copy has no info


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    resource = Resource.from_contents(description(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return jsonschema.Draft202012Validator({"$ref": f"{_URI}#/components/schemas/{schema}"}, registry=registry)


def complaints(schema: str, body: Any) -> list[str]:
    """What in the body is not as OpenAI describes `schema` (say "CreateCompletionResponse"); empty when all is well."""
    return [f"{error.json_path}: {error.message}" for error in _validator(schema).iter_errors(body)]


def check_schema(schema: Any) -> None:
    """Raise unless it is valid JSON Schema itself."""
    jsonschema.Draft202012Validator.check_schema(schema)


def assert_shape(schema: str, body: Any) -> None:
    found = complaints(schema, body)
    assert not found, f"not a {schema}: " + "; ".join(found[:5])
