"""Calls a server that speaks OpenAI's dialect, OpenAI's own and Azure's too. What its answers mean is decided in the files
beside this one, how its kind differs from others in `presets.py`."""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from waystation.dialects.ask import Ask
from waystation.dialects.chat_body import chat_body
from waystation.dialects.chat_reader import TIERS, ChatReader
from waystation.dialects.chat_usage import read_usage
from waystation.dialects.completions import completion_body
from waystation.dialects.saying import Saying
from waystation.errors import ApiError, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers import asking
from waystation.providers.asking import ANSWER_BYTES_MAX, refusal_body
from waystation.providers.model import ProviderConfig
from waystation.providers.openai.body import UNRULED, Rules, outgoing
from waystation.providers.openai.paths import PATHS, header_block, paths_of, responses_path
from waystation.providers.openai.presets import (
    base_url_of,
    preset_of,
    speaks_responses,
    takes_stream_options,
    tools_of,
)
from waystation.providers.openai.responses import respond
from waystation.providers.openai.responses_body import outgoing_response
from waystation.providers.openai.settings import Settings, configured
from waystation.providers.openai.stream import ErrorEvent, Stream
from waystation.providers.openai.words import meant
from waystation.providers.refusals import fault, refusal
from waystation.terms import (
    NO_CREDENTIAL,
    Credential,
    Deployment,
    Dialect,
    Done,
    Event,
    Operation,
    Route,
    Target,
)
from waystation.wire.http import Disconnected, HeaderBlock, Http, HttpFault, Origin, Timeouts

DEPLOYMENTS_KEPT_MAX = 10_000
"""What is prepared for deployments is kept for so many; more, and all is prepared anew."""

NATIVE = frozenset((Dialect.OPENAI, operation) for operation in PATHS)
RESPONSES = (Dialect.RESPONSES, Operation.CHAT)
_RESPONSES = Dialect.RESPONSES  # an enum's member costs more to look up than an attribute

RulesFor = Callable[[str, str, str], Rules]
"""(preset, upstream model, the deployment's `rules`) → its parameter rules (`catalogue/parameters_table.py:rules_for`)."""


class _Prepared(msgspec.Struct):
    """What is worked out once for a deployment."""

    deployment: Deployment
    paths: dict[Operation, str]
    responses_path: str
    rules: Rules


_NULL = msgspec.Raw(b"null")


class _Whole(msgspec.Struct):
    """A whole answer, as far as we look: it goes on as it came."""

    choices: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL  # of embeddings
    results: msgspec.Raw = _NULL  # of moderations
    usage: msgspec.Raw = _NULL
    service_tier: msgspec.Raw = _NULL


_whole = msgspec.json.Decoder(_Whole)
_TIER_OF = {msgspec.json.encode(tier): tier for tier in TIERS}


class OpenAI:
    """A configured provider. Calls of OpenAI's dialect go out with its key, their own bytes otherwise."""

    def __init__(
        self,
        config: ProviderConfig | Settings,
        http: Http,
        *,
        now_s: Callable[[], float] = time.time,
        rules: RulesFor | None = None,
    ) -> None:
        """Raises ValueError, in words for who configured it: no such preset, no base URL, a header that is none."""
        config = config if isinstance(config, ProviderConfig) else configured(config)
        self.name = config.name
        self.credentials: Sequence[Credential] = config.credentials or (NO_CREDENTIAL,)
        self.concurrency_max = config.concurrency_max
        self._config = config
        self._preset = preset_of(config)
        native = NATIVE | {RESPONSES} if speaks_responses(config) else NATIVE
        self.native: Collection[tuple[Dialect, Operation]] = native
        self.operations: Collection[Operation] = frozenset(PATHS)
        self._tools = tools_of(config)
        self._stream_options = takes_stream_options(config)
        self._http = http
        self._now_s = now_s
        self._rules = rules
        base = Origin.parse(base_url_of(config))
        self._base_path = base.path
        self._origin = msgspec.structs.replace(base, path="")  # of the connections; targets have the whole path
        self._timeouts = Timeouts(
            config.connect_timeout_s,
            config.first_byte_timeout_s,
            config.idle_timeout_s,
            config.total_timeout_s,
        )
        self._prepared: dict[str, _Prepared] = {}
        self._blocks = {credential.id: self._block(credential) for credential in self.credentials}
        self._blocks.setdefault(NO_CREDENTIAL.id, self._blocks[self.credentials[0].id])

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events, Done last. Raises an ApiError. Closing the generator cancels the call upstream."""
        streams, model, deployment = call.request.stream, target.model, target.deployment
        prepared = self._prepared.get(deployment.name)
        if prepared is None or prepared.deployment is not deployment:
            prepared = self._prepare(deployment)
        if call.dialect is _RESPONSES:
            async with aclosing(self._respond(call, target, prepared)) as events:
                async for event in events:
                    yield event
            return
        body = outgoing(
            call,
            deployment.upstream_model,
            prepared.rules,
            stream_options=self._stream_options,
            developer=self._preset.developer,
        )
        headers = self._blocks.get(target.credential.id) or self._block(target.credential)
        timeouts = self._timeouts if model.route is None else self._timeouts_of(model.route)
        try:
            response = await self._http.request(
                self._origin, "POST", prepared.paths[call.operation], headers, body, timeouts
            )
            try:
                if response.status != 200:
                    raise self._refused(response.status, response.headers, await refusal_body(response), target)
                kind = response.headers.get(b"content-type", b"").lower()
                if b"text/html" in kind:
                    raise UpstreamFailed(f"The provider of the model `{model.name}` answered with a web page.")
                if not streams and b"event-stream" in kind:
                    raise UpstreamFailed(f"The provider of the model `{model.name}` streamed without being asked to.")
                if not streams or b"json" in kind:
                    done = self._done(await response.read(ANSWER_BYTES_MAX), target)
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
                raise self._refused(0, {}, error.body, target) from None
            finally:
                response.close()
        except HttpFault as error:
            raise fault(error, model.name) from error

    def _respond(self, call: Call, target: Target, prepared: _Prepared) -> AsyncGenerator[Event]:
        """A call of the Responses API, passed on to a provider that speaks it. Raises as `send` does."""
        body = outgoing_response(
            call,
            target.model,
            target.deployment.upstream_model,
            prepared.rules,
            tools=self._tools,
            encrypts=self._preset.encrypts_reasoning,
        )
        route = target.model.route
        return respond(
            asking.Line(self._http, self._origin, self._timeouts if route is None else self._timeouts_of(route)),
            prepared.responses_path,
            self._blocks.get(target.credential.id) or self._block(target.credential),
            body,
            call,
            partial(self._refused, target=target),
            model=target.model.name,
        )

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        """The answer in the vocabulary. Raises as `send` does, and Unsupported for what this dialect can't say."""
        model, deployment, preset = target.model, target.deployment, self._preset
        prepared = self._prepared.get(deployment.name)
        if prepared is None or prepared.deployment is not deployment:
            prepared = self._prepare(deployment)
        call.ignored = call.mapped = ()
        if ask.extra and call.dialect is not Dialect.OPENAI:  # other words of other dialects
            call.ignored = tuple(ask.extra)
            ask = msgspec.structs.replace(ask, extra={})
        if ask.prompt is not None:
            path, members = prepared.paths[Operation.COMPLETION], completion_body(ask, deployment.upstream_model)
        else:
            path, members = prepared.paths[Operation.CHAT], self._chat_body(ask, deployment, prepared.rules, call)
            if ask.said and preset.prefill_path is not None:
                path = preset.prefill_path + path.removeprefix(self._base_path)
        if not self._stream_options:
            members.pop("stream_options", None)
        timeouts = self._timeouts if model.route is None else self._timeouts_of(model.route)
        sayings = asking.ask(
            asking.Line(self._http, self._origin, timeouts),
            path,
            self._blocks.get(target.credential.id) or self._block(target.credential),
            msgspec.json.encode(members),
            ChatReader(),
            lambda status, headers, body: self._refused(status, headers, body, target),
            model=model.name,
        )
        try:
            async for saying in sayings:
                yield saying
        finally:
            await sayings.aclose()

    def _chat_body(self, ask: Ask, deployment: Deployment, rules: Rules, call: Call) -> dict[str, Any]:
        """A chat as this provider takes it; says on the call what was ignored and mapped."""
        preset = self._preset
        members = chat_body(
            ask,
            deployment.upstream_model,
            prefill=preset.prefill if deployment.prefill else "none",
            developer=preset.developer,
            reasoning=preset.reasoning,
        )
        quiet = bool(ask.said) and (preset.prefill_at_no_effort or "reasoning_effort" in rules.affected)
        if quiet:  # what goes on has been thought already
            members["reasoning_effort"] = "none"
        ignored, mapped = rules.apply(members)
        if quiet:
            ignored = tuple(each for each in ignored if each != "reasoning_effort")
            mapped = tuple(each for each in mapped if not each.startswith("reasoning_effort>"))
        call.ignored, call.mapped = call.ignored + ignored, mapped
        return members

    def _done(self, body: bytes, target: Target) -> Done:
        try:
            whole = _whole.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamFailed("The provider sent what is no answer.", detail=f"{len(body)} bytes: {error}") from None
        if whole.choices == _NULL and whole.data == _NULL and whole.results == _NULL:
            raise self._refused(0, {}, body, target)
        usage = read_usage(bytes(whole.usage))
        if usage is not None and whole.service_tier != _NULL:
            usage.tier = _TIER_OF.get(bytes(whole.service_tier))
        return Done(body, usage)

    def _refused(self, status: int, headers: Mapping[bytes, bytes], body: bytes, target: Target) -> ApiError:
        """The error for the caller. `status` 0: it came within an answer."""
        status, body = meant(status, body)
        credential = target.credential if target.credential.id else self.credentials[0]
        secret = credential.secret.reveal() if credential.secret is not None else ""
        return refusal(status, headers, body, model=target.model.name, secret=secret, now_s=self._now_s())

    def _prepare(self, deployment: Deployment) -> _Prepared:
        rules: Rules = UNRULED
        if self._rules is not None:
            rules = self._rules(self._preset.name, deployment.upstream_model, deployment.rules)
        prepared = _Prepared(
            deployment,
            paths_of(self._config, self._base_path, deployment.upstream_model),
            responses_path(self._config, self._base_path),
            rules,
        )
        if len(self._prepared) >= DEPLOYMENTS_KEPT_MAX:
            self._prepared.clear()
        self._prepared[deployment.name] = prepared
        return prepared

    def _block(self, credential: Credential) -> HeaderBlock:
        return header_block(self._config, self._preset.key_header, credential)

    def _timeouts_of(self, route: Route) -> Timeouts:
        """The provider's, unless the route says otherwise."""
        own, first, total = self._timeouts, route.first_byte_timeout_s, route.total_timeout_s
        if first is None and total is None:
            return own
        return Timeouts(
            own.connect_s,
            own.first_byte_s if first is None else first,
            own.idle_s,
            own.total_s if total is None else total,
        )
