"""Drills: for one project something is taken for down, until a time. Asked only while there are any."""

from collections.abc import Iterable
from typing import Protocol

from waystation.terms import Blame, Target

KINDS = {"provider": Blame.DEPLOYMENT, "deployment": Blame.DEPLOYMENT, "credential": Blame.CREDENTIAL}
"""What can be drilled, and how it fails then."""


class Row(Protocol):
    """A row of the table `drills` that has not ended."""

    @property
    def project_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def until_at(self) -> int: ...


class Drills:
    def __init__(self) -> None:
        self.any = False
        self._until: dict[tuple[str, str, str], int] = {}

    def put(self, rows: Iterable[Row]) -> None:
        """All drills that there are."""
        self._until = {(row.project_id, row.kind, row.subject): row.until_at for row in rows}
        self.any = bool(self._until)

    def hit(self, project_id: str, target: Target, now_at: int) -> Blame | None:
        """How this target is to fail, where it is to be taken for down. `now_at`: UTC seconds. A credential has its id."""
        deployment = target.deployment
        subjects = (deployment.provider, deployment.name, target.credential.id)
        for (kind, blame), subject in zip(KINDS.items(), subjects, strict=True):
            if self._until.get((project_id, kind, subject), 0) > now_at:
                return blame
        return None
