"""Each operation that is served is asked for by the official SDK in a contract test, or named here as missing."""

import re
from pathlib import Path

from tests.contract.shapes import description
from waystation.http.operations import OPERATIONS, documented

# How the SDK asks for each, as it stands in a test.
CALLS = {
    "GET /chat/completions": "chat.completions.list",
    "POST /chat/completions": "chat.completions.create",
    "GET /chat/completions/{completion_id}": "chat.completions.retrieve",
    "POST /chat/completions/{completion_id}": "chat.completions.update",
    "DELETE /chat/completions/{completion_id}": "chat.completions.delete",
    "GET /chat/completions/{completion_id}/messages": "chat.completions.messages.list",
    "POST /completions": "client.completions.create",
    "POST /embeddings": "embeddings.create",
    "GET /models": "models.list",
    "GET /models/{model}": "models.retrieve",
    "DELETE /models/{model}": "models.delete",
    "POST /moderations": "moderations.create",
    "GET /files": "files.list",
    "POST /files": "files.create",
    "GET /files/{file_id}": "files.retrieve",
    "DELETE /files/{file_id}": "files.delete",
    "GET /files/{file_id}/content": "files.content",
    "POST /uploads": "uploads.create",
    "POST /uploads/{upload_id}/parts": "uploads.parts.create",
    "POST /uploads/{upload_id}/complete": "uploads.complete",
    "POST /uploads/{upload_id}/cancel": "uploads.cancel",
    "POST /responses": "responses.create",
    "GET /responses/{response_id}": "responses.retrieve",
    "DELETE /responses/{response_id}": "responses.delete",
    "POST /responses/{response_id}/cancel": "responses.cancel",
    "GET /responses/{response_id}/input_items": "responses.input_items.list",
    "POST /responses/input_tokens": "responses.input_tokens.count",
    "POST /responses/compact": "responses.compact",
    "POST /conversations": "conversations.create",
    "GET /conversations/{conversation_id}": "conversations.retrieve",
    "POST /conversations/{conversation_id}": "conversations.update",
    "DELETE /conversations/{conversation_id}": "conversations.delete",
    "POST /conversations/{conversation_id}/items": "conversations.items.create",
    "GET /conversations/{conversation_id}/items": "conversations.items.list",
    "GET /conversations/{conversation_id}/items/{item_id}": "conversations.items.retrieve",
    "DELETE /conversations/{conversation_id}/items/{item_id}": "conversations.items.delete",
}
# What is served and has no contract test so far. A line goes as soon as its test is there.
MISSING: frozenset[str] = frozenset()


def test_every_served_operation_is_asked_for_by_the_sdk() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    asked = {label for label, call in CALLS.items() if is_asked(call, tests)}
    served = {documented(operation.label) for operation in OPERATIONS if operation.is_served} & CALLS.keys()
    assert served - asked <= MISSING, "served, and in no contract test"
    assert not asked & MISSING, "in a contract test by now: the line can go"


def is_asked(call: str, tests: str) -> bool:
    """`create` has other names too, and a raw answer is the same exchange."""
    noun, _, verb = call.rpartition(".")
    verbs = "(create|stream|parse)" if verb == "create" else verb
    return re.search(rf"\b{re.escape(noun)}(\.with_\w+)?\.{verbs}\b", tests) is not None


def test_the_table_has_each_operation_whose_answers_are_checked() -> None:
    assert set(CALLS) == set(description()["answers"])
