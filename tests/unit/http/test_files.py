"""Files and uploads from outside: kept whole or not at all, one project's alone, gone when they are deleted."""

import asyncio
import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.control_stand import Said, Stand, stand
from waystation.storage.files import model

SMALL = '[storage]\nfile_bytes_max = 100000\nproject_bytes_max = 200000\nencryption_key = "sixteen chars or more"\n'
BATCH = b'{"custom_id":"1","method":"POST","url":"/v1/responses","body":{}}\n'


async def send(s: Stand, path: str, files: Any, data: Any = None, key: str = "") -> Said:
    answer = await s._client.post(
        f"/v1{path}", files=files, data=data, headers={"authorization": f"Bearer {key or s.key}"}
    )
    return Said(answer.status_code, answer.json(), answer.headers)


async def send_raw(s: Stand, body: bytes, boundary: str = "b") -> Said:
    headers = {"authorization": f"Bearer {s.key}", "content-type": f"multipart/form-data; boundary={boundary}"}
    answer = await s._client.post("/v1/files", content=body, headers=headers)
    return Said(answer.status_code, answer.json(), answer.headers)


async def download(s: Stand, file_id: str, key: str = "") -> Any:
    return await s._client.get(f"/v1/files/{file_id}/content", headers={"authorization": f"Bearer {key or s.key}"})


def contents(s: Stand) -> list[Path]:
    return [path for path in (s.worker.settings.data / "files").rglob("*") if path.is_file()]


def part(name: str, content: bytes, filename: bytes | None = None) -> bytes:
    named = b"" if filename is None else b'; filename="%b"' % filename
    return b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), named, content)


def test_a_file_is_kept_listed_read_and_deleted(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        content = bytes(range(256)) * 300
        made = (await send(s, "/files", {"file": ("报告.bin", content)}, {"purpose": "user_data"})).body
        assert (made["object"], made["bytes"], made["filename"], made["status"]) == (
            "file",
            76800,
            "报告.bin",
            "processed",
        )
        assert "expires_at" not in made
        assert await s.get(f"/files/{made['id']}", key=s.key) == made
        listed = await s.get("/files", key=s.key)
        assert (listed["data"], listed["has_more"], listed["first_id"]) == ([made], False, made["id"])
        read = await download(s, made["id"])
        assert (read.content, read.headers["content-type"]) == (content, "application/octet-stream")
        assert "filename*=UTF-8''%E6%8A%A5" in read.headers["content-disposition"]
        [stored] = contents(s)
        assert content[:64] not in stored.read_bytes(), "it is encrypted at rest"
        gone = await s.ask("DELETE", f"/files/{made['id']}", key=s.key)
        assert gone.body == {"id": made["id"], "object": "file", "deleted": True}
        assert contents(s) == []
        for method in ("GET", "DELETE"):
            again = await s.ask(method, f"/files/{made['id']}", key=s.key)
            assert again.error == (404, "not_found", "id")
            assert again.body["error"]["message"] == f"No such File object: {made['id']}"

    stand(tmp_path, story, SMALL)


def test_what_is_another_projects_is_not_there(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = (await send(s, "/files", {"file": ("a", b"x")}, {"purpose": "user_data"})).body
        upload = await s.post("/uploads", UPLOAD, key=s.key)
        project = await s.post("/organization/projects", {"name": "Other"})
        other = (await s.post("/waystation/keys", {"name": "k", "project_id": project["id"]}))["value"]
        never = "file-" + "0" * 32
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
            answers = [await s.ask(method, f"/files/{each}{path}", key=other) for each in (made["id"], never)]
            told = [str(each.body).replace(made["id"], never) for each in answers]
            assert (answers[0].status, told[0]) == (404, told[1])
        assert (await s.get("/files", key=other))["data"] == []
        for path in ("complete", "cancel"):
            said = await s.ask("POST", f"/uploads/{upload['id']}/{path}", {"part_ids": []}, key=other)
            assert said.status == 404
        assert (await send(s, f"/uploads/{upload['id']}/parts", {"data": ("d", b"x")}, key=other)).status == 404
        assert (await s.ask("GET", "/files", key=s.operator)).status in (401, 403)

    stand(tmp_path, story, SMALL)


def test_the_list_is_read_page_by_page_and_by_purpose(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        purposes = ("user_data", "batch", "vision")
        ids = [(await send(s, "/files", {"file": ("f", BATCH)}, {"purpose": p})).body["id"] for p in purposes]
        ids.sort()
        page = await s.get("/files", key=s.key, limit=2, order="asc")
        assert ([each["id"] for each in page["data"]], page["has_more"]) == (ids[:2], True)
        rest = await s.get("/files", key=s.key, limit=2, order="asc", after=page["last_id"])
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (ids[2:], False)
        [batch] = (await s.get("/files", key=s.key, purpose="batch"))["data"]
        assert batch["expires_at"] == batch["created_at"] + 2_592_000
        for query in ({"limit": 0}, {"limit": 10_001}, {"order": "up"}, {"purpose": "x"}, {"after": "a b"}):
            assert (await s.ask("GET", "/files", key=s.key, **query)).status == 400

    stand(tmp_path, story, SMALL)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (part("purpose", b"user_data") + b"--b--\r\n", 400, "'file'"),
        (part("file", b"x", b"a") + b"--b--\r\n", 400, "'purpose'"),
        (part("purpose", b"wrong") + part("file", b"x", b"a") + b"--b--\r\n", 400, "is not one of"),
        (part("purpose", b"user_data") + part("file", b"x") + b"--b--\r\n", 400, "needs a name"),
        (part("purpose", b"user_data") + part("file", b"x", b"a"), 400, "before its last boundary"),
        (part("file", b"x", b"a") + part("file", b"x", b"a") + b"--b--\r\n", 400, "twice"),
        (part("mine", b"x") + b"--b--\r\n", 400, "Unknown parameter: 'mine'"),
        (part("purpose", b"p" * 5000) + b"--b--\r\n", 400, "longer than"),
        (part("file", b"x", b"a\x01") + b"--b--\r\n", 400, "U+0001"),
        (part("file", b"x", b"\xff") + b"--b--\r\n", 400, "not UTF-8"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", 400, "no name"),
        (b"no form at all", 400, "multipart"),
        (part("purpose", b"user_data") + part("file", b"x" * 170_000, b"a") + b"--b--\r\n", 413, "larger than 100000"),
        (part("purpose", b"batch") + part("file", BATCH * 2, b"a") + b"--b--\r\n", 400, "custom_id of line 1"),
        (part("file", BATCH * 2, b"a") + part("purpose", b"batch") + b"--b--\r\n", 400, "custom_id of line 1"),
        (
            part("purpose", b"vision") + part("expires_after[anchor]", b"x") + part("file", b"x", b"a") + b"--b--\r\n",
            400,
            "expires_after[anchor]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_form_is_told_and_leaves_nothing(tmp_path: Path, body: bytes, status: int, words: str) -> None:
    async def story(s: Stand) -> None:
        said = await send_raw(s, body)
        assert said.status == status, said
        assert words in said.body["error"]["message"]
        assert contents(s) == []
        assert (await s.get("/files", key=s.key))["data"] == []
        assert (await send(s, "/files", {"file": ("a", b"x" * 99_000)}, {"purpose": "user_data"})).status == 200

    stand(tmp_path, story, SMALL)


def test_a_projects_files_have_a_most(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        for status in (200, 200, 400):
            said = await send(s, "/files", {"file": ("a", b"x" * 90_000)}, {"purpose": "user_data"})
            assert said.status == status
        assert said.error == (400, "storage_limit_exceeded", "file")
        assert (await s.ask("POST", "/uploads", UPLOAD | {"bytes": 90_000}, key=s.key)).status == 400

    stand(tmp_path, story, SMALL)


# -- uploads

UPLOAD: dict[str, Any] = {
    "filename": "a.bin",
    "purpose": "user_data",
    "bytes": 6,
    "mime_type": "application/octet-stream",
}


async def parts_of(s: Stand, upload_id: str, *pieces: bytes) -> list[str]:
    sent = [await send(s, f"/uploads/{upload_id}/parts", {"data": ("d", piece)}) for piece in pieces]
    return [each.body["id"] for each in sent]


def test_parts_become_a_file_in_the_order_that_is_asked(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        upload = await s.post("/uploads", UPLOAD, key=s.key)
        assert (upload["status"], upload["expires_at"]) == ("pending", upload["created_at"] + 3600)
        second, first, unused = await parts_of(s, upload["id"], b"def", b"abc", b"zzz")
        path = f"/uploads/{upload['id']}/complete"
        wrong = [[first], [first, unused, second], [first, first], [first, "part_none"], []]
        for bad in wrong:
            assert (await s.ask("POST", path, {"part_ids": bad}, key=s.key)).error == (400, None, "part_ids")
        ids: dict[str, Any] = {"part_ids": [first, second]}
        assert (await s.ask("POST", path, ids | {"md5": "0" * 32}, key=s.key)).error == (400, None, "md5")
        assert (await s.get("/files", key=s.key))["data"] == [], "nothing is left of what failed"
        done = await s.post(path, ids | {"md5": hashlib.md5(b"abcdef").hexdigest()}, key=s.key)
        assert (done["status"], done["file"]["bytes"], done["file"]["filename"]) == ("completed", 6, "a.bin")
        assert (await download(s, done["file"]["id"])).content == b"abcdef"
        assert len(contents(s)) == 1, "the parts are gone"
        for action in ("complete", "cancel"):
            said = await s.ask("POST", f"/uploads/{upload['id']}/{action}", ids, key=s.key)
            assert said.error == (400, "upload_completed", "upload_id")
        assert (await send(s, f"/uploads/{upload['id']}/parts", {"data": ("d", b"x")})).status == 400

    stand(tmp_path, story, SMALL)


def test_of_two_who_complete_at_once_one_does(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        upload = await s.post("/uploads", UPLOAD, key=s.key)
        ids = await parts_of(s, upload["id"], b"abcdef")
        path = f"/uploads/{upload['id']}/complete"
        said = await asyncio.gather(*[s.ask("POST", path, {"part_ids": ids}, key=s.key) for _ in range(3)])
        assert sorted(each.status for each in said) == [200, 400, 400]
        assert len((await s.get("/files", key=s.key))["data"]) == len(contents(s)) == 1

    stand(tmp_path, story, SMALL)


def test_a_cancelled_upload_and_a_late_one_leave_nothing(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        cancelled, late = [await s.post("/uploads", UPLOAD, key=s.key) for _ in range(2)]
        for upload in (cancelled, late):
            await parts_of(s, upload["id"], b"abc")
        assert (await s.post(f"/uploads/{cancelled['id']}/cancel", key=s.key))["status"] == "cancelled"
        assert len(contents(s)) == 1
        storage = s.worker.file_storage
        storage.uploads._clock = storage.files._clock = Later(3600)
        said = await send(s, f"/uploads/{late['id']}/parts", {"data": ("d", b"x")})
        assert said.error == (400, "upload_expired", "upload_id")
        assert await storage.uploads.sweep() == 1
        assert contents(s) == []
        storage.uploads._clock = Later(3600 + model.UPLOAD_KNOWN_S)
        assert await storage.uploads.sweep() == 2
        assert (await send(s, f"/uploads/{late['id']}/parts", {"data": ("d", b"x")})).status == 404

    stand(tmp_path, story, SMALL)


def test_an_expired_file_is_gone_at_once_and_swept_later(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        fields = {"purpose": "user_data", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        made = (await send(s, "/files", {"file": ("a", b"x")}, fields)).body
        kept = (await send(s, "/files", {"file": ("a", b"x")}, {"purpose": "user_data"})).body
        files = s.worker.file_storage.files
        files._clock = Later(3601)
        assert (await s.ask("GET", f"/files/{made['id']}", key=s.key)).status == 404
        assert [each["id"] for each in (await s.get("/files", key=s.key))["data"]] == [kept["id"]]
        assert (await files.sweep(), len(contents(s))) == (1, 1)

    stand(tmp_path, story, SMALL)


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        files = s.worker.file_storage.files
        incoming = await files.begin(s.project_id, 5, None)
        await incoming.content.feed(b"x" * 99)
        assert len(contents(s)) == 1, "and then it died"
        assert (await s.get("/files", key=s.key))["data"] == []
        assert await files.sweep() == 0, "it may live still"
        files._clock = Later(model.INCOMING_LIFE_S + 1)
        assert (await files.sweep(), contents(s)) == (1, [])

    stand(tmp_path, story, SMALL)


def test_a_store_that_is_away_is_503_and_nothing_is_half_kept(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = (await send(s, "/files", {"file": ("a", b"x")}, {"purpose": "user_data"})).body
        folder = s.worker.settings.data / "files"
        folder.rename(folder.with_name("away"))
        folder.write_bytes(b"a file where the folder was")
        said = await send(s, "/files", {"file": ("a", b"x")}, {"purpose": "user_data"})
        assert said.error == (503, "service_unavailable", None)
        assert (await download(s, made["id"])).status_code == 503
        assert len((await s.get("/files", key=s.key))["data"]) == 1
        assert (await s.ask("DELETE", f"/files/{made['id']}", key=s.key)).status == 200
        folder.unlink()
        folder.with_name("away").rename(folder)
        assert (await s.worker.file_storage.files.sweep(), contents(s)) == (1, [])

    stand(tmp_path, story, SMALL)


class Later:
    """The machine's clock, so many seconds on."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def now_s(self) -> int:
        return int(time.time()) + self._seconds


def test_a_client_that_leaves_in_mid_file_leaves_nothing(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        async def half() -> Any:
            yield part("purpose", b"user_data") + part("file", b"x" * 50_000, b"a")
            raise ConnectionResetError

        headers = {"authorization": f"Bearer {s.key}", "content-type": "multipart/form-data; boundary=b"}
        broken = await s._client.post("/v1/files", content=half(), headers=headers)
        assert broken.status_code >= 400
        assert contents(s) == []
        assert (await s.get("/files", key=s.key))["data"] == []

    stand(tmp_path, story, SMALL)


def test_a_start_imports_no_store_of_elsewhere() -> None:
    code = "import sys, waystation.app; print(sorted({'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
