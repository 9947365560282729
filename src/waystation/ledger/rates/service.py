"""What can be done with rate limits: set, listed, removed. Each verb runs in the transaction that it is given."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

from waystation.errors import InvalidRequest
from waystation.ledger.rates import store
from waystation.ledger.rates.model import SCOPES, RateLimit, check_limits

TOPIC = "rate_limits"  # of changes: the subject is the limit's id
LIMITS_PER_SUBJECT_MAX = 100  # of a key, a project or an organization: one for each model, and one for all of them
MODEL_CHARS_MAX = 200
LIST_ROWS_MAX = 100


class Now(Protocol):
    def now_s(self) -> int: ...


class RateLimits:
    """The verbs. `new_id` makes an id with the prefix that it is given."""

    def __init__(self, clock: Now, new_id: Callable[[str], str]) -> None:
        self._clock = clock
        self._new_id = new_id

    def set_limit(
        self,
        connection: Connection,
        organization_id: str,
        scope: str,
        subject: str,
        model: str | None,
        limits: object,
    ) -> RateLimit:
        """Give a subject these limits, in the place of those that it has for the model (None: all models together).

        What was used stays used. Raises InvalidRequest with `param`.
        """
        checked = check_limits(limits)
        _check_subject(connection, organization_id, scope, subject)
        _check_model(model)
        now = self._clock.now_s()
        known = store.limit_of(connection, organization_id, scope, subject, model)
        if known is not None:
            limit = RateLimit(known.id, organization_id, scope, subject, model, checked, known.created_at, now)
            store.update_limit(connection, limit)
        else:
            if store.count_of_subject(connection, scope, subject) >= LIMITS_PER_SUBJECT_MAX:
                raise InvalidRequest(
                    f"This {scope} has {LIMITS_PER_SUBJECT_MAX} limits already. Remove one first.", param="subject"
                )
            limit = RateLimit(self._new_id("rl_"), organization_id, scope, subject, model, checked, now, now)
            store.add_limit(connection, limit)
        store.record_change(connection, TOPIC, limit.id, now)
        return limit

    def limits(
        self,
        connection: Connection,
        organization_id: str,
        *,
        scope: str | None = None,
        subject: str | None = None,
        after: str = "",
        rows_max: int = LIST_ROWS_MAX,
    ) -> list[RateLimit]:
        """An organization's limits after an id, the oldest first; at most LIST_ROWS_MAX. Raises InvalidRequest."""
        if scope is not None and scope not in SCOPES:
            raise _unknown_scope(scope)
        if not 1 <= rows_max <= LIST_ROWS_MAX:
            raise InvalidRequest(f"Invalid 'limit': expected an integer from 1 to {LIST_ROWS_MAX}.", param="limit")
        return store.limits(connection, organization_id, scope, subject, after, rows_max)

    def limit(self, connection: Connection, organization_id: str, limit_id: str) -> RateLimit:
        """Raises InvalidRequest when the organization has none of that id."""
        found = store.limit_by_id(connection, organization_id, limit_id)
        if found is None:
            raise InvalidRequest(f"There is no rate limit {limit_id[:80]!r}.", param="rate_limit_id")
        return found

    def remove_limit(self, connection: Connection, organization_id: str, limit_id: str) -> None:
        """Raises InvalidRequest when the organization has none of that id (any more)."""
        limit = self.limit(connection, organization_id, limit_id)
        now = self._clock.now_s()
        store.remove_limit(connection, limit.id, now)
        store.record_change(connection, TOPIC, limit.id, now)


def _check_subject(connection: Connection, organization_id: str, scope: str, subject: str) -> None:
    if scope not in SCOPES:
        raise _unknown_scope(scope)
    if not store.subject_exists(connection, organization_id, scope, subject):
        raise InvalidRequest(f"There is no {scope} {subject[:80]!r} in this organization.", param="subject")


def _check_model(model: str | None) -> None:
    if model is not None and not (0 < len(model) <= MODEL_CHARS_MAX and model.isprintable()):
        raise InvalidRequest(f"A model's name has 1 to {MODEL_CHARS_MAX} printable characters.", param="model")


def _unknown_scope(scope: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown scope {scope[:80]!r}. Use {', '.join(SCOPES)}.", param="scope")
