"""Answer one exchange: read the call, walk the way, write what comes."""

import asyncio
import logging
from contextlib import aclosing
from functools import partial

from waystation.errors import ApiError, InvalidRequest, ServiceUnavailable
from waystation.gateway.answer import Way, carried
from waystation.gateway.call import Call
from waystation.gateway.notes import MODEL, noted
from waystation.http.bounds import Bounds
from waystation.http.exchange import Reply
from waystation.http.presented import shown_key
from waystation.http.repeats import KEY, Answers, Recorder, Tape, follow
from waystation.http.unpack import unpack
from waystation.terms import Dialect, Done, Rung, Usage

log = logging.getLogger("waystation.http")

_SERVED_BY = {rung: b"x-waystation-served-by: %b\r\n" % rung.value.encode() for rung in Rung}
_JSON_TYPES = (b"application/json", b"")
_INTERNAL = "The server had an error while processing your request. Sorry about that! Quote the x-request-id when you report it."


async def serve_call(exchange: Reply, way: Way, bounds: Bounds, answers: Answers | None = None) -> None:
    """Carry an exchange whose request is read to the end of its answer; the outermost layer, so nothing escapes it.

    `answers`: where calls with an Idempotency-Key are answered once; without it the header means nothing.
    """
    call: Call | None = None
    try:
        call = read_call(exchange, bounds)
        if answers is not None and KEY in exchange.fields:
            await _once(exchange, call, way, bounds, answers)
            return
        exchange.call = call
        if call.request.stream:
            await _stream(exchange, call, way, bounds)
        else:
            await _whole(exchange, call, way)
    except (Exception, asyncio.CancelledError) as error:
        _fail(exchange, call, error)


async def _play(recorder: Recorder, call: Call, way: Way, bounds: Bounds, tape: Tape) -> None:
    """Answer a call that is read onto a tape, errors too."""
    recorder.tape = tape
    try:
        if call.request.stream:
            await _stream(recorder, call, way, bounds)
        else:
            await _whole(recorder, call, way)
    except (Exception, asyncio.CancelledError) as error:
        _fail(recorder, call, error)


def _fail(exchange: Reply, call: Call | None, error: BaseException) -> None:
    """End an exchange with what went wrong. A fault of ours is told in the log only."""
    if isinstance(error, ApiError):
        if error.detail:
            log.warning("%s %s: %s", exchange.request_id, error.code or error.type, error.detail)
        exchange.fail(error, _found_headers(call))
    elif isinstance(error, asyncio.CancelledError):
        if not exchange.disconnected:  # the server drains and this call took too long
            exchange.fail(ServiceUnavailable("The server is shutting down. Try again.", retry_after_ms=1000))
    else:
        log.error("%s failed", exchange.request_id, exc_info=error)
        exchange.fail(ApiError(_INTERNAL))


async def _once(exchange: Reply, call: Call, way: Way, bounds: Bounds, answers: Answers) -> None:
    """Have a call with an Idempotency-Key answered once, and follow its answer. Every repeat shows its key first."""
    caller = way.auth.identify(call)
    stream, route = call.request.stream, exchange.route
    name = call.operation.value if call.dialect is Dialect.OPENAI else call.dialect.value
    reader = answers.open(
        caller.project_id,
        exchange.fields[KEY],
        (route.name if route is not None else "") or name,
        call.body,
        call.request_id,
        stream,
        partial(_play, Recorder(exchange), call, way, bounds),
    )
    with reader:
        await follow(exchange, reader, bounds, stream=stream)


def read_call(exchange: Reply, bounds: Bounds) -> Call:
    """Make a call of the bytes that were sent. Raises the 400 family."""
    if exchange.error is not None:
        raise exchange.error
    route = exchange.route
    assert route is not None
    fields = exchange.fields
    body = exchange.take_body()
    encoding = fields.get(b"content-encoding")
    if encoding is not None:
        body = unpack(body, encoding, bounds.body_decompressed_bytes_max)
    content_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type not in _JSON_TYPES and not content_type.endswith(b"+json"):
        looks_like_json = body.lstrip(b" \t\r\n").startswith(b"{")
        if not looks_like_json:  # what does is taken, whatever it is called: curl -d says it is a form
            raise InvalidRequest(
                f"The content-type '{content_type[:60].decode('latin-1')}' is not supported. Send application/json.",
                code="unsupported_content_type",
            )
    return Call(
        route.operation,
        exchange.request_id,
        body,
        route.read(body),
        shown_key(fields),
        fields,
        exchange.client_address,
        exchange.started_ns,
        route.dialect,
    )


async def _whole(exchange: Reply, call: Call, way: Way) -> None:
    events = carried(call, way)
    try:
        async for event in events:
            if type(event) is Done:
                exchange.answer(200, _headers(call, event), event.data)
    finally:  # as aclosing does, at a third of its cost
        await events.aclose()


async def _stream(exchange: Reply, call: Call, way: Way, bounds: Bounds) -> None:
    first = last = b""
    with exchange.streams:
        exchange.watch_silence(bounds.silence_s, lambda: _headers(call))
        try:
            async with aclosing(carried(call, way)) as events:
                async for event in events:
                    if not exchange.streaming:
                        exchange.begin_stream(_headers(call))
                    if type(event) is Done:
                        exchange.finish(
                            event.data if event.tail is None else event.data + event.tail(event.usage or Usage())
                        )
                    else:
                        last = event.data
                        first = first or last
                        exchange.send(last)
                        if exchange.stalled:  # a slow reader slows its upstream
                            await exchange.drained()
        except BaseException:
            exchange.went_out = first, last  # some dialects' last event is told of what came before
            raise


def _headers(call: Call, done: Done | None = None) -> bytes:
    """The headers that every call's answer has, as encoded lines."""
    lines = b"x-waystation-deployment: %b\r\n%b" % (call.deployment.encode(), _SERVED_BY[call.rung])
    if done is not None:
        lines += b"x-waystation-cost: %b %b\r\n" % (nano(done.cost_nano), done.currency.encode())
    if call.attempts > 1:
        lines += b"x-waystation-attempts: %d\r\n" % call.attempts
    if call.served is not None:  # in place of what the catalogue said: a fallback may have answered instead
        lines += noted(call.notes, MODEL, call.served.name)
    elif call.notes:
        lines += call.notes
    if call.output_tokens_max is not None:
        lines += b"x-waystation-budget-clamped: %d\r\n" % call.output_tokens_max
    if call.limit_headers:
        lines += call.limit_headers
    if call.ignored:
        lines += b"x-waystation-ignored: %b\r\n" % _listed(call.ignored)
    if call.mapped:
        lines += b"x-waystation-mapped: %b\r\n" % _listed(call.mapped)
    return lines


def _listed(names: tuple[str, ...]) -> bytes:
    """Names in a header. They may be the caller's own, so nothing of them may end a line."""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names).encode("ascii", "replace")


def _found_headers(call: Call | None) -> bytes:
    """What is known of a failed call: where it went before it failed, and what is left of its limits."""
    if call is None:
        return b""
    where = b"x-waystation-deployment: %b\r\n" % call.deployment.encode() if call.deployment else b""
    if call.attempts > 1:
        where += b"x-waystation-attempts: %d\r\n" % call.attempts
    return where + call.notes + call.limit_headers


def nano(amount_nano: int) -> bytes:
    """10⁻⁹ units as a plain decimal: 1_520_000 → 0.00152."""
    if amount_nano == 0:
        return b"0"
    text = f"{amount_nano // 1_000_000_000}.{amount_nano % 1_000_000_000:09d}".rstrip("0").rstrip(".")
    return text.encode()
