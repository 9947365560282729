"""What /ready says: whether the database can be read, and which models would answer now."""

from collections.abc import Callable, Mapping
from typing import Any

from waystation.terms import ENGINE, Model, Operation
from waystation.wire.http import Http, HttpFault, Origin, Timeouts

_PATIENCE = Timeouts(connect_s=1.0, first_byte_s=2.0, idle_s=1.0, total_s=2.0)
_ANSWER_BYTES_MAX = 64 * 1024


class Readiness:
    """Asks when it is asked. Ready: the database is there, and so is a model: one that chats, if any is meant to."""

    def __init__(
        self,
        models: Mapping[str, Model],
        http: Http,
        origin_of: Callable[[str], Origin],
        database_fault: Callable[[], str | None],
    ) -> None:
        self._models = models
        self._http = http
        self._origin_of = origin_of
        self._database_fault = database_fault

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether calls would be answered, and the details. A provider's model counts as there: asking would cost."""
        fault = self._database_fault()
        models: dict[str, str] = {}
        for model in self._models.values():
            if model.alias_of is None and not _is_moderator(model):
                local = model.deployment.provider == ENGINE
                models[model.name] = await self._local(model.deployment.upstream_model) if local else "configured"
        chatting = {name for name in models if Operation.CHAT in self._models[name].abilities.operations}
        answering = any(models[name] in ("ready", "configured") for name in chatting or models)
        is_ready = fault is None and answering
        return is_ready, {
            "status": "ready" if is_ready else "not_ready",
            "database": "ok" if fault is None else "unavailable",
            "models": models,
        }

    async def _local(self, name: str) -> str:
        try:
            response = await self._http.request(self._origin_of(name), "GET", "/health", (), b"", _PATIENCE)
            await response.read(_ANSWER_BYTES_MAX)
        except HttpFault:
            return "not_running"
        return "ready" if response.status == 200 else "loading"


def _is_moderator(model: Model) -> bool:
    """The local one: it has no child of its own, and is there whenever the process is."""
    return model.deployment.provider == ENGINE and Operation.MODERATIONS in model.abilities.operations
