"""Calls a server that speaks OpenAI's dialect. What its answers mean is decided in the files beside this one."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

import msgspec

from waystation import __version__
from waystation.dialects.chat_usage import read_usage
from waystation.errors import ApiError, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.openai.body import outgoing
from waystation.providers.openai.stream import TIERS, ErrorEvent, Stream
from waystation.providers.refusals import fault, refusal, status_in
from waystation.terms import Done, Event, Model, Operation, Target
from waystation.wire.http import Disconnected, Http, HttpFault, Origin, Response, Timeouts, encode_headers

ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""A whole answer: 2048 embeddings of 3072 numbers fit."""
REFUSAL_BYTES_MAX = 256 * 1024
"""An error's body; of a longer one nothing is read."""

PATHS = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.EMBEDDINGS: "/embeddings",
}


class Secret(Protocol):
    def reveal(self) -> str: ...


class Settings(Protocol):
    """What is configured about a provider (`settings.ProviderSettings`)."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> Secret | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def connect_timeout_s(self) -> float: ...
    @property
    def first_byte_timeout_s(self) -> float: ...
    @property
    def idle_timeout_s(self) -> float: ...
    @property
    def total_timeout_s(self) -> float: ...


_NULL = msgspec.Raw(b"null")


class _Whole(msgspec.Struct):
    """A whole answer, as far as we look: it goes on as it came."""

    choices: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL  # of embeddings
    usage: msgspec.Raw = _NULL
    service_tier: msgspec.Raw = _NULL


_whole = msgspec.json.Decoder(_Whole)
_TIER_OF = {msgspec.json.encode(tier): tier for tier in TIERS}


class OpenAI:
    """A configured provider. Its models' calls go out with its key, their own bytes otherwise."""

    def __init__(self, settings: Settings, http: Http, *, now_s: Callable[[], float] = time.time) -> None:
        self._http = http
        self._key = settings.api_key
        self._now_s = now_s
        self._origin = Origin.parse(settings.base_url)
        self._targets = {operation: self._origin.path + path for operation, path in PATHS.items()}
        self._headers = encode_headers(_headers(settings))
        self._timeouts = Timeouts(
            settings.connect_timeout_s,
            settings.first_byte_timeout_s,
            settings.idle_timeout_s,
            settings.total_timeout_s,
        )

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events, Done last. Raises an ApiError. Closing the generator cancels the call upstream."""
        streams, model = call.request.stream, target.model
        body = outgoing(call, target.deployment.upstream_model)
        try:
            response = await self._http.request(
                self._origin, "POST", self._targets[call.operation], self._headers, body, self._timeouts
            )
            try:
                if response.status != 200:
                    raise await self._refusal(response, model)
                kind = response.headers.get(b"content-type", b"").lower()
                if b"text/html" in kind:
                    raise UpstreamFailed(f"The provider of the model `{model.name}` answered with a web page.")
                if not streams and b"event-stream" in kind:
                    raise UpstreamFailed(f"The provider of the model `{model.name}` streamed without being asked to.")
                if not streams or b"json" in kind:
                    done = self._done(await response.read(ANSWER_BYTES_MAX), model)
                    if streams:
                        raise UpstreamFailed(f"The provider of the model `{model.name}` did not stream.")
                    yield done
                    return
                stream, choices = Stream(call.request.include_usage), call.request.choices
                while not stream.over:
                    try:
                        data = await response.next()
                    except Disconnected:
                        if stream.complete:
                            break
                        raise
                    if not data:
                        break
                    cut = call.cut and not stream.all_ended(choices)
                    if not cut:
                        piece = stream.feed(data)
                        if piece is not None:
                            yield piece
                        cut = call.cut and not stream.all_ended(choices)
                    if cut:
                        response.close()
                        yield stream.cut(completion=call.operation is Operation.COMPLETION)
                        return
                piece, done = stream.finish()
                response.drain()
                if piece is not None:
                    yield piece
                yield done
            except ErrorEvent as error:
                raise self._refused(status_in(error.body), {}, error.body, model) from None
            finally:
                response.close()
        except HttpFault as error:
            raise fault(error, model.name) from error

    def _done(self, body: bytes, model: Model) -> Done:
        try:
            whole = _whole.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamFailed("The provider sent what is no answer.", detail=f"{len(body)} bytes: {error}") from None
        if whole.choices == _NULL and whole.data == _NULL:
            raise self._refused(status_in(body), {}, body, model)
        usage = read_usage(bytes(whole.usage))
        if usage is not None and whole.service_tier != _NULL:
            usage.tier = _TIER_OF.get(bytes(whole.service_tier))
        return Done(body, usage)

    async def _refusal(self, response: Response, model: Model) -> ApiError:
        try:
            body = await response.read(REFUSAL_BYTES_MAX)
        except HttpFault:
            body = b""  # the status alone says enough
        return self._refused(response.status, response.headers, body, model)

    def _refused(self, status: int, headers: Mapping[bytes, bytes], body: bytes, model: Model) -> ApiError:
        secret = self._key.reveal() if self._key is not None else ""
        return refusal(status, headers, body, model=model.name, secret=secret, now_s=self._now_s())


def _headers(settings: Settings) -> list[tuple[str, str]]:
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"waystation/{__version__}",
    }
    if settings.api_key is not None:
        headers["authorization"] = f"Bearer {settings.api_key.reveal()}"
    for name, value in settings.headers.items():
        headers[name.lower()] = value
    return list(headers.items())
