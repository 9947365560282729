"""Who is wanted first among those that serve alike: deployments of a tier, credentials of a pool. Pure; chance is given."""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, Protocol, TypeVar

from waystation.terms import Credential, Deployment

AFFINITY_BYTES = 4096
"""So much of a request's beginning names its prompt cache. Providers keep prompts of 1024 tokens and more, so a shorter
request has none to look for, and is shared out like any other."""
AFFINITY_CALLS_AHEAD = 8
"""A deployment that has so many more calls under way than the least busy one is passed over, cache or not."""
EXPLORED_SHARE = 0.05
"""Of the calls that go by latency: to anybody, so that who was slow once is measured again."""
LIMITED_S = 60.0
"""A credential that was limited within this time comes after those that were not."""

Weighted = TypeVar("Weighted", Deployment, Credential)
Balance = Literal["weighted", "least_busy", "lowest_latency"]
Chance = Callable[[], float]


class Load(Protocol):
    """What is known of a deployment (`standing.DeploymentState`)."""

    @property
    def in_flight(self) -> int: ...
    @property
    def latency_s(self) -> float | None: ...


def ordered(
    tier: Sequence[Deployment], loads: Mapping[str, Load], balance: Balance, key: bytes | None, chance: Chance
) -> list[Deployment]:
    """The deployments of a tier, the most wanted first; those of weight 0 last. `key` names the prompt's cache."""
    weighty = [deployment for deployment in tier if deployment.weight > 0]
    spare = [deployment for deployment in tier if deployment.weight <= 0]
    if balance == "least_busy":
        weighty.sort(key=lambda deployment: (loads[deployment.name].in_flight / deployment.weight, chance()))
    elif balance == "lowest_latency" and chance() >= EXPLORED_SHARE:
        weighty.sort(key=lambda deployment: (loads[deployment.name].latency_s or 0.0, chance()))
    else:
        weighty.sort(key=lambda deployment: by_weight(deployment.weight, chance()))
    if key is not None and len(weighty) > 1:
        _prefer(weighty, loads, key)
    return weighty + spare


def drawn(choices: Sequence[Weighted], chance: float) -> Weighted:
    """One of several, each as often as its weight says: what comes out first of `ordered` by weight, and of `pooled`."""
    left = chance * sum(choice.weight for choice in choices)
    for choice in choices:
        left -= choice.weight
        if left < 0:
            return choice
    return choices[0]


def by_weight(weight: int, chance: float) -> float:
    """A sort key: the first of those sorted by it is each of them as often as its weight says."""
    return -math.log(max(chance, 1e-300)) / weight


def affinity_key(project: str, model: str, body: bytes) -> bytes | None:
    """What requests have in common that begin alike; None: too short for a prompt cache."""
    if len(body) < AFFINITY_BYTES:
        return None
    start = body.find(b'"messages"')
    start = max(body.find(b'"prompt"'), 0) if start < 0 else start
    if len(body) - start < AFFINITY_BYTES:
        return None
    begin = body[start : start + AFFINITY_BYTES]
    return blake2b(begin, digest_size=16, key=blake2b(f"{project}\n{model}".encode(), digest_size=32).digest()).digest()


def pooled(
    credentials: Sequence[Credential], limited_at_s: Callable[[Credential], float], now_s: float, chance: Chance
) -> list[Credential]:
    """The credentials of a pool that are in use, by weight; those limited of late behind them, the longest ago first."""
    usable = [credential for credential in credentials if not credential.disabled]
    if len(usable) <= 1:
        return usable

    def wish(credential: Credential) -> tuple[bool, float, float]:
        at_s = limited_at_s(credential)
        late = now_s - at_s < LIMITED_S
        spare = credential.weight <= 0
        return (late or spare, at_s if late else -1e18, by_weight(max(credential.weight, 1), chance()))

    return sorted(usable, key=wish)


def _prefer(deployments: list[Deployment], loads: Mapping[str, Load], key: bytes) -> None:
    """Put those in front to whom the key belongs: rendezvous hashing, so that few keys move when one comes or goes."""
    deployments.sort(key=lambda deployment: _score(deployment, key), reverse=True)
    least = min(loads[deployment.name].in_flight for deployment in deployments)
    if loads[deployments[0].name].in_flight > least + AFFINITY_CALLS_AHEAD:
        deployments.append(deployments.pop(0))


def _score(deployment: Deployment, key: bytes) -> float:
    digest = blake2b(deployment.name.encode(), digest_size=8, key=key).digest()
    share = (int.from_bytes(digest) + 1) / (2**64 + 1)
    return -deployment.weight / math.log(share)
