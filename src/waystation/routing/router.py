"""Where a call goes: the shell that asks deployments and obeys the rules beside it (`moves.py`).

One layer retries, and this is it. An answer of which nothing has gone out can be asked for again from anybody; once text
has gone out it is only gone on with.
"""

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from waystation.dialects.table import SPOKEN
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.routing.balance import AFFINITY_BYTES, drawn
from waystation.routing.drills import Drills
from waystation.routing.going_on import Said
from waystation.routing.moves import GiveUp, Lower, Resume, Try, Wait
from waystation.routing.plan import AS_USUAL, SpokenTable, could_go_on, in_order
from waystation.routing.seam import Larder, Provider, Words
from waystation.routing.standing import CredentialHealth, Health, Standing
from waystation.routing.telling import gone_on, told
from waystation.routing.timing import in_time
from waystation.routing.trip import Trip
from waystation.routing.visit import Refused, Visit
from waystation.terms import Blame, Deployment, Event, Model, Operation, Piece, Rung, Target


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_s(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Router:
    """Asks whoever serves a model. What it has seen of them lives by their names, for this worker."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        larder: Larder | None = None,
        words: Words | None = None,
        *,
        clock: Clock,
        count_tokens: Callable[[str, str], int],
        chance: Callable[[], float] = random.random,
        on_refused: Refused | None = None,
        spoken: SpokenTable = SPOKEN,
    ) -> None:
        """`count_tokens(text, model)`: of what an answer has already that is gone on with. `on_refused`: a credential was."""
        self.drills = Drills()
        self.standing = Standing()
        self.providers: Mapping[str, Provider] = dict(providers)
        self._larder = larder
        self._words = words
        self._clock = clock
        self._now_s = clock.monotonic_s
        self._count_tokens = count_tokens
        self._chance = chance
        self._on_refused = on_refused
        self._spoken = spoken

    def set_providers(self, providers: Mapping[str, Provider]) -> None:
        """From now on these are there; calls under way end with those that they have."""
        self.standing.changed(self.providers, providers)
        self.providers = dict(providers)

    def health(self) -> list[Health]:
        return self.standing.health(self._now_s())

    def resting_credentials(self) -> list[CredentialHealth]:
        return self.standing.credentials(self._now_s())

    def attempt(self, call: Call, model: Model) -> AsyncGenerator[Event]:
        """The answer's events, Done last. Raises an ApiError: at once, or after pieces where it can't be gone on with.

        Before the first event `call` says who answers; where another goes on, it says so from then on.
        """
        if self._larder is not None and self._larder.wants(call, model):
            return self._kept(self._larder, call, model)
        return self._answered(call, model)

    async def _kept(self, larder: Larder, call: Call, model: Model) -> AsyncGenerator[Event]:
        found = await larder.find(call, model, stale=False)
        if found is None:
            events = larder.keep(call, model, self._answered(call, model))
        else:
            events = found
            _note_rung(call, Rung.CACHE)
        async with aclosing(events):
            async for event in events:
                yield event

    def _answered(self, call: Call, model: Model) -> AsyncGenerator[Event]:
        if (target := self._plain(call, model)) is not None:
            return self._direct(call, model, target)
        return self._travel(call, model, None)

    def _plain(self, call: Call, model: Model) -> Target | None:
        """Whom a call asks first, while all is well there. None: there is more to be decided; a trip finds out."""
        route = model.route
        if self.drills.any:
            return None
        if route is not None and not (route.first_byte_timeout_s is None and route.total_timeout_s is None):
            return None
        deployment = self._wanted(call, model) if model.tiers else model.deployment
        provider = self.providers.get(deployment.provider)
        if provider is None or (call.dialect, call.operation) not in provider.native:
            return None
        if call.operation not in provider.operations:
            return None
        state = self.standing.providers.get(deployment.provider)
        if state is not None and (state.credentials or state.is_full(provider.concurrency_max)):
            return None
        known = self.standing.deployments.get(deployment.name)
        if known is not None and not known.breaker.closed:
            return None
        pool = provider.credentials
        credential = pool[0] if len(pool) == 1 else drawn(pool, self._chance())
        return None if credential.disabled else Target(deployment, model, credential)

    def _wanted(self, call: Call, model: Model) -> Deployment:
        """The most wanted deployment of the first tier."""
        tier = model.tiers[0]
        if len(tier) == 1:
            return tier[0]
        route = model.route or AS_USUAL
        if route.balance == "weighted" and len(call.body) < AFFINITY_BYTES:
            return drawn(tier, self._chance())
        return in_order(tier, call, model, route, self.standing, self._chance)[0]

    async def _direct(self, call: Call, model: Model, target: Target) -> AsyncGenerator[Event]:
        """The plain case. Only when it fails is there anything to decide."""
        said = None
        if call.request.stream and (call.operation is Operation.COMPLETION or could_go_on(model)):
            spoken = self._spoken.get((call.dialect, call.operation))
            said = Said() if spoken is None else Said(spoken.not_plain)
        _note(call, target)
        visit = self._visit(target, said)
        events = self.providers[target.deployment.provider].send(call, target)
        flows = False
        try:
            async for event in events:
                if flows and type(event) is Piece:  # most of a long stream: nothing of it is anybody's business
                    yield event
                elif (passed := visit.passes(event)) is not None:
                    flows = said is None
                    yield passed
            return
        except ApiError as error:
            visit.failed(error, self._on_refused)
            if error.blame is None or error.blame is Blame.CALLER or (visit.begun and said is None):
                raise
            failure = error
        finally:
            await events.aclose()
            visit.left()
        trip = Trip(call, model, self.providers, self._spoken, self.standing, self._now_s(), self._chance)
        trip.began_at(target, said)
        trip.failed(target, failure, sent=visit.begun)
        async with aclosing(self._travel(call, model, trip)) as rest:
            async for event in rest:
                yield event

    async def _travel(self, call: Call, model: Model, trip: Trip | None) -> AsyncGenerator[Event]:
        """Move after move until someone has answered, or nobody can."""
        if trip is None:
            trip = Trip(call, model, self.providers, self._spoken, self.standing, self._now_s(), self._chance)
        while True:
            move = trip.next(self._now_s(), self.drills, self._clock.now_s())
            if isinstance(move, GiveUp):
                raise move.error
            if isinstance(move, Lower):
                lower = await self._lower(call, model, move.rung)
                if lower is None:
                    trip.lowered(move)
                    continue
                async with aclosing(lower):
                    async for event in lower:
                        yield event
                return
            if move.after_s > 0:
                await self._clock.sleep(move.after_s)
            if isinstance(move, Wait):
                continue
            try:
                events = self._events(call, model, trip, move)
            except ApiError as error:  # it can't be said in other words: someone who needs none may be there
                error.blame = Blame.UNABLE
                trip.failed(move.target, error, dispatched=False)
                continue
            if move.repeat:
                self.standing.provider(move.target.deployment.provider).tokens.spend()
            _note(call, move.target, trip.rung(move))
            call.served = trip.served if move.target.model is model else move.target.model
            visit = self._visit(move.target, trip.said)
            try:
                async for event in events:
                    if (passed := visit.passes(event)) is not None:
                        yield passed
                return
            except ApiError as error:
                visit.failed(error, self._on_refused)
                trip.failed(move.target, error, sent=visit.begun)
            finally:
                await events.aclose()
                visit.left()

    def _events(self, call: Call, model: Model, trip: Trip, move: Try | Resume) -> AsyncGenerator[Event]:
        """The events of one attempt. Raises an ApiError where the provider would have to be told what it can't be."""
        target = move.target
        provider = trip.providers[target.deployment.provider]
        spoken = self._spoken.get((call.dialect, call.operation))
        if isinstance(move, Resume):
            assert trip.said is not None
            assert spoken is not None
            events = gone_on(provider, call, target, trip.said, spoken, self._count_tokens)
        elif (call.dialect, call.operation) in provider.native:
            events = provider.send(call, target)
        else:
            assert spoken is not None
            events = told(provider, call, target, spoken, self._clock.now_s())
        route = model.route
        if route is None or (route.first_byte_timeout_s is None and route.total_timeout_s is None):
            return events
        return in_time(events, model.name, route.first_byte_timeout_s, trip.left_s(self._now_s()))

    def _visit(self, target: Target, said: Said | None) -> Visit:
        name = target.deployment.provider
        deployment = self.standing.deployment(target.deployment.name, name)
        return Visit(target, deployment, self.standing.provider(name), said, self._now_s)

    async def _lower(self, call: Call, model: Model, rung: Rung) -> AsyncGenerator[Event] | None:
        events = None
        if rung is Rung.STALE_CACHE and self._larder is not None:
            events = await self._larder.find(call, model, stale=True)
        elif rung is Rung.STATIC and self._words is not None:
            events = self._words.reply(call, model)
        if events is not None:
            _note_rung(call, rung)
        return events


def _note(call: Call, target: Target, rung: Rung = Rung.PRIMARY) -> None:
    """Say on the call who is asked now."""
    call.deployment = target.deployment.name
    call.attempts += 1
    call.rung = rung
    if call.attempts > 1:
        call.ignored = call.mapped = ()  # what the one before could not use


def _note_rung(call: Call, rung: Rung) -> None:
    """Say on the call that no model answers it."""
    call.deployment, call.rung, call.served = rung.value, rung, None
    call.ignored = call.mapped = ()
