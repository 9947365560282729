"""Builds all parts and joins them: what a gateway worker is made of. `python -m waystation.app` runs one for the supervisor.

The only file that knows every part; decides nothing but which part is given to which.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from sqlalchemy import Connection
from uvicorn.config import Config
from uvicorn.server import Server

from waystation import __version__
from waystation.accounts import store as accounts_store
from waystation.accounts.follow import Follower
from waystation.accounts.service import LOCAL_MODELS, ORGANIZATIONS, Accounts
from waystation.auth.identify import Identify
from waystation.catalogue.build import vanished_aliases
from waystation.catalogue.estimate import Estimates
from waystation.catalogue.resolve import Catalogue
from waystation.catalogue.service import PRICES, PriceList
from waystation.dialects.ask import Ask
from waystation.dialects.chat_body import chat_body
from waystation.dialects.completions import completion_body
from waystation.dialects.envelope import Envelope
from waystation.dialects.responses.echo import begun_response
from waystation.engine.model import DEFAULT_CHAT_FILE, LocalModel, engine_origin
from waystation.engine.provider import EngineProvider
from waystation.fleet.model import DRILLS_TOPIC, FLEET_TOPIC
from waystation.fleet.sealing import SECRET_KEY_FILE, Sealer, read_secret_key
from waystation.fleet.service import Fleet
from waystation.gateway.call import Call
from waystation.gateway.view import View
from waystation.http.app import Desk, build_app
from waystation.http.bounds import Bounds
from waystation.http.door import Doorway
from waystation.http.figures import FOLDER, Figures, SharedFigures
from waystation.http.metrics import exposition
from waystation.http.openapi import document
from waystation.http.readiness import Readiness
from waystation.http.v1.control import Control
from waystation.http.v1.proving import Prover
from waystation.idempotency import store as answers_store
from waystation.idempotency.service import Answers
from waystation.inventory import Added, Traffic, fixed_fleet, local_models, models_of, traffic_problems
from waystation.jobs import store as jobs_store
from waystation.ledger.budgets.service import BUDGETS_TOPIC, Budgets
from waystation.ledger.credit.service import CREDIT_TOPIC, Credit
from waystation.ledger.rates.service import TOPIC as LIMITS_TOPIC
from waystation.ledger.rates.service import RateLimits
from waystation.ledger.service import Ledger
from waystation.ledger.verify import verify
from waystation.metering.estimate import count_input
from waystation.metering.tokens import Tokenizers
from waystation.moderation.provider import Moderator, Rules, WithModerator
from waystation.moderation.words import Words, built_in, read_words
from waystation.policy.admit import Policy
from waystation.providers.cache.service import TOPIC as KEPT_ANSWERS
from waystation.routing.router import Router
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.http_client import HttpClient
from waystation.runtime.ids import Ids
from waystation.settings import Settings, load_settings
from waystation.storage.compaction.compactor import Compactor
from waystation.storage.compaction.sealing import Compactions
from waystation.storage.completions.keeping import CompletionsKeeper
from waystation.storage.completions.service import StoredCompletions
from waystation.storage.conversations.service import Conversations
from waystation.storage.files.inline import Inliner
from waystation.storage.files.model import FileBounds
from waystation.storage.files.opening import open_files
from waystation.storage.memory import Memory
from waystation.storage.responses.background import Background
from waystation.storage.responses.counting import InputCounter
from waystation.storage.responses.keeping import Later, ResponsesKeeper
from waystation.storage.responses.service import Responses
from waystation.storage.vault import Vault
from waystation.terms import ENGINE, Caller, Model
from waystation.upstreams import Upstreams
from waystation.wire.models import ModelObject, model_list
from waystation.wire.moderations import CATEGORIES, Categories
from waystation.wire.tokenize import Tokenization, read_tokenize

log = logging.getLogger("waystation")

DAY_S = 86_400
JOBS_SHARE = Fraction(1, 4)


def said_in_openais(ask: Ask, model: str) -> dict[str, Any]:
    """What was asked in whatever dialect, as the engine understands it."""
    return chat_body(ask, model) if ask.prompt is None else completion_body(ask, model)


class Parts(msgspec.Struct):
    """The stages of the way, as `answer` walks them."""

    auth: Identify
    catalogue: Catalogue
    policy: Policy
    ledger: Ledger
    routing: Router
    memory: Memory


class Worker:
    """A gateway worker: opened, serving, closed. It is in one of the `workers` slots of this server, from 0.

    The process that does jobs is one too, in the slot after these, without a door (`jobs_app.py`).
    """

    def __init__(self, settings: Settings, slot: int, workers: int) -> None:
        self.settings = settings
        self.slot = slot
        self.workers = workers
        self.clock = Clock()
        self.ids = Ids()
        self.view = View()
        self.vault = Vault(settings.storage.encryption_key)
        self.http = HttpClient()
        self.local: dict[str, LocalModel] = {}
        self.vocabularies: dict[str, Path] = {}
        self.tokenizers = Tokenizers(self.vocabularies)
        self.bounds = Bounds(**{name: getattr(settings.server, name) for name in Bounds.__struct_fields__})

    async def open(self) -> None:
        """Open the data folder, replay what a crash left, fill the view. Raises ServiceUnavailable, OSError."""
        settings = self.settings
        self.database = await asyncio.to_thread(Database.open, settings.database_url)
        days = settings.money.usage_retention_days
        self.ledger = await Ledger.open(
            self.database,
            settings.data / "journal",
            self.slot,
            self.clock,
            lambda text, model: self.count(text, model),
            workers=self.workers,
            rates=self.slot < settings.server.workers,
            on_closed=self.forget_epoch,
            retention_s=days * DAY_S if days else None,
            difference_percent=settings.money.usage_difference_percent,
        )
        self.file_storage = open_files(
            self.clock,
            Ids().new,
            self.database,
            self.vault,
            settings.storage.url,
            settings.data / "files",
            FileBounds(**{name: getattr(settings.storage, name) for name in FileBounds.__struct_fields__}),
        )
        self.answers = Answers(
            self.database, self.ledger.epoch, self.clock, settings.server.idempotency_s, sealer=self.vault
        )
        self.engine = EngineProvider(
            self.http,
            settings.data,
            (),
            self.tokenizers,
            queue_max=settings.engine.queue_max,
            share=engine_share(settings, self.slot),
            body_of=said_in_openais,
        )
        self.fixed = fixed_fleet(settings)
        self.fleet = Fleet(
            self.clock, Ids().new, Sealer(settings.data / SECRET_KEY_FILE), lambda: self.fixed
        )  # with ids of its own, because verbs run in the database's writer thread
        local = WithModerator(self.engine, self.moderator())
        self.upstreams = Upstreams(self.database, self.clock, self.fleet, local, self.count, sealer=self.vault)
        self.catalogue = Catalogue(
            self.view.models,
            self.clock.now_s,
            self.database.read,
            is_live=self.upstreams.is_live,
            latency_ms=self.upstreams.latency_ms,
        )
        self.follower = Follower(
            self.database,
            self.view,
            {
                LOCAL_MODELS: self.models_changed,
                FLEET_TOPIC: self.models_changed,
                DRILLS_TOPIC: self.upstreams.drills_changed,
                KEPT_ANSWERS: self.upstreams.cache.forget,
                BUDGETS_TOPIC: self.ledger.budgets_changed,
                CREDIT_TOPIC: self.ledger.credit_changed,
                LIMITS_TOPIC: self.ledger.limits_changed,
                PRICES: self.catalogue.prices_changed,
                ORGANIZATIONS: self.ledger.organizations_changed,
            },
            applied=lambda: self.shared.publish(),
        )
        await self.follower.load()
        await self.ledger.budgets_changed([])  # with what came between the two loads
        await self.ledger.limits_changed([])
        await self.catalogue.prices_changed()
        await self.models_changed([])
        await self.upstreams.drills_changed()
        self.policy = Policy(self.view.models, strict=settings.server.strict_parameters)
        new_id = Ids().new  # of its own, because verbs run in the database's writer thread
        self.conversations = Conversations(self.clock, new_id, self.vault)
        self.responses = Responses(self.clock, new_id, self.vault, self.conversations)
        self.background = Background(
            self.database,
            self.clock,
            self.ids.new,
            self.vault,
            self.responses,
            self.admit_later,
        )
        self.way = Parts(
            Identify(self.view.keys, self.clock.now_s),
            self.catalogue,
            self.policy,
            self.ledger,
            self.upstreams.router,
            self.memory(),
        )
        self.readiness = Readiness(
            self.view.models,
            self.http,
            lambda name: engine_origin(settings.data, name),
            lambda: self.follower.fault or self.ledger.fault,
        )
        self.doorway = Doorway(self.way, self.bounds, self.ids.request_id, self.answers)
        self.shared = SharedFigures(settings.data / FOLDER, self.slot, self.figures, lambda: self.view.number)
        if len(self.upstreams.router.providers) > 1 and self.slot == 0:
            gone = vanished_aliases(self.view.models)
            log.info("a provider is configured: local models no longer answer as %s", ", ".join(gone))

    @staticmethod
    def forget_epoch(connection: Connection, epoch: int) -> None:
        """A worker has died, and its journal is finished: what it was at is nobody's any more."""
        answers_store.mark_lost(connection, epoch)
        jobs_store.release(connection, str(epoch))

    def memory(self) -> Memory:
        """What calls remember, on this worker's database."""
        compactions = Compactions(lambda: read_secret_key(self.settings.data / SECRET_KEY_FILE))
        keeper = self.keeper(compactions)
        compactor = Compactor(
            keeper.recall,
            compactions,
            self.clock,
            self.ids.new,
            resolve=self.catalogue.resolve,
            body_bytes_max=self.settings.server.body_decompressed_bytes_max,
        )
        return Memory(keeper, self.completions_keeper(), compactor, Inliner(self.file_storage.files))

    def keeper(self, compactions: Compactions) -> ResponsesKeeper:
        """What the Responses API remembers."""
        return ResponsesKeeper(
            self.database,
            self.responses,
            self.conversations,
            self.clock,
            self.ids.new,
            resolve=self.catalogue.resolve,
            count=self.count,
            compactions=compactions,
            days=self.settings.storage.responses_days,
            body_bytes_max=self.settings.server.body_decompressed_bytes_max,
            later=Later(self.background, begun) if self.settings.jobs.enabled else None,
        )

    async def admit_later(self, call: Call, caller: Caller) -> None:
        """What can be said of a call before it is made: its model, its parameters, its rates."""
        await self.ledger.take_rates(caller, self.admitted(call, caller), call)

    def admitted(self, call: Call, caller: Caller) -> Model:
        """The model of a call that may ask it so. Raises as the way does."""
        model = self.catalogue.resolve(call, caller)
        self.policy.admit(call, caller, model)
        return model

    def count(self, text: str, model: str) -> int:
        return self.tokenizers.count_tokens(text, self.canonical(model))[0]

    def canonical(self, name: str) -> str:
        """The model that a name stands for."""
        model = self.view.models.get(name)
        return name if model is None or model.alias_of is None else model.alias_of

    async def models_changed(self, _subjects: Sequence[str]) -> None:
        """Make the view's models anew: the file has stayed, what was added to it in the database may have changed."""
        added = await self.database.read(accounts_store.local_models)
        settings, before = self.settings, self.local
        self.local = local_models(settings, [Added(model.name, model.path, model.kind) for model in added])
        for name, model in self.local.items():
            if before.get(name) != model:
                self.engine.add(model)
        self.vocabularies.clear()
        self.vocabularies.update(
            {name: model.path for name, model in self.local.items() if model.path is not None and model.kind == "chat"}
        )
        self.fixed = fixed_fleet(settings, added)
        joined = await self.upstreams.load()
        traffic = Traffic(joined.providers, joined.deployments, joined.routes, tuple(joined.offers.values()))
        models = models_of(settings, self.local, added, traffic)
        self.view.models.clear()
        self.view.models.update(models)
        for problem in traffic_problems(settings, added, traffic):
            log.warning("%s %s; it is left out", problem.key, problem.en)

    def moderator(self) -> Moderator:
        """What judges texts on this machine. Raises WordsError."""
        settings = self.settings.moderation
        name = settings.judge_model or DEFAULT_CHAT_FILE.model

        def judge() -> Model | None:
            model = self.view.models.get(name) if settings.judge else None
            return model if model is not None and model.deployment.provider == ENGINE else None

        own = [] if settings.words_file is None else [read_words(settings.words_file)]
        thresholds = {
            category: getattr(settings, field)
            for category, field in zip(CATEGORIES, Categories.__struct_fields__, strict=True)
        }
        rules = Rules(thresholds, settings.judge_timeout_s, settings.judge_windows_max)
        return Moderator(self.engine, judge, Words([*built_in(), *own]), rules)

    def app(self) -> Any:
        """The Starlette app of everything that is not a call."""

        async def tokenize(body: bytes) -> Tokenization:
            request = read_tokenize(body)
            model = request.model  # OpenAI's names count as OpenAI does, also while a local model answers to them
            if request.messages is not None:
                messages = msgspec.to_builtins(request.messages)
                count, encoding = await asyncio.to_thread(self.tokenizers.count_chat, messages, model)
                return Tokenization(model=request.model, encoding=encoding, count=count)
            ids = await asyncio.to_thread(lambda: [self.tokenizers.encode(text, model) for text in request.texts])
            counts = [len(each) for each in ids]
            return Tokenization(
                model=request.model,
                encoding=self.tokenizers.of(model).name,
                count=sum(counts),
                counts=counts,
                tokens=ids if request.return_tokens else msgspec.UNSET,
            )

        estimates = Estimates(self.catalogue, lambda request, model: count_input(self.tokenizers, request, model))

        async def metrics() -> bytes:
            return exposition(await self.shared.total())

        return build_app(
            Desk(
                auth=self.way.auth,
                catalogue=self.way.catalogue,
                control=self.control(),
                version=__version__,
                models_list=lambda models: model_list(model_object(model) for model in models),
                model_object=model_object,
                document=lambda base_url: document(__version__, base_url),
                tokenize=tokenize,
                estimate=estimates.estimate,
                readiness=self.readiness.report,
                metrics=metrics,
                new_request_id=self.ids.request_id,
            )
        )

    def completions_keeper(self) -> CompletionsKeeper:
        completions = StoredCompletions(self.clock, Ids().new, self.vault)
        days = self.settings.storage.responses_days
        return CompletionsKeeper(self.database, completions, self.clock, Ids().new, days)

    def control(self) -> Control:
        """The control plane, on this worker's database."""
        new_id = Ids().new  # of its own, because verbs run in the database's writer thread
        return Control(
            database=self.database,
            clock=self.clock,
            accounts=Accounts(self.clock, new_id),
            budgets=Budgets(self.clock, new_id),
            credit=Credit(self.clock, new_id),
            limits=RateLimits(self.clock, new_id),
            prices=PriceList(self.clock),
            fleet=self.fleet,
            responses=Responses(self.clock, new_id, self.vault, self.conversations),
            conversations=Conversations(self.clock, new_id, self.vault),
            completions=StoredCompletions(self.clock, new_id, self.vault),
            files=self.file_storage.files,
            uploads=self.file_storage.uploads,
            journals=self.settings.data / "journal",
            models=lambda: self.view.models,
            signup_grant_nano=self.settings.money.signup_grant_nano,
            prover=Prover(lambda: self.database.read(verify)),
            follow=self.follower.step,
            forget_answers=self.upstreams.cache.purge,
            background=self.background,
            input_counter=InputCounter(
                self.way.memory,
                self.admitted,
                said_in_openais,
                self.engine.count_chat,
                lambda messages, model: self.tokenizers.count_chat(messages, model)[0],
            ),
            test_provider=self.upstreams.test,
            health=self.upstreams.health,
        )

    def figures(self) -> Figures:
        """This worker's own."""
        counts = self.ledger.counts()
        return Figures(
            version=__version__,
            calls=self.doorway.calls_total,
            connections=len(self.doorway.doors),
            open_streams=self.doorway.streams.count,
            holds=counts.holds,
            settled=counts.settled,
            voided=counts.voided,
            pending=counts.pending,
            posted=counts.posted,
            models=len(self.view.models),
        )

    async def serve(self, listening: socket.socket, ready_fd: int | None) -> None:
        """Serve until a signal, then drain; what is settled by then is posted."""
        server = settings_server(self.app(), self.doorway, self.settings)
        self.answers.playing = server.server_state.tasks  # waited for when it drains, as the door's own calls are
        tasks = [
            asyncio.create_task(work)
            for work in (self.follower.run(), self.doorway.watch(), self.answers.run(), self.shared.run())
        ]
        tasks += self.upstreams.tasks()
        if ready_fd is not None:
            tasks.append(asyncio.create_task(tell_ready(server, ready_fd)))
        try:
            await server.serve(sockets=[listening])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.answers.close()
        await self.ledger.close()
        self.shared.publish()
        await self.upstreams.close()
        await self.http.close()
        self.file_storage.contents.close()
        await asyncio.to_thread(self.database.close)


def begun(call: Call, created_at: int) -> dict[str, Any]:
    """A response before anything of it is answered."""
    return begun_response(Envelope(call.answer_id, call.request.model, created_at), call.request)


def engine_share(settings: Settings, slot: int) -> Fraction:
    """A process's part of the local models' cache: all answers under way must have room in it."""
    gateways = settings.server.workers
    if not settings.jobs.enabled:
        return Fraction(1, gateways)
    return (1 - JOBS_SHARE) / gateways if slot < gateways else JOBS_SHARE


class WorkerServer(Server):
    """uvicorn's server; a signal ends it in order instead of ending the process right after its connections."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # asked twice: at once
        self.should_exit = True


def settings_server(app: Any, doorway: Doorway, settings: Settings) -> WorkerServer:
    """uvicorn, told to leave all that is ours to us."""
    return WorkerServer(
        Config(
            app,
            http=doorway.protocol(),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=2048,
            timeout_graceful_shutdown=int(settings.server.drain_s),
        )
    )


async def tell_ready(server: Server, ready_fd: int) -> None:
    """Write the supervisor a line as soon as connections are accepted."""
    while not server.started:  # noqa: ASYNC110 (uvicorn says it by this flag alone)
        await asyncio.sleep(0.005)
    os.write(ready_fd, b"ready\n")
    os.close(ready_fd)


def model_object(model: Model) -> ModelObject:
    """A model as OpenAI lists it."""
    return ModelObject(id=model.name, created=model.created_at, owned_by=model.owned_by)


# -- the process


async def work(settings: Settings, slot: int, workers: int, listening: socket.socket, ready_fd: int | None) -> None:
    """One worker's whole life."""
    worker = Worker(settings, slot, workers)
    await worker.open()
    settle_in()
    try:
        await worker.serve(listening, ready_fd)
    finally:
        await worker.close()


def settle_in() -> None:
    """Tune the interpreter for a process whose objects are made at its start, and then by calls that leave none behind."""
    gc.collect()
    gc.freeze()  # what lives from the start is never looked at again
    gc.set_threshold(20_000, 20, 20)
    # asyncio would keep a list of all generators that have begun, to close them at its end; ours are closed by who opened them.
    sys.set_asyncgen_hooks(firstiter=None)


def main() -> None:
    """Run the worker that the supervisor describes in WAYSTATION_WORKER."""
    spec = json.loads(os.environ.pop("WAYSTATION_WORKER"))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = None if spec["config"] is None else Path(spec["config"])
    settings = load_settings(config, Path(spec["data"]), os.environ, spec.get("overrides"))
    listening = socket.socket(fileno=spec["listen_fd"])
    listening.setblocking(False)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(work(settings, spec["slot"], spec["workers"], listening, spec["ready_fd"]))


if __name__ == "__main__":
    main()
