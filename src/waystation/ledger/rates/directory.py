"""All limits in memory, found by whom they apply to. No database, no clock."""

from collections.abc import Iterable

from waystation.ledger.rates.model import RateLimit
from waystation.terms import Caller


class Directory:
    """Limits by their ids and by their subjects. Bounded by `service.LIMITS_PER_SUBJECT_MAX` for each subject."""

    def __init__(self) -> None:
        self.by_id: dict[str, RateLimit] = {}
        self._of: dict[tuple[str, str], dict[str, RateLimit]] = {}

    def put(self, limits: Iterable[RateLimit]) -> None:
        """Add limits, or put them in the place of those with the same id."""
        for limit in limits:
            self.by_id[limit.id] = limit
            subject = (limit.scope, limit.subject)
            known = self._of.get(subject)
            if known is None:
                self._of[subject] = {limit.id: limit}
            else:
                known[limit.id] = limit

    def drop(self, limit_id: str) -> None:
        """Forget a limit; nothing happens when there is none."""
        limit = self.by_id.pop(limit_id, None)
        if limit is None:
            return
        subject = (limit.scope, limit.subject)
        known = self._of[subject]
        del known[limit_id]
        if not known:
            del self._of[subject]

    def clear(self) -> None:
        self.by_id.clear()
        self._of.clear()

    def of(self, caller: Caller, model_name: str) -> list[RateLimit]:
        """What applies to a key's calls of a model: the key's limits first, then the project's, then the organization's."""
        if not self._of:
            return []
        subjects = (("key", caller.key_id), ("project", caller.project_id), ("organization", caller.organization_id))
        known = (self._of.get(subject) for subject in subjects)
        return [limit for limits in known if limits for limit in limits.values() if limit.model in (None, model_name)]
