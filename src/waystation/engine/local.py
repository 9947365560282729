"""What the engine keeps for one local model: its child, its queue, its schemas."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from waystation.engine.model import LocalModel, engine_origin
from waystation.engine.queue import WAITING_MAX, FairQueue
from waystation.engine.schema import Schemas
from waystation.engine.upstream import Upstream
from waystation.wire.http import Http

ALL = Fraction(1)


class Tokenizers(Protocol):
    """What the engine asks of `metering/tokens.py`."""

    def encode(self, text: str, model: str) -> list[int]: ...
    def decode(self, ids: Sequence[int], model: str) -> str: ...
    def translate(self, token: int, asked: str, model: str) -> int | None: ...
    def control_tokens(self, model: str) -> tuple[str, ...]: ...
    def special_token(self, text: str, model: str) -> int | None: ...


class Local:
    """One model's child as the provider uses it.

    Several processes have a queue each, and a `share` of the cache: all answers under way must have room in it.
    Slots are not divided, since llama.cpp itself lets wait what it has none for.
    """

    def __init__(
        self, model: LocalModel, http: Http, data: Path, queue_max: int = WAITING_MAX, share: Fraction = ALL
    ) -> None:
        self.model = model
        self.upstream = Upstream(http, engine_origin(data, model.name), model.name)
        self.queue = FairQueue(model.slots, int(model.context_tokens * share), queue_max, -(-queue_max // 2))
        self.schemas = Schemas(self.upstream)
        self._control: tuple[str, ...] | None = None

    async def control_tokens(self, tokenizers: Tokenizers) -> tuple[str, ...]:
        """The model's special texts. Its vocabulary is read in a thread, once: it takes half a second."""
        if self._control is None:
            self._control = await asyncio.to_thread(tokenizers.control_tokens, self.model.name)
        return self._control
