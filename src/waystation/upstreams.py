"""Where a worker's calls go: what the file says joined with the rows of the control plane, providers built of that, and
routing told of every change. A joiner, as `app.py` is: it decides nothing."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from waystation.catalogue.parameters_table import rules_for
from waystation.errors import ServiceUnavailable
from waystation.fleet import store as fleet_store
from waystation.fleet.registry import Joined
from waystation.fleet.service import Fleet
from waystation.providers.anthropic.provider import Anthropic
from waystation.providers.bedrock.provider import Bedrock
from waystation.providers.cache.service import Cache
from waystation.providers.cache.store import Sealer
from waystation.providers.gemini.provider import Gemini
from waystation.providers.model import ProviderConfig
from waystation.providers.openai.provider import OpenAI
from waystation.providers.probing import Report, probe, try_provider
from waystation.providers.static.replies import Replies
from waystation.routing.probing import Prober
from waystation.routing.router import Router
from waystation.routing.seam import Provider
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.egress import Egress
from waystation.runtime.http_client import HttpClient
from waystation.runtime.http_clients import Clients
from waystation.terms import ENGINE, Model
from waystation.wire.drills import CredentialHealth, DeploymentHealth, HealthObject

REFUSALS_AT_ONCE_MAX = 64
"""Refused credentials that are being written down."""

log = logging.getLogger("waystation.upstreams")


class Upstreams:
    """One worker's. `load` before the first call, and again at every change."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        fleet: Fleet,
        engine: Provider,
        count_tokens: Callable[[str, str], int],
        sealer: Sealer | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._fleet = fleet
        self._engine = engine
        self._clients = Clients()
        self._egress = Egress()
        self._configs: dict[str, ProviderConfig] = {}
        self._refusals: dict[str, asyncio.Task[None]] = {}
        self._told: tuple[str, ...] = ()
        self._https: dict[str, HttpClient] = {}
        self.cache = Cache(database.read, database.write, clock, sealer=sealer)
        self.router = Router(
            {ENGINE: engine},
            self.cache,
            Replies(clock.now_s),
            clock=clock,
            count_tokens=count_tokens,
            on_refused=self._refused,
        )
        self._prober = Prober(self.router.standing, self._probe, clock.monotonic_s)

    async def load(self) -> Joined:
        """Read all of it and have routing know. Raises ServiceUnavailable."""
        joined = self._fleet.join(await self._database.read(self._fleet.load))
        problems = list(joined.problems)
        providers: dict[str, Provider] = {ENGINE: self._engine}
        https: dict[str, HttpClient] = {}
        for name, config in joined.providers.items():
            try:
                https[name] = self._clients.for_(config.proxy, config.tls, config.allow_private_network)
                unchanged = self._configs.get(name) == config and self._https.get(name) is https[name]
                providers[name] = self.router.providers[name] if unchanged else self._built(config, https[name])
            except (ValueError, OSError) as error:
                https.pop(name, None)
                problems.append(f"provider {name}: {error}")
        self._configs, self._https = dict(joined.providers), https
        self.router.set_providers(providers)
        self._clients.keep_only(https.values())
        for problem in problems:
            if problem not in self._told:
                log.warning("%s; it is left out", problem)
        self._told = tuple(problems)
        return joined

    def _built(self, config: ProviderConfig, http: HttpClient) -> Provider:
        """Raises ValueError, in words for who configured it."""
        match config.kind:
            case "anthropic":
                return Anthropic(config, http)
            case "gemini":
                return Gemini(config, http, fetch=self._egress.fetch)
            case "bedrock":
                return Bedrock(config, http, fetch=self._egress.fetch)
            case _:
                return OpenAI(config, http, rules=rules_for)

    async def drills_changed(self, _subjects: Sequence[str] = ()) -> None:
        """Read the drills anew: a listener for their changes."""
        now = self._clock.now_s()
        self.router.drills.put(await self._database.read(lambda connection: fleet_store.drills(connection, now)))

    # -- what the catalogue asks

    def is_live(self, model: Model) -> bool:
        """Whether a model has a deployment that is well, as far as this worker knows."""
        return any(
            deployment.provider in self.router.providers
            and ((known := self.router.standing.deployments.get(deployment.name)) is None or known.breaker.closed)
            for tier in model.tiers or ((model.deployment,),)
            for deployment in tier
        )

    def latency_ms(self, model: Model) -> float | None:
        """To the first byte, of the fastest deployment that was measured."""
        known = self.router.standing.deployments
        measured = [
            state.latency_s
            for tier in model.tiers or ((model.deployment,),)
            for deployment in tier
            if (state := known.get(deployment.name)) is not None and state.latency_s is not None
        ]
        return min(measured) * 1000 if measured else None

    # -- what the control plane asks

    def health(self) -> HealthObject:
        names = DeploymentHealth.__struct_fields__
        deployments = [
            DeploymentHealth(**{name: getattr(each, name) for name in names}) for each in self.router.health()
        ]
        names = CredentialHealth.__struct_fields__
        credentials = [
            CredentialHealth(**{name: getattr(each, name) for name in names})
            for each in self.router.resting_credentials()
        ]
        return HealthObject(at=self._clock.now_s(), deployments=deployments, credentials=credentials)

    async def test(self, config: ProviderConfig, model: str | None) -> Report:
        """How far a request to a provider gets."""
        return await try_provider(config, self._clients, model=model)

    # -- beside the calls

    def tasks(self) -> list["asyncio.Task[None]"]:
        """What runs as long as the worker serves."""
        return [asyncio.create_task(self.cache.run()), asyncio.create_task(self._prober.run())]

    async def close(self) -> None:
        for task in self._refusals.values():
            task.cancel()
        await asyncio.gather(*self._refusals.values(), return_exceptions=True)
        await self.cache.close()
        await self._clients.close()
        self._egress.close()

    async def _probe(self, name: str) -> bool:
        config, http = self._configs.get(name), self._https.get(name)
        if config is None or http is None:
            return False
        return await probe(config, http, config.credentials[0]) if config.credentials else await probe(config, http)

    def _refused(self, provider: str, credential_id: str, detail: str) -> None:
        """A credential was refused: every worker is to leave it alone, and an administrator to hear of it."""
        if not credential_id or credential_id in self._refusals or len(self._refusals) >= REFUSALS_AT_ONCE_MAX:
            return
        task = asyncio.create_task(self._write_refusal(provider, credential_id, detail))
        self._refusals[credential_id] = task
        task.add_done_callback(lambda _: self._refusals.pop(credential_id, None))

    async def _write_refusal(self, provider: str, credential_id: str, detail: str) -> None:
        config = self._configs.get(provider)
        pool = () if config is None else config.credentials
        shown = next((each.secret for each in pool if each.id == credential_id), None)
        log.warning("%s refused the credential %s: it is not used until somebody mends it", provider, credential_id)
        with suppress(ServiceUnavailable):  # it rests here in any case, and is refused again when it is tried again
            await self._database.write(
                lambda connection: self._fleet.refuse_credential(connection, credential_id, provider, detail, shown),
                durable=True,
            )
