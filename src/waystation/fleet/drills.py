"""What can be done with drills: "pretend that this is down", for the calls of one project and at most an hour."""

from collections.abc import Collection, Iterator

from msgspec.structs import replace
from sqlalchemy import Connection

from waystation.errors import NotFound
from waystation.fleet import store
from waystation.fleet.credentials import Credentials
from waystation.fleet.ground import Ground, too_many
from waystation.fleet.model import (
    DRILL_S_MAX,
    DRILLS_KEPT_S,
    DRILLS_PER_PROJECT_MAX,
    DRILLS_TOPIC,
    Drill,
    DrillKind,
)
from waystation.fleet.rules import near, wrong
from waystation.terms import ENGINE


class Drills:
    def __init__(self, ground: Ground, credentials: Credentials) -> None:
        self._ground = ground
        self._credentials = credentials

    def start(
        self,
        connection: Connection,
        organization_id: str,
        project_id: str,
        kind: DrillKind,
        subject: str,
        seconds: int,
        deployments: Collection[str] = (),
    ) -> Drill:
        """`deployments`: the names of those that the catalogue has, beside the rows'."""
        if store.project_owner(connection, project_id) != organization_id:
            raise NotFound(f"There is no project {project_id[:80]!r} in this organization.", param="project_id")
        if not 1 <= seconds <= DRILL_S_MAX:
            raise wrong(f"'seconds' is from 1 to {DRILL_S_MAX}: a drill ends by itself.", "seconds")
        known = set(self._subjects(connection, kind)) | (set(deployments) if kind == "deployment" else set())
        if subject not in known:
            raise NotFound(f"There is no {kind} {subject[:128]!r}{near(subject, known)}.", param=kind)
        now = self._ground.clock.now_s()
        store.forget_drills(connection, now - DRILLS_KEPT_S)
        mine = [drill for drill in store.drills(connection, now) if drill.project_id == project_id]
        if len(mine) >= DRILLS_PER_PROJECT_MAX:
            raise too_many("drills of this project", DRILLS_PER_PROJECT_MAX, "project_id")
        id_ = self._ground.new_id("drill_")
        self._ground.tell(connection, id_, DRILLS_TOPIC)
        drill = Drill(id_, project_id, kind, subject, now + seconds, None, now)
        store.put_drill(connection, drill)
        return drill

    def stop(self, connection: Connection, organization_id: str, drill_id: str) -> Drill:
        """At once. One that has ended stays as it ended."""
        mine = store.drills(connection, organization_id=organization_id)
        drill = next((each for each in mine if each.id == drill_id), None)
        if drill is None:
            raise NotFound(f"There is no drill {drill_id[:80]!r}.", param="drill_id")
        if drill.is_on(self._ground.clock.now_s()):
            drill = replace(drill, ended_at=self._ground.tell(connection, drill_id, DRILLS_TOPIC))
            store.put_drill(connection, drill)
        return drill

    def all(self, connection: Connection, organization_id: str) -> list[Drill]:
        """Those of an organization's projects, also what has ended within a month; by id."""
        return store.drills(connection, organization_id=organization_id)

    def on(self, connection: Connection) -> list[Drill]:
        """All that are on now: what routing is told."""
        return store.drills(connection, self._ground.clock.now_s())

    def _subjects(self, connection: Connection, kind: DrillKind) -> Iterator[str]:
        if kind == "provider":
            yield ENGINE
            yield from self._ground.provider_names(connection)
        elif kind == "credential":
            yield from (each.id for each in self._credentials.all(connection))
        else:
            yield from self._ground.fixed().deployments
            yield from (row.name for row in store.deployments(connection))
