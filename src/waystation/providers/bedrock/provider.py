"""Asks Bedrock's Converse API. What is sent and how answers read is decided in `dialects/converse/`."""

import re
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from msgspec.structs import replace

from waystation import __version__
from waystation.dialects.ask import Ask
from waystation.dialects.converse.answer import ConverseStreamReader, ConverseWholeReader
from waystation.dialects.converse.messages import takes_url
from waystation.dialects.converse.request import can_go_on, converse_body
from waystation.dialects.mapping import Notes
from waystation.dialects.saying import Reader, Saying, TextDelta
from waystation.errors import UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers import asking
from waystation.providers.bedrock.credentials import read_secret
from waystation.providers.bedrock.refused import bedrock_refused
from waystation.providers.bedrock.sigv4 import Keys, Scope, sign
from waystation.providers.fetching import Fetch, brought
from waystation.providers.model import ProviderConfig
from waystation.providers.refusals import blamed
from waystation.terms import NO_CREDENTIAL, Blame, Credential, Dialect, Event, Operation, Target
from waystation.wire.http import Headers, Http

REGION = "us-east-1"
"""Where neither the provider nor its base URL says another."""
SERVICE = "bedrock"

_REGION_IN_A_HOST = re.compile(r"//(?:[^/]*\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class Bedrock:
    """A configured provider. `fetch` brings files that callers name by URL."""

    native: Collection[tuple[Dialect, Operation]] = ()
    operations: Collection[Operation] = (Operation.CHAT,)

    def __init__(
        self,
        config: ProviderConfig,
        http: Http,
        *,
        fetch: Fetch | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Raises ValueError when the base URL or a credential is none."""
        self.name = config.name
        self.credentials: Sequence[Credential] = config.credentials or (NO_CREDENTIAL,)
        self.concurrency_max = config.concurrency_max
        region = config.region or _region_of(config.base_url) or REGION
        self._scope = Scope(region, SERVICE)
        self._line = asking.line_to(config, http, f"https://bedrock-runtime.{region}.amazonaws.com")
        self._given = [(name.lower(), value) for name, value in config.headers.items()]
        self._fetch = fetch
        self._now_s = now_s
        self._shown = {credential: _shown(credential) for credential in self.credentials}

    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """Nothing is native here: every call comes through `tell`. Raises UpstreamFailed."""
        raise UpstreamFailed(f"The provider of the model `{target.model.name}` was asked in another's dialect.")

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer. Raises an ApiError with its blame; Unsupported for what the API can't say."""
        name, model = target.model.name, target.deployment.upstream_model
        if ask.said and not can_go_on(model, prefill=target.deployment.prefill):
            words = f"The provider of the model `{name}` can't go on with an answer that has begun."
            raise blamed(UpstreamFailed(words), Blame.MODEL)
        notes = Notes(call.dialect)
        written = converse_body(await brought(ask, self._fetch, takes_url), model, notes)
        call.ignored, call.mapped = tuple(notes.ignored), tuple(notes.mapped)
        path = path_of(model, stream=ask.stream)
        headers = self._headers(target, path, written.body, stream=ask.stream)
        secret = target.credential.secret.reveal() if target.credential.secret is not None else ""
        refused = partial(bedrock_refused, model=name, secret=secret, now_s=self._now_s())
        reader: Reader = ConverseStreamReader() if ask.stream else ConverseWholeReader()
        strip = written.strip
        async with aclosing(
            asking.ask(self._line, path, headers, written.body, reader, refused, model=name)
        ) as sayings:
            async for saying in sayings:
                if strip and isinstance(saying, TextDelta):
                    saying = replace(saying, text=saying.text.lstrip())
                    strip = not saying.text
                    if strip:
                        continue
                yield saying

    def _headers(self, target: Target, path: str, body: bytes, *, stream: bool) -> Headers:
        headers = [
            ("accept", "application/vnd.amazon.eventstream" if stream else "application/json"),
            ("content-type", "application/json"),
            *self._given,
        ]
        agent = ("user-agent", f"waystation/{__version__}")
        shown = self._known(target)
        if isinstance(shown, str):
            return [*headers, agent, ("authorization", f"Bearer {shown}")]
        if shown is None:
            return [*headers, agent]
        origin = self._line.origin
        signature = sign(
            "POST",
            origin.authority,
            origin.path + path,
            headers,
            body,
            keys=shown,
            scope=self._scope,
            now_s=self._now_s(),
        )
        return [*headers, agent, *signature]

    def _known(self, target: Target) -> Keys | str | None:
        credential = target.credential
        if credential in self._shown:
            return self._shown[credential]
        try:
            return _shown(credential)
        except ValueError as error:
            words = (
                f"The provider of the model `{target.model.name}` can't be asked with this server's credential there."
            )
            raise blamed(UpstreamFailed(words, detail=str(error)), Blame.CREDENTIAL) from None


def path_of(model: str, *, stream: bool) -> str:
    """An ARN's colons and slashes are encoded: it is one step of the path."""
    return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"


def _region_of(base_url: str) -> str | None:
    match = _REGION_IN_A_HOST.search(base_url)
    return match[1] if match is not None else None


def _shown(credential: Credential) -> Keys | str | None:
    return None if credential.secret is None else read_secret(credential.secret)
