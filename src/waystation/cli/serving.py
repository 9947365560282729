"""A server from start to end: joins the supervisor to the workers, the local models, the pull and the terminal."""

import asyncio
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from waystation.cli.progress import pull_with_progress
from waystation.cli.words import say
from waystation.engine.children import EngineChild
from waystation.engine.model import DEFAULT_CHAT_FILE, LocalModel
from waystation.engine.sources import ModelMissing, present
from waystation.errors import ServiceUnavailable
from waystation.http.figures import FOLDER, forget
from waystation.inventory import Added, has_engine, is_there, local_models
from waystation.runtime.supervisor import Supervisor
from waystation.runtime.supervisor_place import DataFolder
from waystation.runtime.supervisor_process import KeptProcess, Start
from waystation.runtime.supervisor_slot import Slot
from waystation.settings import Settings

if TYPE_CHECKING:
    from waystation.cli.books import Books

T = TypeVar("T")

log = logging.getLogger("waystation.supervisor")

WORKER_COMMAND = (sys.executable, "-m", "waystation.app")
JOBS_COMMAND = (sys.executable, "-m", "waystation.jobs_app")


class Serving:
    """Everything that `serve` does after the address and the data folder are its own."""

    def __init__(
        self,
        settings: Settings,
        folder: DataFolder,
        listening: Sequence[socket.socket],
        url: str,
        began: float,
        overrides: Mapping[str, object],
        worker_command: tuple[str, ...] = WORKER_COMMAND,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._listening = listening
        self._url = url
        self._began = began  # time.monotonic() at the start of the command
        self._overrides = dict(overrides)
        self._worker_command = worker_command
        self._pids: dict[int, int] = {}  # of the workers, by slot
        self._jobs_pid: int | None = None
        self._books: Books | None = None
        self._added: list[Added] = []
        self._missing: set[str] = set()

    async def run(self) -> int:
        """Serve until a signal; the exit code."""
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
        forget(self._settings.data / FOLDER)
        if len(self._listening) > 1:
            log.info("%d workers share the port, and each has bounds of its own (connections, streams, queues)",
                     len(self._listening))  # fmt: skip
        supervisor = Supervisor(
            [
                Slot(number, listening, self._plan_worker, log.info, self._worker_ready)
                for number, listening in enumerate(self._listening)
            ],
            self._wanted,
            lambda model: EngineChild(model, self._settings.data, self._settings.engine.threads or None, self._members),
            drain_s=self._settings.server.drain_s,
            tell=log.info,
            on_ready=self._ready,
            settled=self._settle(),
            helpers=[self._jobs()] if self._settings.jobs.enabled else [],
        )
        try:
            return await supervisor.run()
        finally:
            if self._books is not None:
                self._books.close()

    @property
    def _members(self) -> int:
        """The processes that make calls."""
        return len(self._listening) + (1 if self._settings.jobs.enabled else 0)

    def _jobs(self) -> KeptProcess:
        """The process that does jobs, in the slot after the gateways'."""
        slot = len(self._listening)

        def plan(ready_fd: int) -> Start:
            spec = self._spec(slot, self._members, ready_fd)
            return Start(JOBS_COMMAND, {**os.environ, "WAYSTATION_WORKER": json.dumps(spec)}, ())

        return KeptProcess("jobs process", plan, log.info, self._jobs_ready)

    def _plan_worker(self, slot: int, listen_fd: int, ready_fd: int) -> Start:
        spec = {**self._spec(slot, len(self._listening), ready_fd), "listen_fd": listen_fd}
        return Start(self._worker_command, {**os.environ, "WAYSTATION_WORKER": json.dumps(spec)}, (listen_fd,))

    def _spec(self, slot: int, workers: int, ready_fd: int) -> dict[str, object]:
        config = self._settings.config
        return {
            "ready_fd": ready_fd,
            "slot": slot,
            "workers": workers,
            "data": str(self._settings.data),
            "config": None if config is None else str(config),
            "overrides": self._overrides,
        }

    def _worker_ready(self, slot: int, pid: int) -> None:
        self._pids[slot] = pid
        self._announce()

    def _jobs_ready(self, pid: int) -> None:
        self._jobs_pid = pid
        self._announce()

    def _announce(self) -> None:
        pids = [self._pids[slot] for slot in sorted(self._pids)]
        told = {"url": self._url, "pid": os.getpid(), "worker_pids": pids}
        self._folder.announce(told if self._jobs_pid is None else {**told, "jobs_pid": self._jobs_pid})

    def _ready(self, local: list[str]) -> None:
        at_providers = [model.name for model in self._settings.models.values() if model.provider is not None]
        names = ", ".join([*local, *at_providers]) or say("none yet", "暂无")
        took = time.monotonic() - self._began
        print(
            say(
                f"Ready after {took:.1f} s: {self._url}/v1 (models: {names})",
                f"已就绪，用时 {took:.1f} 秒：{self._url}/v1（模型：{names}）",
            ),
            flush=True,
        )

    # -- local models

    async def _settle(self) -> None:
        """What a start waits for before it says "ready": the default model's file, and the models that were added."""
        await in_daemon_thread(self._pull_default)
        self._books = await asyncio.to_thread(self._open_books)

    def _pull_default(self) -> None:
        """Pull the default model, unless somebody else answers: who has a provider pulls models when they want to."""
        settings = self._settings
        if not settings.engine.enabled or settings.providers:
            return
        if not has_engine():
            log.warning("The engine is not installed: pip install 'waystation[engine]', or configure a provider.")
            return
        if present(DEFAULT_CHAT_FILE, settings.models_folder):
            return
        try:
            pull_with_progress(DEFAULT_CHAT_FILE, settings.models_folder)
        except (ModelMissing, OSError) as error:
            log.warning("%s\n%s", error, say("Everything else is served meanwhile.", "在此期间，其他功能照常提供。"))

    def _open_books(self) -> "Books":
        # Imported here: it takes half a second, in which the worker and the models are starting already.
        from waystation.cli.books import Books

        return Books.open(self._settings.database_url)

    async def _wanted(self) -> dict[str, LocalModel]:
        """The local models whose files are there."""
        return await asyncio.to_thread(self._usable)

    def _usable(self) -> dict[str, LocalModel]:
        if self._books is not None:
            try:
                self._added = [Added(model.name, model.path, model.kind) for model in self._books.local_models()]
            except ServiceUnavailable as error:
                # The models that run go on; the worker says what is wrong with the database.
                log.warning("added models can't be read: %s", error.detail or error.message)
        usable = {}
        for name, model in local_models(self._settings, self._added).items():
            if is_there(model, self._settings):
                usable[name] = model
                self._missing.discard(name)
            elif name not in self._missing:
                self._missing.add(name)
                log.info("model %s waits for its file %s", name, model.path)
        return usable


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread that nobody waits for at exit: Ctrl-C ends a long pull at once."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        try:
            outcome: tuple[T | None, BaseException | None] = (work(), None)
        except BaseException as error:
            outcome = (None, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=body, name="waystation-pull", daemon=True).start()
    return await done
