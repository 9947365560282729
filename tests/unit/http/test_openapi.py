"""Our OpenAPI document is valid, complete, and says what the readers do."""

import json
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.contract.shapes import assert_shape, check_schema
from waystation.errors import InvalidRequest
from waystation.http.access import ACCESS, Access
from waystation.http.openapi import document
from waystation.http.v1.table import RESOURCES
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
from waystation.wire.anthropic import read_count, read_messages
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.estimate import read_estimate
from waystation.wire.moderations import read_moderation
from waystation.wire.read import Reader
from waystation.wire.tokenize import read_tokenize

DOCUMENT = document("0.1.0", "http://127.0.0.1:8080")
ROUTES = {
    "post /v1/chat/completions": "createChatCompletion",
    "post /v1/completions": "createCompletion",
    "post /v1/embeddings": "createEmbedding",
    "post /v1/moderations": "createModeration",
    "post /v1/responses": "createResponse",
    "post /v1/messages": "createMessage",
    "post /v1/messages/count_tokens": "countMessageTokens",
    "get /v1/models": "listModels",
    "get /v1/models/{model}": "retrieveModel",
    "post /v1/waystation/tokenize": "createTokenization",
    "post /v1/waystation/estimate": "createEstimate",
    "get /health": "getHealth",
    "get /ready": "getReady",
    "get /metrics": "getMetrics",
    "get /version": "getVersion",
    "get /openapi.json": "getOpenapi",
    # what is kept
    "get /v1/chat/completions": "listChatCompletions",
    "get /v1/chat/completions/{completion_id}": "getChatCompletion",
    "post /v1/chat/completions/{completion_id}": "updateChatCompletion",
    "delete /v1/chat/completions/{completion_id}": "deleteChatCompletion",
    "get /v1/chat/completions/{completion_id}/messages": "getChatCompletionMessages",
    # responses
    "get /v1/responses/{response_id}": "getResponse",
    "delete /v1/responses/{response_id}": "deleteResponse",
    "post /v1/responses/{response_id}/cancel": "cancelResponse",
    "get /v1/responses/{response_id}/input_items": "listInputItems",
    "post /v1/responses/input_tokens": "Getinputtokencounts",
    "post /v1/responses/compact": "Compactconversation",
    # conversations
    "post /v1/conversations": "createConversation",
    "get /v1/conversations/{conversation_id}": "getConversation",
    "post /v1/conversations/{conversation_id}": "updateConversation",
    "delete /v1/conversations/{conversation_id}": "deleteConversation",
    "get /v1/conversations/{conversation_id}/items": "listConversationItems",
    "post /v1/conversations/{conversation_id}/items": "createConversationItems",
    "get /v1/conversations/{conversation_id}/items/{item_id}": "getConversationItem",
    "delete /v1/conversations/{conversation_id}/items/{item_id}": "deleteConversationItem",
    # OpenAI's admin API, under OpenAI's names
    "get /v1/organization/projects": "list-projects",
    "post /v1/organization/projects": "create-project",
    "get /v1/organization/projects/{project_id}": "retrieve-project",
    "post /v1/organization/projects/{project_id}": "modify-project",
    "post /v1/organization/projects/{project_id}/archive": "archive-project",
    "get /v1/organization/projects/{project_id}/api_keys": "list-project-api-keys",
    "get /v1/organization/projects/{project_id}/api_keys/{key_id}": "retrieve-project-api-key",
    "delete /v1/organization/projects/{project_id}/api_keys/{key_id}": "delete-project-api-key",
    "get /v1/organization/projects/{project_id}/rate_limits": "list-project-rate-limits",
    "post /v1/organization/projects/{project_id}/rate_limits/{rate_limit_id}": "update-project-rate-limits",
    "get /v1/organization/usage/completions": "usage-completions",
    "get /v1/organization/usage/embeddings": "usage-embeddings",
    "get /v1/organization/usage/moderations": "usage-moderations",
    "get /v1/organization/costs": "usage-costs",
    # what it lacks
    "get /v1/waystation/projects/{project_id}": "retrieveProjectSettings",
    "post /v1/waystation/projects/{project_id}": "updateProjectSettings",
    "delete /v1/waystation/projects/{project_id}/kept_answers": "forgetKeptAnswers",
    "get /v1/waystation/keys": "listKeys",
    "post /v1/waystation/keys": "createKey",
    "get /v1/waystation/keys/{key_id}": "retrieveKey",
    "delete /v1/waystation/keys/{key_id}": "deleteKey",
    "get /v1/waystation/organization": "retrieveOrganization",
    "post /v1/waystation/organization": "updateOrganization",
    "get /v1/waystation/organizations": "listOrganizations",
    "post /v1/waystation/organizations": "createOrganization",
    "get /v1/waystation/budgets": "listBudgets",
    "post /v1/waystation/budgets": "createBudget",
    "get /v1/waystation/budgets/{budget_id}": "retrieveBudget",
    "post /v1/waystation/budgets/{budget_id}": "updateBudget",
    "delete /v1/waystation/budgets/{budget_id}": "deleteBudget",
    "get /v1/waystation/rate_limits": "listRateLimits",
    "post /v1/waystation/rate_limits": "setRateLimit",
    "get /v1/waystation/rate_limits/{rate_limit_id}": "retrieveRateLimit",
    "delete /v1/waystation/rate_limits/{rate_limit_id}": "deleteRateLimit",
    "get /v1/waystation/prices": "listPrices",
    "post /v1/waystation/prices": "createPrice",
    "get /v1/waystation/prices/effective": "retrieveEffectivePrice",
    "get /v1/waystation/exchange_rates": "listExchangeRates",
    "post /v1/waystation/exchange_rates": "createExchangeRate",
    "get /v1/waystation/credit": "retrieveCredit",
    "get /v1/waystation/credit/grants": "listGrants",
    "post /v1/waystation/credit/grants": "createGrant",
    "post /v1/waystation/credit/redeem": "redeemCode",
    "get /v1/waystation/credit/codes": "listCodes",
    "post /v1/waystation/credit/codes": "createCodes",
    "delete /v1/waystation/credit/codes/{code_id}": "deleteCode",
    "get /v1/waystation/usage": "retrieveUsage",
    "get /v1/waystation/requests/{request_id}": "retrieveRequest",
    "get /v1/waystation/invoices": "listInvoices",
    "get /v1/waystation/invoices/{invoice_id}": "retrieveInvoice",
    "get /v1/waystation/reratings": "listReratings",
    "post /v1/waystation/reratings": "createRerating",
    "get /v1/waystation/reratings/{rerating_id}": "retrieveRerating",
    "post /v1/waystation/ledger/verify": "verifyLedger",
    # where calls go
    "get /v1/waystation/providers": "listProviders",
    "post /v1/waystation/providers": "createProvider",
    "post /v1/waystation/providers/{provider}/test": "testProvider",
    "get /v1/waystation/providers/{provider}": "retrieveProvider",
    "post /v1/waystation/providers/{provider}": "updateProvider",
    "delete /v1/waystation/providers/{provider}": "deleteProvider",
    "get /v1/waystation/credentials": "listCredentials",
    "post /v1/waystation/credentials": "createCredential",
    "get /v1/waystation/credentials/{credential_id}": "retrieveCredential",
    "post /v1/waystation/credentials/{credential_id}": "updateCredential",
    "delete /v1/waystation/credentials/{credential_id}": "deleteCredential",
    "get /v1/waystation/deployments": "listDeployments",
    "post /v1/waystation/deployments": "createDeployment",
    "get /v1/waystation/deployments/{deployment_id}": "retrieveDeployment",
    "post /v1/waystation/deployments/{deployment_id}": "updateDeployment",
    "delete /v1/waystation/deployments/{deployment_id}": "deleteDeployment",
    "get /v1/waystation/routes": "listRoutes",
    "get /v1/waystation/routes/{route}": "retrieveRoute",
    "post /v1/waystation/routes/{route}": "setRoute",
    "delete /v1/waystation/routes/{route}": "deleteRoute",
    "get /v1/waystation/drills": "listDrills",
    "post /v1/waystation/drills": "startDrill",
    "delete /v1/waystation/drills/{drill_id}": "stopDrill",
    "get /v1/waystation/notices": "listNotices",
    "get /v1/waystation/health": "retrieveHealth",
    "get /v1/files": "listFiles",
    "post /v1/files": "createFile",
    "get /v1/files/{file_id}": "retrieveFile",
    "delete /v1/files/{file_id}": "deleteFile",
    "get /v1/files/{file_id}/content": "downloadFile",
    "post /v1/uploads": "createUpload",
    "post /v1/uploads/{upload_id}/parts": "addUploadPart",
    "post /v1/uploads/{upload_id}/complete": "completeUpload",
    "post /v1/uploads/{upload_id}/cancel": "cancelUpload",
}
READERS: dict[str, Any] = {
    "/v1/chat/completions": read_chat,
    "/v1/completions": read_completion,
    "/v1/embeddings": read_embeddings,
    "/v1/moderations": read_moderation,
    "/v1/messages": read_messages,
    "/v1/messages/count_tokens": read_count,
    "/v1/waystation/tokenize": read_tokenize,
    "/v1/waystation/estimate": read_estimate,
} | {f"/v1{each.documented}": Reader(each.request).read for each in RESOURCES if each.request is not None}


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


def test_the_document_says_which_key_each_url_needs() -> None:
    assert DOCUMENT["security"] == [{"ApiKeyAuth": []}]
    admins: Any = [{"AdminApiKeyAuth": []}]
    access = {label.replace(":path}", "}"): each for label, each in ACCESS.items()}
    needed = {Access.ADMIN: admins, Access.OPERATOR: admins, Access.CALL: None, Access.KEY: None, Access.PROJECT: None}
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            label = f"{method.upper()} {path.removeprefix('/v1')}"
            assert operation.get("security") == needed.get(access[label], []), label


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
