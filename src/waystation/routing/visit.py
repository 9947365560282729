"""One attempt at a deployment: what of its answer goes on, and what others learn from it.

What begins an answer without text (a stream's first, empty event) waits for the first that has any: so much can still be
asked for anew from anybody.
"""

from collections.abc import Callable

from waystation.errors import ApiError
from waystation.routing.going_on import Said
from waystation.routing.standing import DeploymentState, ProviderState
from waystation.terms import Blame, Done, Event, Piece, Target

HELD_MAX = 8
"""Events without text that wait."""

Refused = Callable[[str, str, str], None]
"""(provider, credential id, detail): a credential was refused, and that is news."""
NowS = Callable[[], float]


class Visit:
    """Say what happens: `passes` for each event, `failed` for an error, and `left` in any case."""

    __slots__ = (
        "_answered",
        "_began_s",
        "_deployment",
        "_held",
        "_now_s",
        "_proves",
        "_provider",
        "_said",
        "_waiting",
        "begun",
        "target",
    )

    def __init__(
        self, target: Target, deployment: DeploymentState, provider: ProviderState, said: Said | None, now_s: NowS
    ) -> None:
        """`said`: what has gone out of the answer, where it may be gone on with; what goes out now is added."""
        self.target = target
        self._deployment = deployment
        self._provider = provider
        self._said = said
        self._now_s = now_s
        self._began_s = now_s()
        self._held = b""
        self._waiting = 0
        self._answered = False
        self.begun = said is not None and said.first != b""  # something has gone out
        deployment.in_flight += 1
        provider.in_flight += 1
        self._proves = not deployment.breaker.closed and deployment.breaker.asked(self._began_s)

    def passes(self, event: Event) -> Event | None:
        """What goes on when this has arrived; None: it waits for the next."""
        if not self._answered:
            self._first()
        if not self.begun:
            if type(event) is Piece and not event.text and self._waiting < HELD_MAX:
                self._held += event.data
                self._waiting += 1
                return None
            self.begun = True
            if self._held:
                event.data = self._held + event.data
        if type(event) is Done:
            self._succeeded()
        elif self._said is not None:
            self._said.add(event)  # type: ignore[arg-type]
        return event

    def failed(self, error: ApiError, refused: Refused | None = None) -> None:
        """Who learns what from a failure is its blame's to say. A caller's own mistake says that all is well there."""
        breaker, blame, now_s = self._deployment.breaker, error.blame, self._now_s()
        if blame is Blame.DEPLOYMENT:
            breaker.failed(now_s, now_s - self._began_s, self._deployment.in_flight - 1)
        elif blame is Blame.MODEL:
            breaker.missing(now_s)
        elif blame is Blame.LIMIT:
            self._provider.of(self.target.credential).limit(now_s, error.retry_after_ms)
            return
        elif blame is Blame.CREDENTIAL:
            news = self._provider.of(self.target.credential).refuse(now_s)
            if news and refused is not None:
                refused(self.target.deployment.provider, self.target.credential.id, error.detail)
            return
        elif blame is Blame.CALLER and self._proves:
            breaker.answered()
        else:
            return
        self._proves = False

    def left(self) -> None:
        self._deployment.in_flight -= 1
        self._provider.in_flight -= 1
        if self._proves:
            self._deployment.breaker.left()

    def _first(self) -> None:
        self._answered = True
        self._deployment.took(self._now_s() - self._began_s)
        if not self._deployment.breaker.closed:
            self._deployment.breaker.answered()
            self._proves = False

    def _succeeded(self) -> None:
        self._deployment.breaker.succeeded(self._now_s())
        self._provider.tokens.earn()
        if self._provider.credentials and (state := self._provider.credentials.get(self.target.credential.id)):
            state.well()
