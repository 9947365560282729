"""A call that is not simply answered by the first that is asked: what it has met so far, and what that makes the next move."""

from collections.abc import Mapping

from waystation.errors import ApiError, ServiceUnavailable, Unsupported, UpstreamFailed
from waystation.gateway.call import Call
from waystation.routing.balance import Chance
from waystation.routing.drills import Drills
from waystation.routing.failing import Failed
from waystation.routing.going_on import Said, may_go_on
from waystation.routing.moves import Lower, Move, Option, Resume, Try, Wait, next_move, rung_of
from waystation.routing.plan import AS_USUAL, SpokenTable, Stop, stops
from waystation.routing.seam import Provider
from waystation.routing.standing import Standing
from waystation.terms import ENGINE, Blame, Model, Operation, Route, Rung, Target

TOTAL_S = 600.0
"""Of all attempts together, where the route says nothing: as long as OpenAI's SDKs wait."""


class Trip:
    """`said`: what has gone out of the answer, kept where it could be gone on with."""

    def __init__(
        self,
        call: Call,
        model: Model,
        providers: Mapping[str, Provider],
        spoken: SpokenTable,
        standing: Standing,
        began_s: float,
        chance: Chance,
    ) -> None:
        """Raises Unsupported, ServiceUnavailable where nobody could ever answer."""
        self._call = call
        self._model = model
        self._route = model.route or AS_USUAL
        self.providers = providers
        self._standing = standing
        self._chance = chance
        self._spoken = spoken.get((call.dialect, call.operation))
        self._stops = stops(call, model, providers, spoken, standing, began_s, chance)
        self._below = _below(self._route)
        if not self._stops and not self._below:
            raise _nobody(call, model, providers)
        self._until_s = began_s + (self._route.total_timeout_s or TOTAL_S)
        self._first = self._stops[0].target if self._stops else None
        self._waits = 0
        self.served = call.served  # who answers where the model that was asked for does: a canary, a replacement
        self.so_far: list[Failed] = []
        self.said: Said | None = self._listener()

    def began_at(self, target: Target, said: Said | None) -> None:
        """This one was asked before there was a trip, and so much of its answer has gone out."""
        self._first, self.said = target, said
        self._stops.sort(key=lambda stop: stop.target.deployment.name != target.deployment.name)

    def left_s(self, now_s: float) -> float:
        return self._until_s - now_s

    def failed(self, target: Target, error: ApiError, *, dispatched: bool = True, sent: bool = False) -> None:
        """An attempt has failed. `sent`: after something of the answer had gone out."""
        blame = error.blame
        if sent and blame is Blame.CALLER:  # what it refuses may be what we put into its mouth
            blame = Blame.MODEL
        if sent and not (self.said is not None and may_go_on(self._call, self.said, self._spoken)):
            blame = None
        if blame is Blame.BUSY:  # our own bound: nothing went out
            dispatched = False
            self._call.attempts -= 1
        self.so_far.append(Failed(target, blame, error, target.model is not self._model, dispatched))

    def next(self, now_s: float, drills: Drills, now_at: int) -> Move:
        """The next move. What is drilled fails here as it would there. `now_at`: UTC seconds."""
        sent = self.said.text if self.said is not None and self.said.first else None
        while True:
            move = next_move(
                self._options(now_s),
                self.so_far,
                left_s=self.left_s(now_s),
                attempts_max=self._route.attempts_max,
                chance=self._chance(),
                waits=self._waits,
                sent=sent,
                any_goes_on=self._call.operation is Operation.COMPLETION,
                below=self._below,
                model=self._model.name,
            )
            if isinstance(move, Wait):
                self._waits += 1
            if not drills.any or not isinstance(move, Try | Resume):
                return move
            blame = drills.hit(self._call.project, move.target, now_at)
            if blame is None:
                return move
            error = UpstreamFailed(f"The provider of the model `{self._model.name}` is down (drill).")
            fallback = move.target.model is not self._model
            self.so_far.append(Failed(move.target, blame, error, fallback, dispatched=False, drilled=True))

    def lowered(self, move: Lower) -> None:
        """That rung had nothing."""
        self._below = [rung for rung in self._below if rung is not move.rung]

    def rung(self, move: Try | Resume) -> Rung:
        target = move.target
        fallback = target.model is not self._model
        first = self._first or target
        local = target.deployment.provider == ENGINE
        return rung_of(first, target, fallback=fallback, local=local, repeat=move.repeat)

    def _listener(self) -> Said | None:
        """What keeps the text that goes out, where an answer that breaks off could be gone on with at all."""
        call = self._call
        prefill = any(stop.target.deployment.prefill for stop in self._stops)
        able = self._spoken is not None and (prefill or call.operation is Operation.COMPLETION)
        return Said(self._spoken.not_plain) if self._spoken and call.request.stream and able else None

    def _options(self, now_s: float) -> list[Option]:
        return [self._option(stop, now_s) for stop in self._stops]

    def _option(self, stop: Stop, now_s: float) -> Option:
        deployment = stop.target.deployment
        most = self.providers[deployment.provider].concurrency_max
        provider = self._standing.provider(deployment.provider)
        breaker = self._standing.deployment(deployment.name, deployment.provider).breaker
        return Option(
            stop.target,
            stop.fallback,
            breaker.shut_s(now_s),
            breaker.quick,
            provider.rests_s(stop.target.credential, now_s),
            provider.is_full(most),
            provider.tokens.allow,
        )


def _below(route: Route) -> list[Rung]:
    """The rungs under models that a route has."""
    stale = [Rung.STALE_CACHE] if route.stale_s else []
    return [*stale, Rung.STATIC] if route.static is not None else stale


def _nobody(call: Call, model: Model, providers: Mapping[str, Provider]) -> ApiError:
    """Why no deployment could be found at all."""
    tiers = model.tiers or ((model.deployment,),)
    there = [providers[one.provider] for tier in tiers for one in tier if one.provider in providers]
    if not there:
        return ServiceUnavailable(f"The provider of the model `{model.name}` is not running.", retry_after_ms=2000)
    if any(call.operation in provider.operations for provider in there):
        if all(one.disabled for provider in there for one in provider.credentials):
            return ServiceUnavailable(
                f"Every credential for the model `{model.name}` is disabled. An administrator enables one or adds one.",
                detail=f"{model.name}: all credentials are disabled",
            )
        return Unsupported(f"The model `{model.name}` can't be asked in this API's dialect.", param="model")
    return Unsupported(
        f"The provider of the model `{model.name}` does not serve {call.operation.value}.", param="model"
    )
