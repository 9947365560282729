"""Stores that keep files: a folder, and what fsspec opens, here S3 as moto plays it. The same stories hold for both."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from waystation.errors import ServiceUnavailable
from waystation.storage.files import places as places_module
from waystation.storage.files.contents import Contents
from waystation.storage.files.places import FolderPlaces, FsspecPlaces, Places, places_at
from waystation.storage.vault import Vault
from waystation.terms import Secret

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        boto3.client("s3").create_bucket(Bucket="bucket")
        yield "s3://bucket/prefix"
        server.stop()


@pytest.fixture(params=["folder", "s3"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    if request.param == "folder":
        return places_at("", tmp_path / "files")
    return places_at(request.getfixturevalue("s3"), tmp_path)


def test_what_is_committed_is_there_whole(places: Places) -> None:
    sink = places.create("files/ab/one")
    for piece in (b"a" * (9 * MIB), b"b" * (9 * MIB), b"c"):
        sink.write(piece)
    with pytest.raises(ServiceUnavailable, match="isn't in the store"):
        b"".join(places.read("files/ab/one"))
    sink.commit()
    assert b"".join(places.read("files/ab/one")) == b"a" * (9 * MIB) + b"b" * (9 * MIB) + b"c"
    places.remove("files/ab/one")
    places.remove("files/ab/one")  # no fault
    with pytest.raises(ServiceUnavailable):
        b"".join(places.read("files/ab/one"))


def test_what_is_discarded_was_never_there(places: Places) -> None:
    for size in (10, 9 * MIB):
        sink = places.create("files/ab/two")
        sink.write(b"x" * size)
        sink.discard()
        with pytest.raises(ServiceUnavailable):
            b"".join(places.read("files/ab/two"))


def test_an_empty_content_is_a_content(places: Places) -> None:
    places.create("files/ab/three").commit()
    assert b"".join(places.read("files/ab/three")) == b""


@pytest.mark.parametrize("key", [None, Secret("sixteen chars or more")], ids=["plain", "sealed"])
def test_contents_pass_through_in_pieces(places: Places, key: Secret | None) -> None:
    async def story() -> None:
        contents = Contents(places, Vault(key))
        incoming = await contents.begin("files/ab/four", 10 * MIB)
        for _ in range(30):
            await incoming.feed(b"0123456789" * 10_000)
        await incoming.finish()
        assert b"".join([piece async for piece in contents.read("files/ab/four")]) == b"0123456789" * 300_000
        contents.close()

    asyncio.run(story())


def test_a_store_that_is_away_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "ATTEMPTS_MAX", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    places = FsspecPlaces("s3://bucket/prefix")

    def write() -> None:
        sink = places.create("files/ab/five")
        sink.write(b"x")
        sink.commit()

    tries: list[Callable[[], object]] = [write, lambda: next(places.read("x")), lambda: places.remove("x")]
    for each in tries:
        with pytest.raises(ServiceUnavailable, match="can't be used"):
            each()


def test_another_store_of_fsspec_does_as_well() -> None:
    places = places_at("memory://files", Path("/nowhere"))
    sink = places.create("files/ab/six")
    sink.write(b"x")
    sink.commit()
    assert b"".join(places.read("files/ab/six")) == b"x"
    places.remove("files/ab/six")


def test_a_url_of_a_folder_is_that_folder(tmp_path: Path) -> None:
    for url in (str(tmp_path), f"file://{tmp_path}"):
        assert isinstance(places_at(url, Path("/nowhere")), FolderPlaces)
    places_at(str(tmp_path), Path("/nowhere")).create("files/ab/seven").commit()
    assert (tmp_path / "files/ab/seven").exists()
