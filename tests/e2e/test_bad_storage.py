"""What is wrong, cut off or hostile is told clearly by a running server, and leaves nothing behind: no row, no content."""

import hashlib
import http.client
import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.running import Running

WAIT_S = 20.0
TABLES = ("files", "uploads", "upload_parts", "responses", "response_items", "response_events", "jobs")
LOOKS = 5  # that see the same, one after the other
CUT_EVERY = 3  # bytes: which of the boundary's bytes is last must not matter


class Client:
    """Requests as bytes, and what they left behind."""

    def __init__(self, running: Running) -> None:
        self._running = running
        where = urlsplit(running.url)
        self.host, self.port = str(where.hostname), int(where.port or 0)
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=WAIT_S)

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Status and JSON. Raises where the answer is none."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._running.key}", "content-type": content_type}
        self._connection.request(method, f"/v1{path}", data, headers)
        answer = self._connection.getresponse()
        told = answer.read()
        return answer.status, json.loads(told) if answer.headers.get_content_type() == "application/json" else told

    def send(self, path: str, form: bytes) -> tuple[int, Any]:
        return self.ask("POST", path, form, "multipart/form-data; boundary=b")

    def leave(self, path: str, form: bytes, sent: int) -> None:
        """Send so many bytes of a form, and go, seen by the server."""
        head = (
            f"POST /v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._running.key}\r\n"
            f"content-type: multipart/form-data; boundary=b\r\ncontent-length: {len(form)}\r\n\r\n"
        )
        with socket.create_connection((self.host, self.port), WAIT_S) as connection:
            connection.sendall(head.encode() + form[:sent])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def kept(self) -> tuple[dict[str, Any], list[str]]:
        """The rows of what is kept, and the names of contents."""
        database = sqlite3.connect(f"file:{self._running.data}/waystation.db?mode=ro", uri=True)
        try:
            rows = {
                table: database.execute(
                    f"SELECT * FROM {table} WHERE {_LASTING.get(table, '1')} ORDER BY 1, 2"
                ).fetchall()
                for table in TABLES
            }
        finally:
            database.close()
        folder = self._running.data / "files"
        return rows, sorted(str(path) for path in folder.rglob("*") if path.is_file())


_LASTING = {"jobs": "kind <> 'sweep'"}  # it comes again and again


@pytest.fixture(scope="module")
def client(gateway: Running) -> Client:
    return Client(gateway)


@pytest.fixture
def unchanged(client: Client) -> Iterator[None]:
    """After the test all is as it was before, at latest when the server has noticed that somebody left."""
    before = client.kept()
    yield
    assert comes_to_rest(client, before)
    assert client.ask("GET", "/files?limit=1")[0] == 200


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    return None


def comes_to_rest(client: Client, wanted: Any) -> bool:
    """Whether all is so, and stays so: what somebody who left had begun may still be on its way."""
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks = looks + 1 if client.kept() == wanted else 0
        return looks >= LOOKS

    return bool(until(look))


def form(filename: bytes = b"a.txt", content: bytes = b"mine", name: bytes = b"file") -> bytes:
    purpose = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n' if name == b"file" else b""
    head = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n' % (name, filename)
    return purpose + head + content + b"\r\n--b--\r\n"


def error_of(answer: tuple[int, Any]) -> tuple[int, str | None, str | None]:
    """Status, code and param; in OpenAI's form, with words."""
    status, body = answer
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    return status, body["error"]["code"], body["error"]["param"]


@pytest.mark.parametrize(
    "filename",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"..", id="the folder above"),
        pytest.param(b"../../", id="only folders"),
        pytest.param(b"a\x00b.txt", id="NUL"),
        pytest.param(b"a\tb.txt", id="a tab"),
        pytest.param(b"x" * 300, id="300 characters"),
        pytest.param("名".encode() * 300, id="300 characters of 3 bytes"),
        pytest.param(b"x" * 20_000, id="longer than a head may be"),
        pytest.param("invoice\u202etxt.exe".encode(), id="right to left"),
        pytest.param("a\u2066b".encode(), id="isolated"),
        pytest.param("a\u2028b".encode(), id="a line separator"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_name_that_would_mislead_or_break_something_is_refused(client: Client, filename: bytes) -> None:
    status, _, param = error_of(client.send("/files", form(filename)))
    assert status == 400
    assert param in ("file", None)  # None: not even the head of the part could be read


@pytest.mark.parametrize("filename", [b"../../etc/passwd", b"/etc/passwd", b"..\\..\\passwd", b"C:\\passwd"])
@pytest.mark.usefixtures("unchanged")
def test_folders_before_a_name_lead_nowhere(client: Client, filename: bytes) -> None:
    _, before = client.kept()
    status, made = client.send("/files", form(filename))
    assert (status, made["filename"]) == (200, "passwd")
    (stored,) = set(client.kept()[1]) - set(before)
    assert stored.endswith(made["id"]), "where it is comes from its id alone"
    assert client.ask("DELETE", f"/files/{made['id']}")[0] == 200


@pytest.mark.usefixtures("unchanged")
def test_a_form_that_ends_at_any_byte_is_refused(client: Client) -> None:
    whole = form()
    for end in range(0, len(whole) - len(b"\r\n"), CUT_EVERY):
        status, _, _ = error_of(client.send("/files", whole[:end]))
        assert status == 400, whole[:end]


@pytest.mark.usefixtures("unchanged")
def test_a_client_that_leaves_at_any_byte_leaves_nothing(client: Client) -> None:
    whole = form()
    for sent in range(0, len(whole), CUT_EVERY):
        client.leave("/files", whole, sent)


def begun(client: Client, size: int) -> str:
    asked = {"bytes": size, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}
    status, upload = client.ask("POST", "/uploads", asked)
    assert status == 200
    return str(upload["id"])


def part(client: Client, upload_id: str, content: bytes) -> str:
    status, made = client.send(f"/uploads/{upload_id}/parts", form(b"data", content, b"data"))
    assert status == 200, made
    return str(made["id"])


def test_parts_that_do_not_make_the_whole_are_refused_and_the_upload_can_still_be_completed(client: Client) -> None:
    before = client.kept()
    upload_id = begun(client, 6)
    first, second = part(client, upload_id, b"abc"), part(client, upload_id, b"def")
    other_id = begun(client, 3)
    others = part(client, other_id, b"def")
    complete = f"/uploads/{upload_id}/complete"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"part_ids": []}, "part_ids"),
        ({"part_ids": [first]}, "part_ids"),
        ({"part_ids": [first, first]}, "part_ids"),
        ({"part_ids": [first, second, first]}, "part_ids"),
        ({"part_ids": [first, others]}, "part_ids"),
        ({"part_ids": [first, "part_" + "0" * 32]}, "part_ids"),
        ({"part_ids": [first, "../../x"]}, "part_ids"),
        ({"part_ids": "all"}, "part_ids"),
        ({"part_ids": [first, second], "md5": "0" * 32}, "md5"),
        ({"part_ids": [second, first], "md5": hashlib.md5(b"abcdef").hexdigest()}, "md5"),
        ({}, "part_ids"),
    ]
    between = client.kept()
    for body, param in wrong:
        status, _, told = error_of(client.ask("POST", complete, body))
        assert (status, told) == (400, param), body
    assert client.kept() == between
    for sent in range(0, len(form(name=b"data")), 10 * CUT_EVERY):
        client.leave(f"/uploads/{upload_id}/parts", form(name=b"data"), sent)
        assert error_of(client.send(f"/uploads/{upload_id}/parts", form(name=b"data")[:sent]))[0] == 400
    assert comes_to_rest(client, between), "of a part that was cut off nothing is left"
    md5 = hashlib.md5(b"defabc").hexdigest()
    status, done = client.ask("POST", complete, {"part_ids": [second, first], "md5": md5})
    assert (status, done["status"]) == (200, "completed")
    file_id = done["file"]["id"]
    assert client.ask("GET", f"/files/{file_id}/content") == (200, b"defabc"), "in the order that was said"
    assert error_of(client.ask("POST", complete, {"part_ids": [second, first]}))[0] == 400, "once"
    assert client.ask("DELETE", f"/files/{file_id}")[0] == 200
    assert client.ask("POST", f"/uploads/{other_id}/cancel")[0] == 200
    rows, contents = client.kept()
    assert (rows["files"], rows["upload_parts"], contents) == (before[0]["files"], before[0]["upload_parts"], before[1])


def test_what_cannot_be_gone_on_with_is_told_and_nothing_is_kept_of_the_attempt(client: Client) -> None:
    def created(**given: Any) -> str:
        status, made = client.ask("POST", "/responses", {"input": "hi", **given})
        assert status == 200, made
        return str(made["id"])

    def status_of(response_id: str) -> str:
        return str(client.ask("GET", f"/responses/{response_id}")[1]["status"])

    deleted = created(model="gpt-4o")
    after_deleted = created(model="gpt-4o", previous_response_id=deleted)
    assert client.ask("DELETE", f"/responses/{deleted}")[0] == 200
    failed = created(model="fault-500", background=True)
    assert until(lambda: status_of(failed) == "failed")
    cancelled = created(model="slow", background=True)
    assert client.ask("POST", f"/responses/{cancelled}/cancel")[0] == 200
    never = "resp_" + "0" * 32
    cases = [(each, "previous_response_not_found") for each in (never, deleted, after_deleted, "no id at all", "\x00")]
    cases += [(failed, "previous_response_not_ready"), (cancelled, "previous_response_not_ready")]
    before = client.kept()
    for previous, code in cases:
        for given in ({}, {"stream": True}, {"background": True}):
            asked = {"model": "gpt-4o", "input": "hi", "previous_response_id": previous, **given}
            assert error_of(client.ask("POST", "/responses", asked)) == (400, code, "previous_response_id"), asked
    assert client.kept() == before
    running = created(model="slow", background=True)
    asked = {"model": "gpt-4o", "input": "hi", "previous_response_id": running}
    answer = client.ask("POST", "/responses", asked)
    assert error_of(answer) == (400, "previous_response_not_ready", "previous_response_id")
    assert client.ask("POST", f"/responses/{running}/cancel")[0] == 200
