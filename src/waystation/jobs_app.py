"""The process that does jobs: a worker without a door. `python -m waystation.jobs_app` runs it for the supervisor."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from waystation.accounts import store as accounts_store
from waystation.app import DAY_S, Worker, settle_in
from waystation.auth.identify import KnownCallers, refuse_unusable
from waystation.errors import InvalidKey
from waystation.gateway.answer import carried
from waystation.gateway.call import Call
from waystation.http.figures import Figures
from waystation.jobs import store
from waystation.jobs.model import JOB_DAYS
from waystation.jobs.response import AnswerResponse
from waystation.jobs.sweeps import SWEEP, Sweep, SweepAll, sweep_job
from waystation.jobs.worker import Jobs, Kind
from waystation.settings import Settings, load_settings
from waystation.storage.completions.service import sweep as sweep_completions
from waystation.storage.conversations.service import sweep as sweep_conversations
from waystation.storage.responses.background import Payload
from waystation.storage.responses.events import JOB as RESPONSE
from waystation.terms import Caller, Dialect, Operation
from waystation.wire.responses import read_response


class JobsWorker(Worker):
    """A worker like the others, but that its calls come from the queue, and their callers are known."""

    async def open(self) -> None:
        await super().open()
        self.way = msgspec.structs.replace(self.way, auth=KnownCallers())
        self.jobs = Jobs(
            self.database, self.clock, str(self.ledger.epoch), self.kinds(), self.settings.jobs.concurrency
        )
        now = self.clock.now_s()
        await self.database.write(lambda connection: store.ensure(connection, sweep_job(now)))

    def kinds(self) -> dict[str, Kind]:
        answer = AnswerResponse(
            self.clock, self.vault, self.responses, self.caller_of, call_of, lambda call: carried(call, self.way)
        )
        return {RESPONSE: answer, SWEEP: SweepAll(self.sweeps())}

    async def caller_of(self, key_id: str) -> Caller:
        """Whose key it is, as things are now. Raises the 401 family."""
        await self.follower.step()  # whoever asked may have used what was changed a moment before
        found = await self.database.read(lambda connection: accounts_store.callers_of_keys(connection, [key_id]))
        for caller in found.values():
            refuse_unusable(caller, key_id, self.clock.now_s())
            return caller
        raise InvalidKey(f"The API key {key_id} is not there any more.")

    def sweeps(self) -> dict[str, Sweep]:
        """What expires, each with who tidies it up."""

        async def done_jobs(most: int) -> int:
            before = self.clock.now_s() - JOB_DAYS * DAY_S
            return await self.database.write(lambda connection: store.forget_done(connection, before, most))

        async def responses(most: int) -> int:
            now = self.clock.now_s()
            return await self.database.write(lambda connection: self.responses.sweep(connection, now, most))

        async def completions(most: int) -> int:
            now = self.clock.now_s()
            return await self.database.write(lambda connection: sweep_completions(connection, now, most))

        async def conversations(most: int) -> int:
            return await self.database.write(lambda connection: sweep_conversations(connection, most))

        storage = self.file_storage
        return {
            "responses": responses,
            "completions": completions,
            "conversations": conversations,
            "files": storage.files.sweep,
            "uploads": storage.uploads.sweep,
            "jobs": done_jobs,
        }

    def figures(self) -> Figures:
        counts = self.jobs.counts
        return msgspec.structs.replace(
            super().figures(), workers=0, jobs_queued=counts.queued, jobs_running=counts.running
        )

    async def work(self, ready_fd: int) -> None:
        """Do jobs until a signal; then those under way are given their time."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = [asyncio.create_task(each) for each in (self.follower.run(), self.shared.run(), self.jobs.run())]
        tasks += self.upstreams.tasks()
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
        try:
            await stop.wait()
            await self.jobs.drain(self.settings.server.drain_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def call_of(payload: Payload, response_id: str, caller: Caller) -> Call:
    """The call that a response's job makes: as it was asked, but always as a stream."""
    body = bytes(payload.body)
    request = msgspec.structs.replace(read_response(body), background=True)
    call = Call(Operation.CHAT, payload.request_id, body, request, None, {}, "", time.monotonic_ns(), Dialect.RESPONSES)
    call.answer_id, call.caller = response_id, caller
    return call


async def work(settings: Settings, slot: int, workers: int, ready_fd: int) -> None:
    """The process's whole life."""
    worker = JobsWorker(settings, slot, workers)
    await worker.open()
    settle_in()
    try:
        await worker.work(ready_fd)
    finally:
        await worker.close()


def main() -> None:
    """Run what the supervisor describes in WAYSTATION_WORKER."""
    spec = json.loads(os.environ.pop("WAYSTATION_WORKER"))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    config = None if spec["config"] is None else Path(spec["config"])
    settings = load_settings(config, Path(spec["data"]), os.environ, spec.get("overrides"))
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(work(settings, spec["slot"], spec["workers"], spec["ready_fd"]))


if __name__ == "__main__":
    main()
