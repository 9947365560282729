"""The engine as a provider like any other: a call in, OpenAI's events out, from the child of a local model.

Which operation is written how: `chats.py`, `completions.py`, `embeddings.py`.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path

from waystation.dialects.ask import Ask
from waystation.dialects.saying import Saying
from waystation.engine.chats import answer_chat, chat_prompt
from waystation.engine.completions import answer_completion
from waystation.engine.embeddings import answer_embeddings
from waystation.engine.local import ALL, Local, Tokenizers
from waystation.engine.model import LocalModel
from waystation.engine.queue import WAITING_MAX
from waystation.engine.telling import BodyOf, tell
from waystation.errors import InvalidRequest, ServiceUnavailable, Unsupported
from waystation.gateway.call import Call
from waystation.terms import ENGINE, NO_CREDENTIAL, Blame, Dialect, Event, Operation, Target
from waystation.wire.http import Http

_ANSWER = {
    Operation.CHAT: answer_chat,
    Operation.COMPLETION: answer_completion,
    Operation.EMBEDDINGS: answer_embeddings,
}


class EngineProvider:
    """Serves the local models. Their children are somebody else's to run (`children.py`): a dead one is a 503."""

    name = ENGINE
    credentials = (NO_CREDENTIAL,)
    concurrency_max = None  # each model has a queue of its own
    operations = frozenset(_ANSWER)
    native = frozenset((Dialect.OPENAI, operation) for operation in _ANSWER)

    def __init__(
        self,
        http: Http,
        data: Path,
        models: Iterable[LocalModel],
        tokenizers: Tokenizers,
        now: Callable[[], float] = time.time,
        queue_max: int = WAITING_MAX,
        share: Fraction = ALL,
        body_of: BodyOf | None = None,
    ) -> None:
        """`queue_max`: calls that may wait for each model in this worker; one project may take half of the places.

        `share`: this process's part of the models' cache. `body_of`: how what was asked in another dialect
        is said in OpenAI's; without it only OpenAI's is understood.
        """
        self._body_of = body_of
        self._queue_max = queue_max
        self._share = share
        self._http = http
        self._data = data
        self._tokenizers = tokenizers
        self._now = now
        self._locals = {model.name: Local(model, http, data, queue_max, share) for model in models}

    def add(self, model: LocalModel) -> None:
        """Serve one more model, or one anew."""
        self._locals[model.name] = Local(model, self._http, self._data, self._queue_max, self._share)

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events, the last of which is Done. Closing the generator cancels. Raises an ApiError."""
        local = self._local(target.deployment.upstream_model)
        answering = _ANSWER[call.operation](call, target.model, local, self._tokenizers, int(self._now()))
        try:
            async with aclosing(answering) as events:
                async for event in events:
                    yield event
        except InvalidRequest as error:
            _blame_caller(error)
            raise

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer in the vocabulary; after `ask.said`, if there is any. Closing cancels. Raises an ApiError."""
        if self._body_of is None:
            raise Unsupported("Local models are asked in OpenAI's dialect only.")
        local = self._local(target.deployment.upstream_model)
        telling = tell(ask, call, target.model, local, self._tokenizers, self._body_of)
        try:
            async with aclosing(telling) as sayings:
                async for saying in sayings:
                    yield saying
        except InvalidRequest as error:
            _blame_caller(error)
            raise

    async def count_chat(self, body: bytes, name: str) -> int:
        """How many tokens a chat's body makes for a local model, tools and all, by its own template and tokenizer."""
        local = self._local(name)
        prompt = await chat_prompt(body, local, self._tokenizers)
        texts = [prompt] if isinstance(prompt, str) else prompt
        count = 0
        for text in texts:
            count += (
                1
                if isinstance(text, int)
                else len((await local.upstream.json("/tokenize", {"content": text}))["tokens"])
            )
        return count

    def _local(self, name: str) -> Local:
        local = self._locals.get(name)
        if local is None:
            error = ServiceUnavailable(f"The model `{name}` is not running on this machine.", retry_after_ms=2000)
            error.blame = Blame.MODEL
            raise error
        return local


def _blame_caller(error: InvalidRequest) -> None:
    """What a local model can't be asked is the caller's to change; another model may know how."""
    error.blame = error.blame or Blame.CALLER
