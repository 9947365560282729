"""Our OpenAPI document is valid, complete, and says what the readers do."""

import json
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.contract.shapes import assert_shape, check_schema
from waystation.errors import InvalidRequest
from waystation.http.openapi import document
from waystation.wire.answers import (
    ChatAnswerMessage,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatDelta,
    Completion,
    CompletionChoice,
    CompletionUsage,
    Embedding,
    EmbeddingList,
    EmbeddingUsage,
    ErrorBody,
    ErrorDetail,
)
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.tokenize import read_tokenize

DOCUMENT = document("0.1.0", "http://127.0.0.1:8080")
ROUTES = {
    "post /v1/chat/completions": "createChatCompletion",
    "post /v1/completions": "createCompletion",
    "post /v1/embeddings": "createEmbedding",
    "get /v1/models": "listModels",
    "get /v1/models/{model}": "retrieveModel",
    "post /v1/waystation/tokenize": "createTokenization",
    "get /health": "getHealth",
    "get /ready": "getReady",
    "get /metrics": "getMetrics",
    "get /version": "getVersion",
    "get /openapi.json": "getOpenapi",
}
READERS: dict[str, Any] = {
    "/v1/chat/completions": read_chat,
    "/v1/completions": read_completion,
    "/v1/embeddings": read_embeddings,
    "/v1/waystation/tokenize": read_tokenize,
}


def test_the_document_has_every_route_under_openais_name() -> None:
    found = {
        f"{method} {path}": operation["operationId"]
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }
    assert found == ROUTES


def test_the_document_is_valid_openapi_and_json() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.validate()
    assert len(list(schema.get_all_operations())) == len(ROUTES)


def test_every_schema_is_valid_and_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        check_schema(schema)
    text = json.dumps(DOCUMENT)
    for name in {part.split('"', 1)[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas


def test_calls_need_a_key_and_the_servers_own_pages_do_not() -> None:
    assert DOCUMENT["security"] == [{"ApiKeyAuth": []}]
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            assert ("security" in operation) is not path.startswith("/v1/")


def test_version_and_server_are_the_callers() -> None:
    made = document("9.9", "https://example.org")
    assert (made["info"]["version"], made["servers"]) == ("9.9", [{"url": "https://example.org"}])


@pytest.mark.parametrize("path", READERS)
def test_what_the_document_allows_is_of_a_right_type_and_range(path: str) -> None:
    """Generated bodies may break a rule between parameters, but never one that the document could have said."""
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path]["POST"]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=PHASES)
    @given(operation.as_strategy())
    def try_one(case: Any) -> None:
        body = json.dumps(case.body).encode()
        assert not is_type_or_range(complaint_about(READERS[path], body)), body

    try_one()


PHASES = (Phase.generate,)
CODES = ("invalid_type", "integer_below_min_value", "integer_above_max_value", "decimal_above_max_value")


def complaint_about(read: Any, body: bytes) -> InvalidRequest | None:
    try:
        read(body)
    except InvalidRequest as error:
        return error
    return None


def is_type_or_range(error: InvalidRequest | None) -> bool:
    """Whether the document could have said so. It can't say that arrays are of one kind, nor that 1.0 is no integer."""
    if error is None or error.code not in CODES:
        return False
    of_items = error.param is not None and error.param.startswith(("input[", "prompt["))
    return not of_items and "expected an integer, but got a decimal number" not in error.message


def plain(struct: msgspec.Struct) -> Any:
    return json.loads(msgspec.json.encode(struct))


def test_our_answers_have_openais_shapes() -> None:
    usage = CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    message = ChatAnswerMessage(content="Hi", refusal=None)
    choice = ChatChoice(index=0, message=message, logprobs=None, finish_reason="stop")
    chat = ChatCompletion(id="chatcmpl-1", created=1, model="m", choices=[choice], usage=usage)
    assert_shape("CreateChatCompletionResponse", plain(chat))
    delta = ChatChunkChoice(index=0, delta=ChatDelta(content="H"), finish_reason=None)
    for choices, counted in (([delta], None), ([], usage)):
        chunk = ChatCompletionChunk(id="chatcmpl-1", created=1, model="m", choices=choices, usage=counted)
        assert_shape("CreateChatCompletionStreamResponse", plain(chunk))
    text = CompletionChoice(index=0, text="Hi", logprobs=None, finish_reason="length")
    assert_shape("CreateCompletionResponse", plain(Completion(id="cmpl-1", created=1, model="m", choices=[text])))
    vectors = EmbeddingList(
        model="m", data=[Embedding(index=0, embedding=[0.5])], usage=EmbeddingUsage(prompt_tokens=1, total_tokens=1)
    )
    assert_shape("CreateEmbeddingResponse", plain(vectors))
    error = ErrorBody(error=ErrorDetail(message="No.", type="invalid_request_error", param=None, code=None))
    assert_shape("ErrorResponse", plain(error))
