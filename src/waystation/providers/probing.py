"""The test call of a provider: how far a request comes, hop by hop, for nothing; and the cheap probe of its health."""

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from waystation.providers import probing_words as say
from waystation.providers.headers import headers_of
from waystation.providers.model import ProviderConfig, Tls
from waystation.providers.probing_rules import KEY_PATHS, Free, Verdict, free_request, judge, listing, origin_of
from waystation.providers.probing_words import Finding, Words
from waystation.terms import NO_CREDENTIAL, Credential
from waystation.wire.http import ConnectFailed, Headers, Http, HttpFault, Origin, Timeouts, Trace, encode_headers

LIST_BYTES_MAX = 16 * 1024 * 1024
ANSWER_S = 20.0
"""A list of models takes no longer."""

HopName = Literal["name", "proxy", "connect", "tls", "authentication", "model"]
Outcome = Literal["ok", "failed", "skipped"]


class Hop(msgspec.Struct, frozen=True):
    name: HopName
    outcome: Outcome
    ms: int | None  # None: it was not gone
    found: Words
    next_step: Words | None = None  # of one that failed, and of one that leaves a doubt


class Report(msgspec.Struct, frozen=True):
    """Six hops, always all of them and in this order. It holds nothing of the credential or the proxy's password."""

    provider: str
    hops: tuple[Hop, ...]

    @property
    def ok(self) -> bool:
        return all(hop.outcome != "failed" for hop in self.hops)

    @property
    def failed(self) -> Hop | None:
        return next((hop for hop in self.hops if hop.outcome == "failed"), None)


class Clients(Protocol):
    """The network (`runtime/http_clients.py`)."""

    def for_(self, proxy: str | None, tls: Tls, allow_private: bool) -> Http: ...
    async def trace(
        self, origin: Origin, proxy: str | None, tls: Tls, allow_private: bool, timeout_s: float
    ) -> Trace: ...


Shown = Callable[[ProviderConfig, Credential, Origin, str], Sequence[tuple[str, str]] | None]
"""(config, credential, origin, target) → the headers of a GET; None: this kind can't be asked for free."""


def shown(config: ProviderConfig, credential: Credential, origin: Origin, target: str) -> list[tuple[str, str]] | None:
    """As every kind but Bedrock is asked, whose requests are signed one by one."""
    return None if config.kind == "bedrock" else headers_of(config.kind, credential, config)


async def try_provider(
    config: ProviderConfig,
    clients: Clients,
    *,
    model: str | None = None,
    credential: Credential | None = None,
    shown: Shown = shown,
) -> Report:
    """Go as far as a call would, without one that costs anything. `config` has its preset's base URL already.

    `model` is its name at the provider; `credential` None: the first that is not disabled.
    """
    if credential is None:
        credential = next((each for each in config.credentials if not each.disabled), NO_CREDENTIAL)
    hops = await _reach(config, clients)
    if all(hop.outcome != "failed" for hop in hops):
        visit = _Visit(config, clients, credential, shown)
        hops += await visit.asked(model)
        if visit.fault is not None and visit.fault.hop == "tls":
            # A server of TLS 1.3 refuses our certificate only after the handshake.
            late = _failed("tls", say.of_fault(visit.fault), None)
            hops = [late if hop.name == "tls" else hop for hop in hops]
    names = {hop.name for hop in hops}
    missing: tuple[HopName, ...] = ("name", "proxy", "connect", "tls", "authentication", "model")
    hops += [_skipped(name, say.NOT_REACHED) for name in missing if name not in names]
    return Report(config.name, tuple(sorted(hops, key=lambda hop: missing.index(hop.name))))


async def probe(config: ProviderConfig, http: Http, credential: Credential = NO_CREDENTIAL) -> bool:
    """Whether it answers at all, for nothing: any status below 500. What it says of our key is not its health."""
    try:
        free = free_request(config) if config.kind != "bedrock" else None
        origin, target = (free.origin, free.target) if free is not None else (origin_of(config), "/")
        headers = encode_headers(shown(config, credential, origin, target) or [])
        response = await http.request(origin, "GET", target, headers, b"", _timeouts(config))
    except (HttpFault, ValueError):
        return False
    response.drain()
    response.close()
    return response.status < 500


async def _reach(config: ProviderConfig, clients: Clients) -> list[Hop]:
    """The hops up to TLS; those after one that failed are missing."""
    try:
        origin = origin_of(config)
    except ValueError as error:
        return [_failed("name", say.of_settings(error), None)]
    try:
        trace = await clients.trace(
            origin, config.proxy, config.tls, config.allow_private_network, config.connect_timeout_s
        )
    except ValueError as error:
        name: HopName = "tls" if str(error).startswith(("ca_file", "client_")) else "proxy"
        return [_failed(name, say.of_settings(error), None)]
    hops = _not_gone(origin, config)
    hops += [Hop(_NAMES[step.hop], "ok", step.ms, say.PASSED.found) for step in trace.passed]
    if trace.fault is not None and trace.failed is not None:
        hops = [hop for hop in hops if hop.name != _NAMES[trace.failed]]
        hops.append(_failed(_NAMES[trace.failed], say.of_fault(trace.fault), trace.ms))
    return hops


_NAMES: dict[str, HopName] = {"dns": "name", "proxy": "proxy", "connect": "connect", "tls": "tls"}


def _not_gone(origin: Origin, config: ProviderConfig) -> list[Hop]:
    """The hops that this way does not have."""
    none: list[Hop] = []
    if origin.scheme == "unix":
        return [_skipped("name", say.NO_NAME), _skipped("proxy", say.NO_NAME), _skipped("tls", say.NO_NAME)]
    if config.proxy is None:
        none.append(_skipped("proxy", say.NO_PROXY))
    else:
        none.append(_skipped("connect", say.PROXY_CONNECTS))
        if not config.proxy.startswith("socks5:"):
            none.append(_skipped("name", say.PROXY_RESOLVES))
    if origin.scheme == "http":
        none.append(_skipped("tls", say.NO_TLS))
    return none


class _Visit:
    """The requests of one test."""

    def __init__(self, config: ProviderConfig, clients: Clients, credential: Credential, shown: Shown) -> None:
        self._config = config
        self._credential = credential
        self._http = clients.for_(config.proxy, config.tls, config.allow_private_network)
        self._shown = shown
        self.fault: ConnectFailed | None = None

    async def asked(self, model: str | None) -> list[Hop]:
        """The hops authentication and model."""
        started = time.perf_counter()

        def ms() -> int:
            return int((time.perf_counter() - started) * 1000)

        free = free_request(self._config)
        try:
            if free is None or self._headers(self._credential, free.origin, free.target) is None:
                return [_skipped("authentication", say.NOT_FREE), self._unseen(model)]
        except ValueError:
            return [_failed("authentication", say.BAD_CREDENTIAL, None)]
        try:
            verdict, body = await self._get(free.origin, free.target, self._credential)
            key_hop = await self._authentication(free, verdict, ms)
        except HttpFault as fault:
            if isinstance(fault, ConnectFailed):
                self.fault = fault
                if fault.hop == "tls":
                    return []
            return [_failed("authentication", say.of_fault(fault), ms())]
        if key_hop.outcome == "failed":
            return [key_hop]
        started = time.perf_counter()
        return [key_hop, await self._model(free, body if verdict == "accepted" else b"", model, ms)]

    async def _authentication(self, free: Free, verdict: Verdict, ms: Callable[[], int]) -> Hop:
        if verdict == "accepted" and self._credential.secret is not None:
            key_path = KEY_PATHS.get(self._config.preset or "")
            if key_path is not None:
                target = free.origin.path + key_path
                verdict, _ = await self._get(free.origin, target, self._credential, any_json=True)
            elif (await self._get(free.origin, free.target, NO_CREDENTIAL))[0] == "accepted":
                return Hop("authentication", "skipped", ms(), say.OPEN_TO_ALL.found)
        elif verdict == "accepted":
            return Hop("authentication", "ok", ms(), say.NO_CREDENTIAL.found)
        told = say.of_verdict(verdict)
        outcome: Outcome = "ok" if verdict == "accepted" else "failed"
        if verdict in ("limited", "not_served"):
            outcome = "skipped"
        return Hop("authentication", outcome, ms(), told.found, told.next_step)

    async def _model(self, free: Free, body: bytes, model: str | None, ms: Callable[[], int]) -> Hop:
        listed = listing(body)
        if model is None or self._config.kind in ("azure", "bedrock"):  # whose names are deployments and profiles
            return self._unseen(model)
        if listed is not None and model.removeprefix("models/") in listed.models:
            return Hop("model", "ok", ms(), say.MODEL_FOUND.found)
        try:
            status, _ = await self._answer(free.origin, free.of_one(model), self._credential)
        except HttpFault as fault:
            return _failed("model", say.of_fault(fault), ms())
        if status == 200:  # an alias, which no list names
            return Hop("model", "ok", ms(), say.MODEL_FOUND.found)
        if listed is None or not (listed.whole or status == 404):
            return Hop("model", "skipped", ms(), say.MODEL_UNKNOWN.found)
        return _failed("model", say.MODEL_MISSING, ms())

    def _unseen(self, model: str | None) -> Hop:
        return _skipped("model", say.NO_MODEL_NAMED if model is None else say.MODEL_UNKNOWN)

    async def _get(
        self, origin: Origin, target: str, credential: Credential, *, any_json: bool = False
    ) -> tuple[Verdict, bytes]:
        status, body = await self._answer(origin, target, credential)
        if any_json and status == 200:
            return "accepted", body
        return judge(self._config.kind, status, body), body

    async def _answer(self, origin: Origin, target: str, credential: Credential) -> tuple[int, bytes]:
        headers = self._headers(credential, origin, target) or ()
        response = await self._http.request(origin, "GET", target, headers, b"", _timeouts(self._config))
        try:
            return response.status, await response.read(LIST_BYTES_MAX)
        finally:
            response.close()

    def _headers(self, credential: Credential, origin: Origin, target: str) -> Headers | None:
        pairs = self._shown(self._config, credential, origin, target)
        return None if pairs is None else encode_headers(pairs)


def _timeouts(config: ProviderConfig) -> Timeouts:
    return Timeouts(config.connect_timeout_s, ANSWER_S, ANSWER_S, ANSWER_S)


def _failed(name: HopName, told: Finding, ms: int | None) -> Hop:
    return Hop(name, "failed", ms, told.found, told.next_step)


def _skipped(name: HopName, told: Finding) -> Hop:
    return Hop(name, "skipped", None, told.found, told.next_step)
