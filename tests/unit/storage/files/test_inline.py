"""A file that a call names by our id is put into its body; others' ids are left for who may know them."""

import asyncio
import base64
import json
from typing import Any

import pytest

from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.storage.files import inline
from waystation.storage.files.inline import Inliner
from waystation.storage.files.model import StoredFile, no_such_file
from waystation.terms import Dialect, Operation
from waystation.wire.chat import read_chat
from waystation.wire.responses import read_response

OURS, GONE = "file-" + "a" * 32, "file-" + "b" * 32
DATA = "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode()


class Shelf:
    async def content(self, project_id: str, file_id: str, bytes_max: int) -> tuple[StoredFile, bytes]:
        if (project_id, file_id) != ("proj_1", OURS):
            raise no_such_file(file_id)
        return StoredFile(OURS, "proj_1", "user_data", "a.pdf", 4, b"", "processed", None, "p", 1, None), b"%PDF"


def put(body: dict[str, Any]) -> Call:
    raw = json.dumps(body).encode()
    of_chat = "messages" in body
    request, dialect = (read_chat(raw), Dialect.OPENAI) if of_chat else (read_response(raw), Dialect.RESPONSES)
    call = Call(Operation.CHAT, "req_1", raw, request, None, {}, "", 0, dialect)
    asyncio.run(Inliner(Shelf()).put_in(call, "proj_1"))
    return call


def chat(file_id: str) -> dict[str, Any]:
    part = {"type": "file", "file": {"file_id": file_id}}
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, part]}]}


def response(kind: str, file_id: str) -> dict[str, Any]:
    part = {"type": kind, "file_id": file_id}
    return {"model": "m", "input": [{"role": "user", "content": [part]}], "metadata": {"a": "b"}}


def test_a_chats_file_is_put_in() -> None:
    call = put(chat(OURS))
    [_, part] = json.loads(call.body)["messages"][0]["content"]
    assert part == {"type": "file", "file": {"file_data": DATA, "filename": "a.pdf"}}
    assert call.request.messages[0].content[1].file.file_data == DATA


def test_a_responses_files_are_put_in() -> None:
    call = put(response("input_file", OURS))
    part = {"type": "input_file", "file_data": DATA, "filename": "a.pdf"}
    assert json.loads(call.body)["input"][0]["content"] == call.request.input[0]["content"] == [part]
    assert call.request.metadata == {"a": "b"}
    [image] = put(response("input_image", OURS)).request.input[0]["content"]
    assert image == {"type": "input_image", "image_url": DATA}


def test_an_id_that_a_provider_may_know_is_left_alone() -> None:
    body = chat("file-6F2ksmvXxt4VdoqmHRw6kL")
    assert json.loads(put(body).body) == body


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ApiError, match="No such File object"):
        put(chat(GONE))


def test_files_of_a_request_have_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "INLINE_BYTES_MAX", 3)
    with pytest.raises(ApiError, match="3 bytes together"):
        put(chat(OURS))
