"""Starts and stops what a run needs: the fake upstream, nginx as the reference, a Waystation on its own data folder."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.tools import build, find_tool

START_S_MAX = 20.0
STOP_S_MAX = 15.0
POLL_S = 0.005
LOG_TAIL_BYTES = 4000

DATABASE = "waystation.db"  # in the data folder
MODEL, PACED_MODEL = "bench-model", "bench-paced"
INPUT_USD_PER_MILLION, OUTPUT_USD_PER_MILLION = "0.15", "0.60"
INPUT_NANO, OUTPUT_NANO = 150, 600  # the same prices, per token
INPUT_TOKENS, OUTPUT_TOKENS = 24, 64  # what upstream.c says that every call used; a stream's output is its chunks


class DidNotStart(Exception):
    """A server that should have started has not; the message has the end of its log."""


class Server:
    """Something that answers calls and whose processes can be measured."""

    def __init__(self, name: str, host: str, port: int, pid: int | None, paced_port: int | None = None) -> None:
        self.name, self.host, self.port, self.pid = name, host, port, pid
        self.paced_port = paced_port or port  # where the stream upstream is behind another port


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(host: str, port: int, path: str, timeout_s: float = 2.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def on_core(core: int | None) -> list[str]:
    return [] if core is None else [find_tool("taskset"), "-c", str(core)]


@contextlib.contextmanager
def running(
    command: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of a block; asked to end, then made to."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def upstream(
    name: str, *, port: int = 0, latency_us: int = 0, chunks: int = 64, chunk_delay_us: int = 0
) -> Iterator[Server]:
    """Our fake provider. It runs where this process runs: on the core of the load."""
    options = ["--port", port, "--latency-us", latency_us, "--chunks", chunks, "--chunk-delay-us", chunk_delay_us]
    process = subprocess.Popen([str(build("upstream")), *map(str, options)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_S_MAX)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise DidNotStart(f"upstream {name}: it says nothing (is port {port} taken?)")
        yield Server(name, "127.0.0.1", json.loads(line)["port"], process.pid)
    finally:
        stop(process)
        process.stdout.close()


NGINX_CONFIG = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_max_body_size 8m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream fast {{ server 127.0.0.1:{fast}; keepalive 512; keepalive_requests 1000000000; }}
    upstream paced {{ server 127.0.0.1:{paced}; keepalive 512; keepalive_requests 1000000000; }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://fast; }} }}
    server {{ listen 127.0.0.1:{paced_port}; location / {{ proxy_pass http://paced; proxy_buffering off; }} }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, fast: Server, paced: Server, core: int | None) -> Iterator[Server]:
    """nginx as a bare reverse proxy: one worker, pooled connections, no log. Streams pass unbuffered."""
    folder.mkdir()
    port, paced_port = free_port(), free_port()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # its worker must be able to enter our folder
    config.write_text(
        NGINX_CONFIG.format(
            user=user, folder=folder, fast=fast.port, paced=paced.port, port=port, paced_port=paced_port
        )
    )
    log = folder / "nginx.log"
    with running(
        [*on_core(core), find_tool("nginx"), "-p", str(folder), "-c", str(config), "-e", "stderr"], log
    ) as process:
        _wait_for(lambda: get("127.0.0.1", port, "/stats")[0] == 200, process, log, "nginx")
        yield Server("nginx", "127.0.0.1", port, process.pid, paced_port)


CONFIG = """\
[providers.bench]
base_url = "http://127.0.0.1:{fast}/v1"
api_key = "sk-of-the-bench-upstream"

[providers.bench-paced]
base_url = "http://127.0.0.1:{paced}/v1"
api_key = "sk-of-the-bench-upstream"

[models."bench-model"]
provider = "bench"
model = "bench-upstream"
price = {{ currency = "USD", input = "{input}", output = "{output}" }}

[models."bench-paced"]
provider = "bench-paced"
model = "bench-upstream"
price = {{ currency = "USD", input = "{input}", output = "{output}" }}
"""


class Waystation:
    """A Waystation of the bench's own: data folder and configuration."""

    def __init__(self, folder: Path, fast: Server, paced: Server, core: int | None) -> None:
        folder.mkdir()
        self.data = folder / "data"
        self.database = self.data / DATABASE
        self.log = folder / "waystation.log"
        self.core = core
        self.config = folder / "bench.toml"
        self.config.write_text(
            CONFIG.format(fast=fast.port, paced=paced.port, input=INPUT_USD_PER_MILLION, output=OUTPUT_USD_PER_MILLION)
        )
        # No engine: its children would take the core that is measured, and no call here goes to a local model.
        self.environment = {**os.environ, "WAYSTATION_ENGINE_ENABLED": "false"}

    @contextlib.contextmanager
    def serving(self) -> Iterator[tuple[Server, float]]:
        """A running server, and the seconds from its first instruction to a good answer of /ready."""
        with serving(self.data, self.config, self.log, self.environment, self.core) as started:
            yield started


@contextlib.contextmanager
def serving(
    data: Path, config: Path, log: Path, environment: Mapping[str, str], core: int | None
) -> Iterator[tuple[Server, float]]:
    """A Waystation on a data folder, and the seconds until it was ready."""
    told = data / "server.json"
    told.unlink(missing_ok=True)  # of a server that was killed
    command = [sys.executable, "-m", "waystation", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--data", str(data), "--config", str(config)]
    began = time.monotonic()
    with running([*on_core(core), *command], log, environment) as process:
        _wait_for(lambda: bool(_url(told)), process, log, "waystation")
        host, port = address_of(_url(told))
        _wait_for(lambda: get(host, port, "/ready")[0] == 200, process, log, "waystation")
        yield Server("waystation", host, port, process.pid), time.monotonic() - began


def address_of(url: str) -> tuple[str, int]:
    """The IPv4 address and port of a URL: the load driver looks no names up."""
    parts = urllib.parse.urlsplit(url)
    return socket.gethostbyname(parts.hostname or "127.0.0.1"), parts.port or 80


def _url(told: Path) -> str:
    try:
        return str(json.loads(told.read_bytes()).get("url", ""))
    except (FileNotFoundError, json.JSONDecodeError):  # not written yet, or only half
        return ""


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, name: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ready():
                return
        time.sleep(POLL_S)
    tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
    raise DidNotStart(f"{name} is not ready after {START_S_MAX:.0f} s (exit code {process.poll()})\n{tail}")
