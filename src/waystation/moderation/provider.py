"""This machine's moderator, beside the engine as one provider (`routing/seam.py:Provider`): words always, the judge where it can.

The judge's calls go through the engine as any of the project's, in its queue; they cost the caller nothing and are in no
books. A judge that is busy, too slow or not there leaves the words alone, and the answer's header says so.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec

from waystation.dialects.ask import Ask
from waystation.dialects.saying import Saying
from waystation.errors import ApiError, ContextLengthExceeded
from waystation.gateway.call import Call
from waystation.metering.guess import tokens_of_bytes
from waystation.moderation import judge
from waystation.moderation.model import Scores, combined, merged, result_of, widened
from waystation.moderation.words import Words
from waystation.terms import ENGINE, NO_CREDENTIAL, Dialect, Done, Event, Model, Operation, Target, Usage
from waystation.wire.completions import read_completion
from waystation.wire.moderations import ModerationAnswer

MODEL = "waystation-moderation"
HEADER = "x-waystation-moderator"
TEXT_CHARS_MAX = 1 << 20  # of all inputs of a call


class Engine(Protocol):
    """The local models (`engine/provider.py`)."""

    @property
    def operations(self) -> frozenset[Operation]: ...
    @property
    def native(self) -> frozenset[tuple[Dialect, Operation]]: ...
    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]: ...
    def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]: ...


class Rules(msgspec.Struct, frozen=True):
    thresholds: Mapping[str, float] = {}  # by category
    timeout_s: float = 20.0  # of all judgements of a call
    windows_max: int = 16  # judgements of a call; what is beyond is looked at for words alone


class Verdict(msgspec.Struct):
    """What the judge has said of a call's texts."""

    scores: list[Scores]
    judged: int = 0
    windows: int = 0
    name: str = ""

    @property
    def moderator(self) -> str:
        if not self.judged:
            return "words"
        part = "" if self.judged == self.windows else f";judged={self.judged}/{self.windows}"
        return f"words+{self.name}{part}"


class Moderator:
    """`judge_model`: the chat model of this machine that judges; None: there is none now."""

    def __init__(
        self,
        engine: Engine,
        judge_model: Callable[[], Model | None],
        words: Words,
        rules: Rules,
    ) -> None:
        self._engine = engine
        self._judge_model = judge_model
        self._words = words
        self._rules = rules

    async def answer(self, call: Call) -> AsyncGenerator[Event]:
        """One Done. Raises ContextLengthExceeded."""
        texts: Sequence[str] = call.request.texts
        size = sum(map(len, texts))
        if size > TEXT_CHARS_MAX:
            raise ContextLengthExceeded(
                f"This model reads at most {TEXT_CHARS_MAX} characters at once, but the input has {size}. "
                "Send it in several requests.",
                param="input",
            )
        by_words = [await self._by_words(text) for text in texts]
        verdict = await self._by_judge(texts, call)
        results = [
            result_of(widened(combined(words, judged)), self._rules.thresholds)
            for words, judged in zip(by_words, verdict.scores, strict=True)
        ]
        call.ignored = ()
        call.notes += f"{HEADER}: {verdict.moderator}\r\n".encode()
        told = ModerationAnswer(id=f"modr-{secrets.token_hex(16)}", model=MODEL, results=results)
        usage = Usage(tokens_of_bytes(sum(len(text.encode("utf-8", "replace")) for text in texts)), estimated=True)
        yield Done(msgspec.json.encode(told), usage)

    async def _by_words(self, text: str) -> Scores:
        found: Scores = {}
        for so_far in self._words.scores_by_slice(text):
            found = so_far
            await asyncio.sleep(0)  # others' calls in between
        return found

    async def _by_judge(self, texts: Sequence[str], call: Call) -> Verdict:
        """What could be judged in time; the first window of each text before any second one."""
        verdict = Verdict([{} for _ in texts])
        model = self._judge_model()
        windows = [judge.windows_of(text) for text in texts]
        verdict.windows = sum(map(len, windows))
        if model is None:
            return verdict
        verdict.name = model.alias_of or model.name
        longest = max(map(len, windows), default=0)
        in_turn = (
            (at, parts[turn]) for turn in range(longest) for at, parts in enumerate(windows) if turn < len(parts)
        )
        try:
            async with asyncio.timeout(self._rules.timeout_s):
                for (at, part), _ in zip(in_turn, range(self._rules.windows_max), strict=False):
                    alternatives = await self._alternatives(part, model, call)
                    verdict.scores[at] = merged(verdict.scores[at], judge.scores_of(alternatives))
                    verdict.judged += 1
        except (ApiError, TimeoutError):  # full, not running, too slow: what is judged stays, the header says the rest
            pass
        return verdict

    async def _alternatives(self, text: str, model: Model, call: Call) -> Mapping[str, float]:
        body = msgspec.json.encode(
            {
                "model": model.name,
                "prompt": judge.prompt_of(text),
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": judge.ALTERNATIVES,
            }
        )
        asking = Call(
            Operation.COMPLETION, call.request_id, body, read_completion(body), None, {}, "", time.monotonic_ns()
        )
        asking.project = call.project
        async with aclosing(self._engine.send(asking, Target(model.deployment, model))) as events:
            async for event in events:
                if type(event) is Done:
                    return judge.alternatives_in(msgspec.json.decode(event.data))
        return {}


class WithModerator:
    """The provider of this machine: the engine's models, and the moderator."""

    name = ENGINE
    credentials = (NO_CREDENTIAL,)
    concurrency_max = None

    def __init__(self, engine: Engine, moderator: Moderator) -> None:
        self._engine = engine
        self._moderator = moderator
        self.operations = engine.operations | {Operation.MODERATIONS}
        self.native = engine.native | {(Dialect.OPENAI, Operation.MODERATIONS)}

    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        if call.operation is Operation.MODERATIONS:
            return self._moderator.answer(call)
        return self._engine.send(call, target)

    def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        return self._engine.tell(ask, target, call)
