"""What can be done with rate limits: set, changed, listed, removed. Each verb runs in the transaction that it is given."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.rates import store
from waystation.ledger.rates.model import SCOPES, RateLimit, check_limits

TOPIC = "rate_limits"  # of changes: the subject is the limit's id
LIMITS_PER_SUBJECT_MAX = 100  # of a key, a project or an organization: one for each model, and one for all of them
MODEL_CHARS_MAX = 200
LIST_ROWS_MAX = 101  # a page, and one more that tells whether there are more


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

        What was used stays used. Raises InvalidRequest with `param`, NotFound for the subject.
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

    def change_limit(
        self, connection: Connection, organization_id: str, limit_id: str, changes: Mapping[str, int]
    ) -> RateLimit:
        """Put these limits in the place of those of the same names; the others stay. Raises InvalidRequest, NotFound."""
        known = self.limit(connection, organization_id, limit_id)
        if not changes:
            return known
        now = self._clock.now_s()
        limit = msgspec.structs.replace(known, limits=check_limits({**known.limits, **changes}), updated_at=now)
        store.update_limit(connection, limit)
        store.record_change(connection, TOPIC, limit.id, now)
        return limit

    def limits(
        self,
        connection: Connection,
        organization_id: str,
        *,
        scope: str | None = None,
        subject: str | None = None,
        model: str | None = None,
        after: str = "",
        before: str = "",
        rows_max: int = LIST_ROWS_MAX,
        ascending: bool = True,
    ) -> list[RateLimit]:
        """An organization's limits after an id (where `ascending` is False, those made before it) and, by time, before
        another one; at most LIST_ROWS_MAX. `model`: only those for this model alone. Raises InvalidRequest."""
        if scope is not None and scope not in SCOPES:
            raise _unknown_scope(scope)
        if not 1 <= rows_max <= LIST_ROWS_MAX:
            raise InvalidRequest(f"Invalid 'limit': expected an integer from 1 to {LIST_ROWS_MAX}.", param="limit")
        which = {"scope": scope, "subject": subject, "model": model}
        return store.limits(connection, organization_id, which, after, before, rows_max, ascending=ascending)

    def limit(self, connection: Connection, organization_id: str, limit_id: str) -> RateLimit:
        """Raises NotFound when the organization has none of that id."""
        found = store.limit_by_id(connection, organization_id, limit_id)
        if found is None:
            raise NotFound(f"There is no rate limit {limit_id[:80]!r}.", param="rate_limit_id")
        return found

    def remove_limit(self, connection: Connection, organization_id: str, limit_id: str) -> None:
        """Raises NotFound when the organization has none of that id (any more)."""
        limit = self.limit(connection, organization_id, limit_id)
        now = self._clock.now_s()
        store.remove_limit(connection, limit.id, now)
        store.record_change(connection, TOPIC, limit.id, now)


def _check_subject(connection: Connection, organization_id: str, scope: str, subject: str) -> None:
    if scope not in SCOPES:
        raise _unknown_scope(scope)
    if not store.subject_exists(connection, organization_id, scope, subject):
        raise NotFound(f"There is no {scope} {subject[:80]!r} in this organization.", param="subject")


def _check_model(model: str | None) -> None:
    if model is not None and not (0 < len(model) <= MODEL_CHARS_MAX and model.isprintable()):
        raise InvalidRequest(f"A model's name has 1 to {MODEL_CHARS_MAX} printable characters.", param="model")


def _unknown_scope(scope: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown scope {scope[:80]!r}. Use {', '.join(SCOPES)}.", param="scope")
