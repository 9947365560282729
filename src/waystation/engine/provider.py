"""The engine as a provider like any other: a call in, OpenAI's events out, from the child of a local model.

Which operation is written how: `chats.py`, `completions.py`, `embeddings.py`.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from waystation.engine.chats import answer_chat, chat_prompt
from waystation.engine.completions import answer_completion
from waystation.engine.embeddings import answer_embeddings
from waystation.engine.local import Local, Tokenizers
from waystation.engine.model import LocalModel
from waystation.engine.queue import WAITING_MAX
from waystation.errors import ServiceUnavailable
from waystation.gateway.call import Call
from waystation.terms import Event, Operation, Target
from waystation.wire.http import Http

_ANSWER = {
    Operation.CHAT: answer_chat,
    Operation.COMPLETION: answer_completion,
    Operation.EMBEDDINGS: answer_embeddings,
}


class EngineProvider:
    """Serves the local models. Their children are somebody else's to run (`children.py`): a dead one is a 503."""

    def __init__(
        self,
        http: Http,
        data: Path,
        models: Iterable[LocalModel],
        tokenizers: Tokenizers,
        now: Callable[[], float] = time.time,
        queue_max: int = WAITING_MAX,
        workers: int = 1,
    ) -> None:
        """`queue_max`: calls that may wait for each model in this worker; one project may take half of the places.

        `workers`: how many gateway workers share the models' children.
        """
        self._queue_max = queue_max
        self._workers = workers
        self._http = http
        self._data = data
        self._tokenizers = tokenizers
        self._now = now
        self._locals = {model.name: Local(model, http, data, queue_max, workers) for model in models}

    def add(self, model: LocalModel) -> None:
        """Serve one more model, or one anew."""
        self._locals[model.name] = Local(model, self._http, self._data, self._queue_max, self._workers)

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events, the last of which is Done. Closing the generator cancels. Raises an ApiError."""
        local = self._local(target.deployment.upstream_model)
        answering = _ANSWER[call.operation](call, target.model, local, self._tokenizers, int(self._now()))
        async with aclosing(answering) as events:
            async for event in events:
                yield event

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
            raise ServiceUnavailable(f"The model `{name}` is not running on this machine.", retry_after_ms=2000)
        return local
