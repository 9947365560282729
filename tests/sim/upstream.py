"""The provider of the simulated world, with a meter of its own: what it says is the truth."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from zlib import crc32

import msgspec

from tests.unit.ledger.ledger_stand import Asked
from waystation.errors import UpstreamFailed
from waystation.gateway.call import Call
from waystation.terms import Caller, Done, Event, Model, Piece, Rung, Usage

WORD = "word "
KEPT_ONE_IN = 8  # so many answers come from a cache, which costs nothing


class Asking(Asked):
    """A request, and what will become of it: how many words the provider has to say, when it fails, what it reports."""

    caller: Caller = Caller("key_1", "proj_1", "org-1")
    words: int = 5
    pace_s: float = 0.0
    fails_after: int | None = None
    tells_usage: bool = True
    input_tokens: int = 10
    overshoots: int = 0  # tokens that it reports beyond what it may say


class Truth(msgspec.Struct):
    """What happened to one request, as everybody but the ledger saw it."""

    request_id: str
    asking: Asking
    dispatched: bool = False
    kept: bool = False  # it was answered without asking the provider
    words: int = 0  # that reached the worker
    usage: Usage | None = None  # what the provider said at the end
    answered: bool = False  # the caller has all of it ...
    cost_nano: int = 0  # ... and was told that it cost so much
    error: str = ""


class Upstream:
    """A provider (`attempt` is the routing's). Asserts that nothing is dispatched without a hold in the journal."""

    def __init__(self, truths: dict[str, Truth], is_held: Callable[[str], bool]) -> None:
        self._truths = truths
        self._is_held = is_held
        self.unheld: list[str] = []

    async def attempt(self, call: Call, _model: Model) -> AsyncGenerator[Event]:
        truth, asking = self._truths[call.request_id], call.request
        if crc32(call.request_id.encode()) % KEPT_ONE_IN == 0:
            async for event in self._kept(call, truth):
                yield event
            return
        truth.dispatched = True
        if not self._is_held(call.request_id):
            self.unheld.append(call.request_id)
        words = asking.words
        if asking.output_tokens_asked is not None:
            words = min(words, asking.output_tokens_asked)
        if call.output_tokens_max is not None:
            words = min(words, call.output_tokens_max)
        if asking.stream:
            for number in range(words):
                if asking.pace_s:
                    await asyncio.sleep(asking.pace_s)
                if call.cut:
                    break
                if number == asking.fails_after:
                    raise UpstreamFailed("broken")
                truth.words += 1
                yield Piece(b"data: {}\n\n", WORD)
            said = truth.words
        else:
            await asyncio.sleep(asking.pace_s * 4)
            if asking.fails_after is not None:
                raise UpstreamFailed("broken")
            said = truth.words = words
        if asking.tells_usage:
            truth.usage = Usage(asking.input_tokens, said + asking.overshoots)
        data = b'{"choices":[{"message":{"content":"%b"}}]}' % (WORD * said).encode()
        yield Done(data, msgspec.structs.replace(truth.usage) if truth.usage else None)

    async def _kept(self, call: Call, truth: Truth) -> AsyncGenerator[Event]:
        asking, truth.kept = truth.asking, True
        call.rung, call.deployment = Rung.CACHE, "cache"
        for _ in range(asking.words if asking.stream else 0):
            await asyncio.sleep(asking.pace_s)
            yield Piece(b"data: {}\n\n")
        truth.usage = Usage(asking.input_tokens, asking.words)
        yield Done(b"{}", msgspec.structs.replace(truth.usage))
