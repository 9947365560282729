"""The official SDK keeps, lists, reads and deletes files, and uploads in parts. Shapes are held against OpenAI's description."""

import time
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.contract.conftest import client_of
from tests.contract.recorder import Recorder
from tests.contract.shapes import assert_shape
from tests.e2e.running import Running

MIB = 1024 * 1024
LINE = b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}\n'


@pytest.fixture
def files_client(gateway: Running, recorder: Recorder) -> OpenAI:
    """What it is answered is held against OpenAI's description when the test is over."""
    return client_of(gateway, recorder)


def test_the_sdk_keeps_reads_and_deletes_a_file(files_client: OpenAI) -> None:
    client = files_client
    content = b"".join(LINE % at for at in range(100))
    made = client.files.create(
        file=("batch.jsonl", content), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert (made.bytes, made.filename, made.expires_at) == (len(content), "batch.jsonl", made.created_at + 3600)
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert_shape("OpenAIFile", client.files.with_raw_response.retrieve(made.id).http_response.json())
    listed = client.files.with_raw_response.list(purpose="batch", limit=1)
    assert_shape("ListFilesResponse", listed.http_response.json())
    assert made.id in [each.id for each in client.files.list(purpose="batch", limit=1)], "it reads on, page by page"
    assert client.files.content(made.id).read() == content
    with client.files.with_streaming_response.content(made.id) as stream:
        assert b"".join(stream.iter_bytes()) == content
    assert_shape("DeleteFileResponse", client.files.with_raw_response.delete(made.id).http_response.json())
    with pytest.raises(NotFoundError, match="No such File object"):
        client.files.retrieve(made.id)


def test_the_sdk_uploads_in_parts(files_client: OpenAI, tmp_path: Path) -> None:
    client = files_client
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * (3 * MIB // 256) + b"end")
    done = client.uploads.upload_file_chunked(
        file=path, mime_type="application/octet-stream", purpose="user_data", part_size=MIB
    )
    assert done.file is not None
    assert (done.status, done.file.bytes) == ("completed", 3 * MIB + 3)
    assert client.files.content(done.file.id).read() == path.read_bytes()
    begun = client.uploads.with_raw_response.create(bytes=3, filename="a", mime_type="text/plain", purpose="vision")
    assert_shape("Upload", begun.http_response.json())
    upload_id = begun.parse().id
    part = client.uploads.parts.with_raw_response.create(upload_id, data=b"abc")
    assert_shape("UploadPart", part.http_response.json())
    with pytest.raises(BadRequestError, match="was created for 3"):
        client.uploads.complete(upload_id, part_ids=[])
    assert_shape("Upload", client.uploads.with_raw_response.cancel(upload_id).http_response.json())
    with pytest.raises(BadRequestError, match="was cancelled"):
        client.uploads.complete(upload_id, part_ids=[part.parse().id])


def test_what_the_sdk_is_refused(files_client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        files_client.files.create(file=("a.jsonl", LINE % 1 + LINE % 1), purpose="batch")
    assert (refused.value.code, refused.value.param) == ("duplicate_custom_id", "file")
    with pytest.raises(BadRequestError, match="is not one of"):
        files_client.files.create(file=b"x", purpose="wrong")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_large_file_takes_no_memory(gateway: Running, files_client: OpenAI, tmp_path: Path) -> None:
    """300 MB through a real server, in and out again: the worker grows by less than 50 MB."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(b"0123456789" * 100_000)
    files_client.files.create(file=b"warm up", purpose="user_data")
    [pid] = gateway.worker_pids
    before = resident_bytes(pid)
    began = time.monotonic()
    made = files_client.files.create(file=path, purpose="user_data")
    took_s = time.monotonic() - began
    with files_client.files.with_streaming_response.content(made.id) as stream:
        assert sum(len(piece) for piece in stream.iter_bytes()) == 300_000_000
    grown = peak_bytes(pid) - before
    print(f"uploaded in {took_s:.1f} s; the worker grew by {grown / MIB:.1f} MiB")
    assert grown < 50 * MIB
    files_client.files.delete(made.id)


def resident_bytes(pid: int) -> int:
    return _status(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024
