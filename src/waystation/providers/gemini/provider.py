"""Asks the Gemini API. What is sent and how answers read is decided in `dialects/gemini/`."""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from waystation import __version__
from waystation.dialects.ask import Ask
from waystation.dialects.gemini.answer import GeminiReader
from waystation.dialects.gemini.contents import takes_url
from waystation.dialects.gemini.request import gemini_body
from waystation.dialects.mapping import Notes
from waystation.dialects.saying import BadAnswer, Saying
from waystation.errors import UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers import asking
from waystation.providers.fetching import Fetch, brought
from waystation.providers.gemini.embeddings import TEXTS_MAX, Batch, bodies, read_batch, written
from waystation.providers.gemini.refused import gemini_refused
from waystation.providers.model import ProviderConfig
from waystation.providers.refusals import blamed
from waystation.terms import NO_CREDENTIAL, Blame, Credential, Dialect, Event, Operation, Target
from waystation.wire.http import Headers, Http, encode_headers

BASE_URL = "https://generativelanguage.googleapis.com/v1beta"


class Gemini:
    """A configured provider. `fetch` brings files that callers name by URL."""

    native: Collection[tuple[Dialect, Operation]] = ((Dialect.OPENAI, Operation.EMBEDDINGS),)
    operations: Collection[Operation] = (Operation.CHAT, Operation.EMBEDDINGS)

    def __init__(
        self,
        config: ProviderConfig,
        http: Http,
        *,
        fetch: Fetch | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Raises ValueError when the base URL or a header is none."""
        self.name = config.name
        self.credentials: Sequence[Credential] = config.credentials or (NO_CREDENTIAL,)
        self.concurrency_max = config.concurrency_max
        self._line = asking.line_to(config, http, BASE_URL)
        self._given = config.headers
        self._fetch = fetch
        self._now_s = now_s
        self._headers = {credential: _headers(credential, config.headers) for credential in self.credentials}

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """Embeddings, which are no text and have no other dialect. Raises an ApiError with its blame."""
        name, model = target.model.name, target.deployment.upstream_model
        if call.operation is not Operation.EMBEDDINGS:
            raise UpstreamFailed(f"The provider of the model `{name}` was asked in another's dialect.")
        path, headers, refused = path_of(model, "batchEmbedContents"), self._shown(target), self._refused(target)
        batches: list[Batch] = []
        left = len(call.request.inputs)
        for body in bodies(call.request, model if "/" in model else f"models/{model}"):
            data = await asking.whole(self._line, path, headers, body, refused, model=name)
            try:
                batches.append(read_batch(data, min(left, TEXTS_MAX)))
            except BadAnswer as error:
                words = f"The provider of the model `{name}` sent what is no answer."
                raise UpstreamFailed(words, detail=str(error)) from None
            left -= TEXTS_MAX
        yield written(batches, call.request, name)

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer. Raises an ApiError with its blame; Unsupported for what the API can't say."""
        name, model = target.model.name, target.deployment.upstream_model
        if ask.said:
            words = f"The provider of the model `{name}` can't go on with an answer that has begun."
            raise blamed(UpstreamFailed(words), Blame.MODEL)
        notes = Notes(call.dialect)
        body = gemini_body(await brought(ask, self._fetch, takes_url), model, notes)
        call.ignored, call.mapped = tuple(notes.ignored), tuple(notes.mapped)
        headers, refused = self._shown(target), self._refused(target)
        path = path_of(model, "streamGenerateContent?alt=sse" if ask.stream else "generateContent")
        reader = GeminiReader(stream=ask.stream)
        async with aclosing(asking.ask(self._line, path, headers, body, reader, refused, model=name)) as sayings:
            async for saying in sayings:
                yield saying

    def _shown(self, target: Target) -> Headers:
        return self._headers.get(target.credential) or _headers(target.credential, self._given)

    def _refused(self, target: Target) -> asking.Refused:
        secret = target.credential.secret.reveal() if target.credential.secret is not None else ""
        return partial(gemini_refused, model=target.model.name, secret=secret, now_s=self._now_s())


def path_of(model: str, verb: str) -> str:
    """`models/…` is what most models' names begin with there; tuned ones say their own folder."""
    return f"/{quote(model if '/' in model else f'models/{model}')}:{verb}"


def _headers(credential: Credential, given: Mapping[str, str]) -> Headers:
    headers = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "user-agent": f"waystation/{__version__}",
    }
    if credential.secret is not None:
        headers["x-goog-api-key"] = credential.secret.reveal()
    headers |= {name.lower(): value for name, value in given.items()}
    return encode_headers(list(headers.items()))
