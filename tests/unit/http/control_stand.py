"""The whole app of a worker on a real database, in this process: what tests of the control plane stand on."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from sqlalchemy import Connection

from waystation.accounts.service import Accounts
from waystation.app import Worker
from waystation.http.asgi import AsgiCalls
from waystation.ledger.verify import verify
from waystation.runtime.clock import Clock
from waystation.runtime.ids import Ids
from waystation.settings import load_settings


class Said(NamedTuple):
    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> tuple[int, str | None, str | None]:
        """Status, code and param."""
        return self.status, self.body["error"]["code"], self.body["error"]["param"]


class Stand:
    """A client of the app, whose worker looks for no changes of its own accord.

    `operator` is an admin key of the first organization, `key` one of its project's.
    """

    def __init__(self, worker: Worker, client: httpx2.AsyncClient) -> None:
        self.worker = worker
        self._client = client
        self.operator = self.key = self.organization_id = self.project_id = ""

    async def found(self) -> None:
        accounts = Accounts(Clock(), Ids().new)

        def make(connection: Connection) -> tuple[str, str, str, str]:
            organization, project = accounts.ensure_first(connection)
            admin = accounts.create_admin_key(connection, organization.id, "operator")
            key = accounts.create_key(connection, project.id, "key")
            return organization.id, project.id, admin.secret, key.secret

        made = await self.worker.database.write(make)
        self.organization_id, self.project_id, self.operator, self.key = made
        await self.worker.follower.step()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        data: bytes | None = None,
        **query: Any,
    ) -> Said:
        """One request, by the operator unless a key is said."""
        key = self.operator if key is None else key
        answer = await self._client.request(
            method,
            f"/v1{path}",
            headers={"authorization": f"Bearer {key}"} if key else {},
            params=query,
            **({"content": data} if data is not None else {} if body is None else {"json": body}),
        )
        return Said(answer.status_code, answer.json() if answer.content else None, answer.headers)

    async def get(self, path: str, **given: Any) -> Any:
        said = await self.ask("GET", path, **given)
        assert said.status == 200, said
        return said.body

    async def post(self, path: str, body: Any = None, **given: Any) -> Any:
        said = await self.ask("POST", path, body, **given)
        assert said.status == 200, said
        return said.body

    async def new_organization(self, **given: Any) -> tuple[str, str, str]:
        """A prepaid organization: its id, an admin key and the id of its project."""
        made = await self.post("/waystation/organizations", {"name": "Prepaid", **given})
        query = {"organization_id": made["id"]}
        admin = await self.post("/waystation/keys", {"name": "admin", "admin": True}, **query)
        return made["id"], admin["value"], made["default_project_id"]

    async def problems(self) -> list[str]:
        return [each.message for each in await self.worker.database.read(verify)]


def stand(folder: Path, story: Callable[[Stand], Awaitable[None]], config: str = "") -> None:
    """Run a story against a worker with no models of its own. A second one on the same folder is a restart."""
    file = folder / "w.toml"
    file.write_text("[engine]\nenabled = false\n" + config)

    async def run() -> None:
        worker = Worker(load_settings(file, folder / "data", {}), 0, 1)
        (folder / "data").mkdir(exist_ok=True)
        await worker.open()
        app = AsgiCalls(worker.way, worker.bounds, worker.ids.request_id, worker.app(), worker.answers)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        try:
            async with httpx2.AsyncClient(transport=transport, base_url="http://waystation") as client:
                standing = Stand(worker, client)
                await standing.found()
                async with asyncio.timeout(30):
                    await story(standing)
        finally:
            await worker.close()

    asyncio.run(run())
