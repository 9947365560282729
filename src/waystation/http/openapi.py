"""Our own OpenAPI document, made of the structs that requests are read into, so that it can't promise something else.

Plain data in, plain data out: serving it is the business of the routes.
"""

from typing import Any

import msgspec

from waystation.http.access import ACCESS, Access
from waystation.http.v1.control import ORGANIZATION, Query, Resource
from waystation.http.v1.table import RESOURCES
from waystation.storage.files.model import PURPOSES
from waystation.wire.answers import ChatCompletion, ChatCompletionChunk, Completion, EmbeddingList, ErrorBody
from waystation.wire.anthropic import CountRequest, MessagesRequest
from waystation.wire.anthropic_answers import AnthropicErrorBody, MessageAnswer, MessageEvent, MessageTokensCount
from waystation.wire.chat import ChatRequest
from waystation.wire.compaction import CompactBody, CompactedResponse
from waystation.wire.completions import CompletionRequest
from waystation.wire.embeddings import EmbeddingsRequest
from waystation.wire.estimate import EstimateRequest, Estimation
from waystation.wire.files import FileObject, UploadPartObject
from waystation.wire.kept_responses import ResponseEvent, ResponseObject
from waystation.wire.models import ModelList, ModelObject
from waystation.wire.moderations import ModerationAnswer, ModerationRequest
from waystation.wire.responses import ResponsesRequest
from waystation.wire.tokenize import Tokenization, TokenizeRequest

_STRUCTS = (
    *dict.fromkeys(each for resource in RESOURCES for each in (resource.request, resource.answer) if each is not None),
    ChatRequest,
    CompletionRequest,
    EmbeddingsRequest,
    ModerationRequest,
    ResponsesRequest,
    ResponseObject,
    ResponseEvent,
    CompactBody,
    CompactedResponse,
    MessagesRequest,
    CountRequest,
    TokenizeRequest,
    EstimateRequest,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    EmbeddingList,
    ModerationAnswer,
    MessageAnswer,
    MessageEvent,
    MessageTokensCount,
    AnthropicErrorBody,
    ModelObject,
    ModelList,
    UploadPartObject,
    Tokenization,
    Estimation,
    ErrorBody,
)
_TAGS = (
    "Chat",
    "Completions",
    "Embeddings",
    "Moderations",
    "Responses",
    "Messages",
    "Models",
    "Waystation",
    "Server",
    "Administration",
)
_REF = "#/components/schemas/{name}"
# What any call can meet on its way, in the order of `errors.py`. 413, 415, 431 and 408 come from the door.
_CALL_ERRORS = {
    400: "The request is malformed, or a parameter is of a wrong type or range; `param` names it.",
    401: "The key is missing, malformed, wrong or revoked.",
    403: "The key may not do this.",
    404: "There is no such model.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "The body is encoded in a way that is not supported.",
    429: "A rate limit or a budget is reached, or the engine's queue is full; `retry-after-ms` says when to try again.",
    500: "The server made a mistake.",
    502: "The provider failed.",
    503: "The model is loading or the server is draining; `retry-after` says when to try again.",
    504: "The provider took too long.",
}
_CONTROL_ERRORS = {
    400: _CALL_ERRORS[400],
    401: _CALL_ERRORS[401],
    403: "This needs an admin key, or one of the organization that runs this server.",
    404: "There is no such object in this organization.",
    413: _CALL_ERRORS[413],
    429: "This is being done already; `retry-after-ms` says when to try again.",
    500: _CALL_ERRORS[500],
    503: "The database can't be used; `retry-after` says when to try again.",
}
_WHO = {
    Access.PROJECT: "For keys of a project; it sees what is its project's.",
    Access.KEY: "For any key.",
    Access.ADMIN: "For admin keys.",
    Access.OPERATOR: "For the operator: the first organization's admin keys.",
}
_READ_ERRORS = {code: _CALL_ERRORS[code] for code in (401, 403, 404, 500, 503)}


def document(version: str, server_url: str) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1. `server_url` is the origin without `/v1`."""
    _, schemas = msgspec.json.schema_components(_STRUCTS, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Waystation",
            "version": version,
            "description": "An OpenAI-compatible gateway with a model of its own.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server_url}],
        "security": [{"ApiKeyAuth": []}],
        "tags": [{"name": tag} for tag in _TAGS],
        "paths": _joined(_calls(), _models(), _server(), _with_files(_control())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "ApiKeyAuth": {"type": "http", "scheme": "bearer"},
                "AdminApiKeyAuth": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _calls() -> dict[str, Any]:
    return {
        "/v1/chat/completions": {
            "post": _operation(
                "createChatCompletion", "Chat", "Answer a chat.", ChatRequest, ChatCompletion, ChatCompletionChunk
            )
        },
        "/v1/completions": {
            "post": _operation(
                "createCompletion", "Completions", "Complete a prompt.", CompletionRequest, Completion, Completion
            )
        },
        "/v1/embeddings": {
            "post": _operation("createEmbedding", "Embeddings", "Embed texts.", EmbeddingsRequest, EmbeddingList)
        },
        "/v1/moderations": {
            "post": _operation(
                "createModeration", "Moderations", "Say what is harmful in texts.", ModerationRequest, ModerationAnswer
            )
        },
        "/v1/responses": {
            "post": _operation(
                "createResponse",
                "Responses",
                "Answer in the Responses API.",
                ResponsesRequest,
                ResponseObject,
                ResponseEvent,
            )
        },
        "/v1/responses/compact": {
            "post": _operation(
                "Compactconversation", "Responses", "Make a conversation short.", CompactBody, CompactedResponse
            )
        },
        "/v1/messages": {
            "post": _in_anthropics_form(
                _operation(
                    "createMessage", "Messages", "Answer a chat, in Anthropic's form.", MessagesRequest, MessageAnswer
                ),
                MessageEvent,
            )
        },
        "/v1/messages/count_tokens": {
            "post": _in_anthropics_form(
                _operation(
                    "countMessageTokens",
                    "Messages",
                    "Count the tokens of a request for a message.",
                    CountRequest,
                    MessageTokensCount,
                )
            )
        },
        "/v1/waystation/tokenize": {
            "post": _operation(
                "createTokenization", "Waystation", "Count a text's tokens.", TokenizeRequest, Tokenization
            )
        },
        "/v1/waystation/estimate": {
            "post": _operation(
                "createEstimate",
                "Waystation",
                "Say what a call may cost this key, before it is made.",
                EstimateRequest,
                Estimation,
            )
        },
    }


def _models() -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Its name."}
    return {
        "/v1/models": {"get": _reading("listModels", "The models that this key may use.", ModelList)},
        "/v1/models/{model}": {
            "get": _reading("retrieveModel", "One model.", ModelObject) | {"parameters": [name]},
        },
    }


def _server() -> dict[str, Any]:
    """What needs no key."""
    anything = {"schema": {"type": "object"}}
    text = {"schema": {"type": "string"}}
    return {
        "/health": _open("getHealth", "Whether the process lives.", {200: "It does."}, "application/json", anything),
        "/ready": _open(
            "getReady",
            "Whether calls can be answered: the database and a model are there.",
            {200: "They can.", 503: "Not now; the body says what is missing."},
            "application/json",
            anything,
        ),
        "/metrics": _open(
            "getMetrics",
            "Figures in Prometheus' format.",
            {200: "The figures.", 401: "From another machine they need a token."},
            "text/plain",
            text,
        ),
        "/version": _open("getVersion", "The version that runs.", {200: "It."}, "application/json", anything),
        "/openapi.json": _open("getOpenapi", "This document.", {200: "It."}, "application/json", anything),
    }


def _joined(*parts: dict[str, Any]) -> dict[str, Any]:
    """A path may be in several: a call, and what is kept of its answers."""
    paths: dict[str, Any] = {}
    for part in parts:
        for path, operations in part.items():
            paths.setdefault(path, {}).update(operations)
    return paths


def _control() -> dict[str, Any]:
    """The control plane, as its table has it."""
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        paths.setdefault(f"/v1{resource.documented}", {})[resource.method.lower()] = _resource(resource)
    return paths


def _with_files(paths: dict[str, Any]) -> dict[str, Any]:
    """What of files is a stream (`http/files.py`)."""
    binary = {"type": "string", "format": "binary"}
    expiry = {"type": "object", "properties": {"anchor": {"const": "created_at"}, "seconds": {"type": "integer"}}}
    file = {"file": binary, "purpose": {"type": "string", "enum": list(PURPOSES)}, "expires_after": expiry}
    create = _streamed("createFile", "Keep a file.", {"application/json": {"schema": _ref(FileObject)}})
    part = _streamed(
        "addUploadPart", "Add a part.", {"application/json": {"schema": _ref(UploadPartObject)}}, "upload_id"
    )
    create["requestBody"] = _form(file, ["file", "purpose"])
    part["requestBody"] = _form({"data": binary}, ["data"])
    paths["/v1/files"]["post"] = create
    paths["/v1/uploads/{upload_id}/parts"] = {"post": part}
    content = {"application/octet-stream": {"schema": binary}}
    paths["/v1/files/{file_id}/content"] = {"get": _streamed("downloadFile", "A file's content.", content, "file_id")}
    return paths


def _streamed(name: str, summary: str, content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["Administration"],
        "summary": summary,
        "description": _WHO[Access.PROJECT],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": "Its id."}
            for name in names
        ],
        "responses": {"200": {"description": "The answer.", "content": content}} | _errors(_CALL_ERRORS),
    }


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _resource(resource: Resource) -> dict[str, Any]:
    access = ACCESS[f"{resource.method} {resource.path}"]
    names = [part[1:-1] for part in resource.documented.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": "Its id."}
        for name in names
    ] + [_query(each) for each in (*resource.query, *(() if access is Access.PROJECT else (ORGANIZATION,)))]
    operation: dict[str, Any] = {
        "operationId": resource.name,
        "tags": ["Administration"],
        "summary": resource.says,
        "description": _WHO[access],
        "parameters": parameters,
    }
    if access not in (Access.KEY, Access.PROJECT):  # else as the whole document has it
        operation["security"] = [{"AdminApiKeyAuth": []}]
    if resource.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(resource.request)}},
        }
    content: dict[str, Any] = {"application/json": {"schema": _ref(resource.answer)}}
    content |= {media_type: {"schema": {"type": "string"}} for media_type in resource.media_types}
    operation["responses"] = {"200": {"description": "The answer.", "content": content}} | _errors(_CONTROL_ERRORS)
    return operation


def _query(query: Query) -> dict[str, Any]:
    return {"name": query.name, "in": "query", "schema": query.schema, "description": query.says}


def _operation(
    name: str, tag: str, summary: str, request: type, answer: type, event: type | None = None
) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(answer)}}
    if event is not None:
        content["text/event-stream"] = {
            "schema": {
                "type": "string",
                "description": f"Server-sent events, each with a {event.__name__}, then `data: [DONE]`.",
                "contentMediaType": "text/event-stream",
            }
        }
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(request)}}},
        "responses": {"200": {"description": "The answer.", "content": content}} | _errors(_CALL_ERRORS),
    }


def _in_anthropics_form(operation: dict[str, Any], event: type | None = None) -> dict[str, Any]:
    """An operation whose errors, events and statuses are Anthropic's: 402 for money, 529 for 503."""
    answers = operation["responses"]
    answers["402"] = {"description": "Credit or budget can't cover the most that this call may cost."}
    answers["529"] = answers.pop("503")
    for status, answer in answers.items():
        if status != "200":
            answer["content"] = {"application/json": {"schema": _ref(AnthropicErrorBody)}}
    if event is not None:
        answers["200"]["content"]["text/event-stream"] = {
            "schema": {
                "type": "string",
                "description": f"Server-sent events, each with a {event.__name__}, `message_stop` last.",
                "contentMediaType": "text/event-stream",
            }
        }
    return operation


def _reading(name: str, summary: str, answer: type) -> dict[str, Any]:
    found = {"200": {"description": summary, "content": {"application/json": {"schema": _ref(answer)}}}}
    return {"operationId": name, "tags": ["Models"], "summary": summary, "responses": found | _errors(_READ_ERRORS)}


def _open(name: str, summary: str, answers: dict[int, str], media: str, content: dict[str, Any]) -> dict[str, Any]:
    responses = {str(status): {"description": says, "content": {media: content}} for status, says in answers.items()}
    if 401 in answers:
        responses["401"] = _error(answers[401])
    return {
        "get": {
            "operationId": name,
            "tags": ["Server"],
            "summary": summary,
            "security": [],
            "responses": responses,
        }
    }


def _errors(codes: dict[int, str]) -> dict[str, Any]:
    return {str(status): _error(says) for status, says in codes.items()}


def _error(says: str) -> dict[str, Any]:
    return {"description": says, "content": {"application/json": {"schema": _ref(ErrorBody)}}}


def _ref(struct: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=struct.__name__)}
