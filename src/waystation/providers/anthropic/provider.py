"""Calls a server that speaks Anthropic's dialect. What its answers mean is decided in the files beside this one."""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from waystation import __version__
from waystation.dialects.ask import Ask
from waystation.dialects.messages.body import messages_body
from waystation.dialects.messages.events import NULL
from waystation.dialects.messages.reader import StreamReader, WholeReader
from waystation.dialects.messages.usage import read_told
from waystation.dialects.saying import Saying, TextDelta
from waystation.errors import ApiError, InvalidRequest, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.anthropic.body import outgoing
from waystation.providers.anthropic.refusals import anthropic_refusal
from waystation.providers.anthropic.stream import ErrorEvent, Stream
from waystation.providers.asking import ANSWER_BYTES_MAX, Line, ask, refusal_body
from waystation.providers.model import ProviderConfig
from waystation.providers.refusals import fault
from waystation.terms import NO_CREDENTIAL, Credential, Dialect, Done, Event, Operation, Target
from waystation.wire.http import (
    Disconnected,
    HeaderBlock,
    Http,
    HttpFault,
    Origin,
    Response,
    Timeouts,
    encode_headers,
)

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
_BETA = b"anthropic-beta"


class _Whole(msgspec.Struct):
    """A whole message, as far as we look: it goes on as it came."""

    type: str = ""
    usage: msgspec.Raw = NULL


_whole = msgspec.json.Decoder(_Whole)


class Anthropic:
    """A configured provider. Callers of its own dialect have their own bytes passed on."""

    native: Collection[tuple[Dialect, Operation]] = frozenset({(Dialect.ANTHROPIC, Operation.CHAT)})
    operations: Collection[Operation] = frozenset({Operation.CHAT})

    def __init__(self, config: ProviderConfig, http: Http, *, now_s: Callable[[], float] = time.time) -> None:
        self.name = config.name
        self.credentials: Sequence[Credential] = config.credentials or (NO_CREDENTIAL,)
        self.concurrency_max = config.concurrency_max
        self._config = config
        self._now_s = now_s
        origin = Origin.parse(config.base_url or BASE_URL)
        # A base URL may be told as SDKs are told it, without the version of the API.
        self._path = "/messages" if origin.path.endswith("/v1") else "/v1/messages"
        timeouts = Timeouts(
            config.connect_timeout_s, config.first_byte_timeout_s, config.idle_timeout_s, config.total_timeout_s
        )
        self._line = Line(http, origin, timeouts)
        self._headers = {each.id: _headers(config, each) for each in self.credentials}

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events to a caller of this dialect, Done last. Raises an ApiError. Closing cancels upstream."""
        line, streams = self._line, call.request.stream
        body = outgoing(call, target)
        try:
            response = await line.http.request(
                line.origin,
                "POST",
                line.origin.path + self._path,
                self._native_headers(call, target),
                body,
                line.timeouts,
            )
            try:
                await self._check(response, target, streams=streams)
                if not streams:
                    yield self._done(await response.read(ANSWER_BYTES_MAX), target)
                    return
                async with aclosing(_passed(response, Stream(), call)) as events:
                    async for event in events:
                        yield event
            except ErrorEvent as error:
                raise self._refused(target, 0, {}, error.body) from None
            finally:
                response.close()
        except HttpFault as error:
            raise fault(error, target.model.name) from error

    async def tell(self, asked: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer in the vocabulary. Raises as `send` does."""
        written = messages_body(
            asked,
            target.deployment.upstream_model,
            output_tokens_max=target.model.abilities.output_tokens_max,
            prefill=target.deployment.prefill,
        )
        call.ignored, call.mapped = written.ignored, written.mapped
        answer = ask(
            self._line,
            self._path,
            self._headers_for(target.credential),
            msgspec.json.encode(written.body),
            StreamReader() if asked.stream else WholeReader(),
            partial(self._refused, target),
            model=target.model.name,
        )
        repeated = written.stripped  # white space that was sent before, and that the answer may begin with again
        async with aclosing(answer) as sayings:
            async for saying in sayings:
                if repeated and type(saying) is TextDelta:
                    saying, repeated = without_repeated(saying, repeated)
                    if not saying.text:
                        continue
                yield saying

    async def _check(self, response: Response, target: Target, *, streams: bool) -> None:
        """Raise unless what comes is the kind of answer that was asked for."""
        provider = f"The provider of the model `{target.model.name}`"
        if response.status != 200:
            raise self._refused(target, response.status, response.headers, await refusal_body(response))
        kind = response.headers.get(b"content-type", b"").lower()
        if b"text/html" in kind:
            raise UpstreamFailed(f"{provider} answered with a web page.")
        if not streams and b"event-stream" in kind:
            raise UpstreamFailed(f"{provider} streamed without being asked to.")
        if streams and b"json" in kind:
            self._done(await response.read(ANSWER_BYTES_MAX), target)  # it may be an error, which says more
            raise UpstreamFailed(f"{provider} did not stream.")

    def _done(self, body: bytes, target: Target) -> Done:
        try:
            whole = _whole.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamFailed("The provider sent what is no answer.", detail=f"{len(body)} bytes: {error}") from None
        if whole.type != "message":
            raise self._refused(target, 0, {}, body)
        return Done(body, read_told(bytes(whole.usage)).usage())

    def _native_headers(self, call: Call, target: Target) -> HeaderBlock:
        block = self._headers_for(target.credential)
        beta = call.headers.get(_BETA)
        if beta is None:
            return block
        try:
            return HeaderBlock(block + encode_headers([("anthropic-beta", beta.decode("latin-1"))]))
        except ValueError as error:
            raise InvalidRequest("The anthropic-beta header is malformed.", detail=str(error)) from None

    def _headers_for(self, credential: Credential) -> HeaderBlock:
        return self._headers.get(credential.id) or _headers(self._config, credential)

    def _refused(self, target: Target, status: int, headers: Mapping[bytes, bytes], body: bytes) -> ApiError:
        secret = target.credential.secret
        shown = secret.reveal() if secret is not None else ""
        return anthropic_refusal(status, headers, body, model=target.model.name, secret=shown, now_s=self._now_s())


async def _passed(response: Response, stream: Stream, call: Call) -> AsyncGenerator[Event]:
    """The stream's events as they come; when no more can be paid it is ended where it is."""
    while not stream.over:
        try:
            data = await response.next()
        except Disconnected:
            if stream.complete:
                break
            raise
        if not data:
            break
        if not call.cut or stream.complete:
            piece = stream.feed(data)
            if piece is not None:
                yield piece
        if call.cut and not stream.complete:
            response.close()
            yield stream.cut()
            return
    piece, done = stream.finish()
    response.drain()
    if piece is not None:
        yield piece
    yield done


def without_repeated(saying: TextDelta, repeated: str) -> tuple[TextDelta, str]:
    """A delta without the white space that it repeats, and what of that may still come."""
    text = saying.text
    same = 0
    while same < min(len(text), len(repeated)) and text[same] == repeated[same]:
        same += 1
    return TextDelta(text[same:], saying.choice), repeated[same:] if same == len(text) else ""


def _headers(config: ProviderConfig, credential: Credential) -> HeaderBlock:
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"waystation/{__version__}",
        "anthropic-version": config.api_version or VERSION,
    }
    if credential.secret is not None:
        headers["x-api-key"] = credential.secret.reveal()
    for name, value in config.headers.items():
        headers[name.lower()] = value
    return encode_headers(list(headers.items()))
