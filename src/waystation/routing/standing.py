"""How deployments, providers and credentials stand: what a worker has seen of them. By their names, so that it outlives a change
of the configuration. Nothing here decides who is asked."""

from collections.abc import Iterable, Mapping

import msgspec

from waystation.routing.breaker import Breaker
from waystation.routing.retries import RetryTokens
from waystation.routing.seam import Provider
from waystation.terms import Credential

LIMIT_REST_S = 1.0
"""Of a credential whose 429 does not say how long. It doubles while it is limited again and again, to LIMIT_REST_S_MAX."""
LIMIT_REST_S_MAX = 30.0
REFUSED_S = 60.0
"""A refused credential is tried again after this, in case nobody disables it and it was mended where it comes from."""
LATENCY_PART = 0.2
"""Of the newest time to first byte, in the moving average."""
STATES_MAX = 10_000
"""Deployments that are remembered; above it those that are well and idle are forgotten."""


class CredentialState:
    """Its rest and its refusal, apart from the health of deployments: another credential does as well as before."""

    __slots__ = ("limited", "limited_at_s", "refused", "until_s")

    def __init__(self) -> None:
        self.until_s = 0.0
        self.refused = False
        self.limited = 0  # in a row
        self.limited_at_s = -1e9

    def rests_s(self, now_s: float) -> float:
        return self.until_s - now_s if self.until_s > now_s else 0.0

    def limit(self, now_s: float, retry_after_ms: int | None) -> None:
        rest_s = min(LIMIT_REST_S_MAX, LIMIT_REST_S * 2.0 ** min(self.limited, 16))
        if retry_after_ms is not None:
            rest_s = retry_after_ms / 1000
        self.limited += 1
        self.limited_at_s = now_s
        self.until_s = max(self.until_s, now_s + rest_s)

    def refuse(self, now_s: float) -> bool:
        """It was refused. True: that is news."""
        news = not (self.refused and self.until_s > now_s)
        self.refused = True
        self.until_s = now_s + REFUSED_S
        return news

    def well(self) -> None:
        self.until_s = 0.0
        self.refused = False
        self.limited = 0


class ProviderState:
    __slots__ = ("credentials", "in_flight", "tokens")

    def __init__(self) -> None:
        self.in_flight = 0
        self.tokens = RetryTokens()
        self.credentials: dict[str, CredentialState] = {}  # those that have ever been limited or refused

    def is_full(self, concurrency_max: int | None) -> bool:
        return concurrency_max is not None and self.in_flight >= concurrency_max

    def rests_s(self, credential: Credential, now_s: float) -> float:
        state = self.credentials.get(credential.id) if self.credentials else None
        return state.rests_s(now_s) if state is not None else 0.0

    def of(self, credential: Credential) -> CredentialState:
        state = self.credentials.get(credential.id)
        if state is None:
            state = self.credentials[credential.id] = CredentialState()
        return state


class DeploymentState:
    __slots__ = ("breaker", "in_flight", "latency_s", "provider")

    def __init__(self, provider: str) -> None:
        self.breaker = Breaker()
        self.in_flight = 0
        self.latency_s: float | None = None  # moving average of the time to the first byte
        self.provider = provider

    def took(self, seconds: float) -> None:
        last = self.latency_s
        self.latency_s = seconds if last is None else last + LATENCY_PART * (seconds - last)


class Health(msgspec.Struct, frozen=True):
    """How one deployment stands, for people and figures. Whole milliseconds."""

    deployment: str
    provider: str
    state: str  # "closed" | "open" | "half_open"
    shut_ms: int
    in_flight: int
    latency_ms: int | None
    succeeded: int  # calls of the last seconds (`breaker.WINDOW_S`)
    failed: int
    failures_in_a_row: int


class CredentialHealth(msgspec.Struct, frozen=True):
    provider: str
    credential_id: str
    rests_ms: int
    refused: bool


class Standing:
    """All states of a worker."""

    def __init__(self) -> None:
        self.deployments: dict[str, DeploymentState] = {}
        self.providers: dict[str, ProviderState] = {}

    def deployment(self, name: str, provider: str) -> DeploymentState:
        state = self.deployments.get(name)
        if state is None or state.provider != provider:
            if len(self.deployments) >= STATES_MAX:
                self._forget()
            state = self.deployments[name] = DeploymentState(provider)
        return state

    def provider(self, name: str) -> ProviderState:
        state = self.providers.get(name)
        if state is None:
            state = self.providers[name] = ProviderState()
        return state

    def changed(self, before: Mapping[str, Provider], after: Mapping[str, Provider]) -> None:
        """The configuration has changed: what is gone is forgotten, and a credential that was touched is well again."""
        for name in [name for name in self.providers if name not in after]:
            del self.providers[name]
        for name in [name for name, state in self.deployments.items() if state.provider not in after]:
            del self.deployments[name]
        for name, state in self.providers.items():
            old = _by_id(before[name].credentials) if name in before else {}
            new = _by_id(after[name].credentials)
            for id_ in [id_ for id_ in state.credentials if id_ not in new or new[id_] != old.get(id_)]:
                del state.credentials[id_]

    def health(self, now_s: float) -> list[Health]:
        return [_health(name, state, now_s) for name, state in sorted(self.deployments.items())]

    def credentials(self, now_s: float) -> list[CredentialHealth]:
        """Those that rest or were refused."""
        return [
            CredentialHealth(name, id_, round(state.rests_s(now_s) * 1000), state.refused)
            for name, provider in sorted(self.providers.items())
            for id_, state in sorted(provider.credentials.items())
            if state.rests_s(now_s) > 0
        ]

    def _forget(self) -> None:
        idle = [name for name, state in self.deployments.items() if state.in_flight == 0 and state.breaker.closed]
        for name in idle:
            del self.deployments[name]


def _by_id(credentials: Iterable[Credential]) -> dict[str, Credential]:
    return {credential.id: credential for credential in credentials}


def _health(name: str, state: DeploymentState, now_s: float) -> Health:
    good, bad = state.breaker.counts(now_s)
    return Health(
        name,
        state.provider,
        state.breaker.state(now_s),
        round(state.breaker.shut_s(now_s) * 1000),
        state.in_flight,
        None if state.latency_s is None else round(state.latency_s * 1000),
        good,
        bad,
        state.breaker.in_a_row,
    )
