"""The fleet's verbs, a noun to a field; each runs in the transaction that it is given (`fleet.routes.put(connection, …)`)."""

from collections.abc import Callable

from sqlalchemy import Connection

from waystation.fleet import store
from waystation.fleet.credentials import Credentials
from waystation.fleet.deployments import Deployments
from waystation.fleet.drills import Drills
from waystation.fleet.ground import Ground, Now
from waystation.fleet.model import Fixed, FleetRows, Notice
from waystation.fleet.providers import Providers
from waystation.fleet.registry import Joined, join
from waystation.fleet.routes import Routes
from waystation.fleet.sealing import Sealer
from waystation.terms import Secret


class Fleet:
    """`new_id` makes an id with the prefix that it is given; `fixed` says what the file and the engine have now."""

    def __init__(self, clock: Now, new_id: Callable[[str], str], sealer: Sealer, fixed: Callable[[], Fixed]) -> None:
        ground = Ground(clock, new_id, sealer, fixed)
        self._ground = ground
        self.providers = Providers(ground)
        self.credentials = Credentials(ground)
        self.deployments = Deployments(ground, self.providers)
        self.routes = Routes(ground)
        self.drills = Drills(ground, self.credentials)

    def load(self, connection: Connection) -> FleetRows:
        """All rows, on one snapshot."""
        return store.load(connection)

    def join(self, rows: FleetRows) -> Joined:
        """The rows with what the file has. Touches no database."""
        return join(self._ground.fixed(), rows, self._ground.sealer)

    def refuse_credential(
        self, connection: Connection, credential_id: str, provider: str, detail: str, shown: Secret | None = None
    ) -> bool:
        """What is done when a provider has refused a credential (`Credentials.refuse`)."""
        return self.credentials.refuse(connection, credential_id, provider, detail, shown)

    def notices(self, connection: Connection, after_id: int | None, rows_max: int, *, ascending: bool) -> list[Notice]:
        return store.notices(connection, after_id, rows_max, ascending=ascending)
