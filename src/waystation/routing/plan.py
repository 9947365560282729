"""Where a call may go at all, in the order in which that is wanted: its model's tiers, then its fallbacks. Pure."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from waystation.dialects.table import Spoken
from waystation.gateway.call import Call
from waystation.routing.balance import Chance, affinity_key, ordered, pooled
from waystation.routing.seam import Provider
from waystation.routing.standing import ProviderState, Standing
from waystation.terms import WITHOUT_OUTPUT, Credential, Deployment, Dialect, Model, Operation, Route, Target

BYTES_PER_TOKEN_MOST = 6
"""A prompt with more bytes than this for each token of a model's context surely does not fit there."""

AS_USUAL = Route()
SpokenTable = Mapping[tuple[Dialect, Operation], Spoken]


class Stop(msgspec.Struct, frozen=True):
    target: Target
    fallback: bool


def stops(
    call: Call,
    model: Model,
    providers: Mapping[str, Provider],
    spoken: SpokenTable,
    standing: Standing,
    now_s: float,
    chance: Chance,
) -> list[Stop]:
    """Every deployment with every credential in use that could answer the call, however it is at the moment."""
    found: list[Stop] = []
    for candidate in (model, *model.fallbacks):
        fallback = candidate is not model
        if fallback and not _can(candidate, call):
            continue
        route = candidate.route or AS_USUAL
        for tier in candidate.tiers or ((candidate.deployment,),):
            able = [deployment for deployment in tier if _serves(providers.get(deployment.provider), call, spoken)]
            for deployment in in_order(able, call, candidate, route, standing, chance):
                provider = providers[deployment.provider]
                state = standing.provider(deployment.provider)
                pool = pooled(provider.credentials, partial(_limited_at_s, state), now_s, chance)
                found += [Stop(Target(deployment, candidate, credential), fallback) for credential in pool]
    return found


def in_order(
    tier: Sequence[Deployment], call: Call, model: Model, route: Route, standing: Standing, chance: Chance
) -> list[Deployment]:
    """The deployments of a tier, the most wanted first."""
    if len(tier) <= 1:
        return list(tier)
    loads = {deployment.name: standing.deployment(deployment.name, deployment.provider) for deployment in tier}
    key = None
    if route.affinity and call.operation not in WITHOUT_OUTPUT:
        key = affinity_key(call.project, model.name, call.body)
    return ordered(tier, loads, route.balance, key, chance)


def _serves(provider: Provider | None, call: Call, spoken: SpokenTable) -> bool:
    """Whether it is there, does such work, and understands the caller or can be told what is asked."""
    if provider is None or call.operation not in provider.operations:
        return False
    return (call.dialect, call.operation) in provider.native or (call.dialect, call.operation) in spoken


def _can(model: Model, call: Call) -> bool:
    """Whether a fallback is able to do what is asked. The requested model's abilities were checked by `policy`."""
    abilities, request = model.abilities, call.request
    if call.operation not in abilities.operations:
        return False
    if not abilities.vision and getattr(request, "has_images", False):
        return False
    if not abilities.tools and _wants_tools(request):
        return False
    return len(call.body) <= abilities.context_tokens_max * BYTES_PER_TOKEN_MOST or _text_bytes(request) <= (
        abilities.context_tokens_max * BYTES_PER_TOKEN_MOST
    )


def _wants_tools(request: Any) -> bool:
    return bool(getattr(request, "tools", None) or getattr(request, "functions", None))


def _text_bytes(request: Any) -> int:
    """Of the text that the model reads; a picture in the body is none."""
    return len(getattr(request, "prompt_text", "").encode())


def could_go_on(model: Model) -> bool:
    """Whether any deployment can be prefilled, so that what goes out of a stream is kept."""
    if model.deployment.prefill and not model.tiers:
        return True
    return any(one.prefill for tier in model.tiers for one in tier) or any(map(could_go_on, model.fallbacks))


def _limited_at_s(state: ProviderState, credential: Credential) -> float:
    known = state.credentials.get(credential.id)
    return known.limited_at_s if known is not None else -1e9
