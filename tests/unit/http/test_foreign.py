"""What is another project's answers exactly as what never was: in every operation on what is kept, and in every reference to it."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.unit.http.control_stand import Said, Stand
from tests.unit.http.test_conversations import other_projects_key, said
from tests.unit.http.test_kept_responses import answering
from tests.unit.http.test_stored_completions import said as chat
from tests.unit.http.test_stored_completions import whole
from waystation.http.access import ACCESS, Access

# Every operation on an object of a project, but those that make or list them.
OPERATIONS = [label for label, access in ACCESS.items() if access is Access.PROJECT and "{" in label]
BODIES: dict[str, Any] = {
    "POST /conversations/{conversation_id}": {"metadata": {}},
    "POST /conversations/{conversation_id}/items": {"items": [said("x")]},
    "POST /chat/completions/{completion_id}": {"metadata": {}},
    "POST /uploads/{upload_id}/complete": {"part_ids": []},
}
QUERIES = ("", "?stream=true", "?stream=true&starting_after=0", "?include=nonsense_is_not_read_first")


class Ids(NamedTuple):
    """One of each kind of object."""

    response_id: str
    conversation_id: str
    item_id: str
    completion_id: str
    file_id: str
    upload_id: str
    said_id: str  # an item of the response's output
    part_id: str


NEVER = Ids(
    "resp_" + "0" * 32,
    "conv_" + "0" * 32,
    "msg_" + "0" * 32,
    "chatcmpl-" + "0" * 32,
    "file-" + "0" * 32,
    "upload_" + "0" * 32,
    "msg_" + "1" * 32,
    "part_" + "0" * 32,
)


async def made(s: Stand) -> Ids:
    """Of the first project."""
    response = await s.post("/responses", {"model": "m", "input": "mine"}, key=s.key)
    conversation = await s.post("/conversations", {"items": [said("mine")]}, key=s.key)
    (item,) = (await s.get(f"/conversations/{conversation['id']}/items", key=s.key))["data"]
    await chat(s, whole("mine"))
    (completion,) = (await s.get("/chat/completions", key=s.key))["data"]
    file = await form(s, "/files", s.key, {"purpose": "user_data"}, "file")
    asked = {"bytes": 4, "filename": "a", "mime_type": "text/plain", "purpose": "user_data"}
    upload = await s.post("/uploads", asked, key=s.key)
    part = await form(s, f"/uploads/{upload['id']}/parts", s.key, {}, "data")
    return Ids(
        response["id"],
        conversation["id"],
        item["id"],
        completion["id"],
        file.body["id"],
        upload["id"],
        response["output"][0]["id"],
        part.body["id"],
    )


async def form(s: Stand, path: str, key: str, fields: dict[str, str], name: str) -> Said:
    answer = await s._client.post(
        f"/v1{path}", data=fields, files={name: ("a.txt", b"mine")}, headers={"authorization": f"Bearer {key}"}
    )
    return Said(answer.status_code, answer.json(), answer.headers)


async def asked(s: Stand, label: str, ids: Ids, key: str) -> list[Said]:
    """An operation on these, in all the ways that it has."""
    method, _, pattern = label.partition(" ")
    path = pattern.format(**ids._asdict())
    if path.endswith("/parts"):
        return [await form(s, path, key, {}, "data")]
    if label == "POST /uploads/{upload_id}/complete":
        return [await s.ask(method, path, {"part_ids": parts}, key=key) for parts in ([], [ids.part_id])]
    queries = QUERIES if label == "GET /responses/{response_id}" else ("",)
    return [await s.ask(method, path + query, BODIES.get(label), key=key) for query in queries]


def references(ids: Ids) -> list[dict[str, Any]]:
    """Requests that refer to what is kept."""
    file = {"type": "input_file", "file_id": ids.file_id}
    picture = {"type": "input_image", "file_id": ids.file_id, "detail": "auto"}
    return [
        {"input": "x", "previous_response_id": ids.response_id},
        {"input": "x", "previous_response_id": ids.response_id, "background": True},
        {"input": "x", "conversation": ids.conversation_id},
        {"input": "x", "conversation": {"id": ids.conversation_id}, "stream": True},
        {"input": [{"type": "item_reference", "id": ids.said_id}]},
        {"input": [{"type": "item_reference", "id": ids.item_id}]},
        {"input": [{"role": "user", "content": [file]}]},
        {"input": [{"role": "user", "content": [picture]}]},
    ]


def told(answers: list[Said], ids: Ids) -> list[tuple[int, str]]:
    """Status and body, with the names of the objects instead of their ids."""
    texts = []
    for answer in answers:
        text = json.dumps(answer.body)
        for name, id_ in ids._asdict().items():
            text = text.replace(id_, f"<{name}>")
        texts.append((answer.status, text))
    return texts


async def everything(s: Stand) -> str:
    """All rows of what is kept, and all files, as one digest."""
    rows = await s.worker.database.read(
        lambda c: [
            c.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2").all()
            for table in (
                "responses",
                "response_items",
                "response_events",
                "conversations",
                "conversation_items",
                "stored_completions",
                "stored_completion_metadata",
                "files",
                "uploads",
                "upload_parts",
                "jobs",
            )
        ]
    )
    folder = s.worker.settings.data / "files"
    stored = [(path.name, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256(repr((rows, stored)).encode()).hexdigest()


def test_what_is_another_projects_answers_as_what_never_was_and_stays_as_it_is(tmp_path: Path) -> None:
    async def story(s: Stand, _: Any) -> None:
        mine = await made(s)
        theirs = await other_projects_key(s)
        before = await everything(s)
        for label in OPERATIONS:
            foreign = told(await asked(s, label, mine, theirs), mine)
            assert foreign == told(await asked(s, label, NEVER, theirs), NEVER), label
            assert all(status in (400, 404) for status, _ in foreign), (label, foreign)
            assert all(status == 404 or "nonsense" in text for status, text in foreign), (label, foreign)
        for mine_asked, never_asked in zip(references(mine), references(NEVER), strict=True):
            foreign_, never = [
                await s.ask("POST", "/responses", {"model": "m", **body}, key=theirs)
                for body in (mine_asked, never_asked)
            ]
            assert told([foreign_], mine) == told([never], NEVER), mine_asked
            assert foreign_.status in (400, 404), (mine_asked, foreign_)
        for path in ("/files", "/chat/completions"):
            assert (await s.get(path, key=theirs))["data"] == []
        assert await everything(s) == before, "nothing was changed, and nothing was kept of what was refused"
        for label in ("GET /responses/{response_id}", "GET /files/{file_id}", "GET /conversations/{conversation_id}"):
            assert (await asked(s, label, mine, s.key))[0].status == 200, "to its own project it is there"

    answering(tmp_path, story)
