"""Make openai-spec-reduced.json: the schemas that our contract needs, out of OpenAI's whole description.

    python tests/contract/reduce_spec.py ../shared/openai-openapi/openapi.json

OpenAPI 3.0's `nullable`, which the description still has here and there, is turned into JSON Schema on the way, and `oneOf`
into `anyOf`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

ROOTS = (
    "CreateChatCompletionRequest",
    "CreateChatCompletionResponse",
    "CreateChatCompletionStreamResponse",
    "CreateCompletionRequest",
    "CreateCompletionResponse",
    "CreateEmbeddingRequest",
    "CreateEmbeddingResponse",
    "CreateModerationRequest",
    "CreateModerationResponse",
    "ListModelsResponse",
    "Model",
    "ErrorResponse",
    "Project",
    "ProjectListResponse",
    "ProjectApiKey",
    "ProjectApiKeyListResponse",
    "ProjectApiKeyDeleteResponse",
    "ProjectRateLimit",
    "ProjectRateLimitListResponse",
    "UsageResponse",
    "CreateResponse",
    "Response",
    "ResponseStreamEvent",
    "OpenAIFile",
    "ListFilesResponse",
    "DeleteFileResponse",
    "Upload",
    "UploadPart",
)
# Of the operations under these every answer is checked, whole or by events, by the description of the operation itself.
ANSWERS = (
    "chat",
    "completions",
    "embeddings",
    "models",
    "moderations",
    "files",
    "uploads",
    "responses",
    "conversations",
)
REDUCED = Path(__file__).with_name("openai-spec-reduced.json")
EXAMPLE_PATHS = ("/chat/completions", "/completions", "/embeddings", "/moderations", "/models", "/models/{model}")
# Nothing that is checked depends on these, and they are most of the description's bytes.
_DROPPED = frozenset({"description", "example", "x-oaiMeta", "x-stainless-const", "x-oaiTypeLabel", "x-oaiExpandable"})


def reduce(spec: dict[str, Any]) -> dict[str, Any]:
    """The schemas under ROOTS with all that they refer to, as JSON Schema 2020-12, the labels of all operations,
    and the examples of some."""
    schemas = spec["components"]["schemas"]
    kept: dict[str, Any] = {}
    told = answers(spec)
    todo = list(dict.fromkeys([*ROOTS, *(name for each in told.values() for name in each.values())]))
    while todo:
        name = todo.pop()
        if name not in kept:
            kept[name] = clean(schemas[name])
            todo += sorted(references(kept[name]))
    return {
        "source": {"title": spec["info"]["title"], "version": spec["info"]["version"], "openapi": spec["openapi"]},
        "operations": sorted(f"{method.upper()} {path}" for path, each in spec["paths"].items() for method in each),
        "answers": dict(sorted(told.items())),
        "examples": {path: examples(spec, path) for path in EXAMPLE_PATHS},
        "components": {"schemas": dict(sorted(kept.items()))},
    }


def answers(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each operation under ANSWERS answers, as names of schemas by media type: `{"POST /responses": {…: "Response"}}`."""
    found: dict[str, dict[str, str]] = {}
    for path, operations in spec["paths"].items():
        if path.split("/")[1] not in ANSWERS or "?" in path:
            continue
        for method, operation in operations.items():
            content = operation["responses"].get("200", {}).get("content", {})
            named = {
                media: told["schema"]["$ref"].rsplit("/", 1)[1]
                for media, told in content.items()
                if "$ref" in told["schema"]
            }
            found[f"{method.upper()} {path}"] = named
    return found


def examples(spec: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """The requests of the route's curl lines and the answers shown for them, where both are plain JSON."""
    found = []
    for operation in spec["paths"][path].values():
        shown = operation.get("x-oaiMeta", {}).get("examples", [])
        for example in shown if isinstance(shown, list) else [shown]:
            curl = example.get("request", {}).get("curl", "")
            if operation["operationId"].startswith("create") and "-d '" in curl:
                body = curl.split("-d '", 1)[1].rsplit("'", 1)[0]
                found.append(
                    {"title": example.get("title", path), "request": json.loads(body), "response": example["response"]}
                )
    return found


def clean(schema: Any, of_names: bool = False) -> Any:
    """Without texts, and with `nullable` as a choice of null. `of_names`: the keys are names that someone chose."""
    if isinstance(schema, list):
        return [clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        # Its variants overlap (an item of a conversation is often an item of several kinds), so one of them is enough.
        ("anyOf" if key == "oneOf" and not of_names else key): clean(
            value, of_names=key in ("properties", "mapping") and not of_names
        )
        for key, value in schema.items()
        if of_names or (key not in _DROPPED and key != "nullable")
    }
    if schema.get("nullable") is True and not of_names:
        return {"anyOf": [kept, {"type": "null"}]}
    return kept


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].rsplit("/", 1)[1]} if isinstance(schema.get("$ref"), str) else set()
    return here.union(*map(references, schema.values()))


if __name__ == "__main__":
    source = Path(sys.argv[1])
    reduced = reduce(json.loads(source.read_text()))
    reduced["source"]["sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    REDUCED.write_text(json.dumps(reduced, indent=1, ensure_ascii=False) + "\n")
    print(f"{REDUCED.name}: {len(reduced['components']['schemas'])} schemas, {REDUCED.stat().st_size} bytes")
