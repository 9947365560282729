"""The body that goes to the upstream: the caller's own, with the model's name there, a wish for usage, no more output
than can be paid, and parameters as the upstream takes them."""

from typing import Any, Protocol

import msgspec

from waystation.errors import InvalidRequest
from waystation.gateway.call import Call
from waystation.terms import WITHOUT_OUTPUT, Operation
from waystation.wire.splice import take_apart

GUARDED = frozenset(
    ("best_of", "max_completion_tokens", "max_tokens", "model", "n", "service_tier", "stream", "stream_options")
)
"""What a call's price hangs on."""


class Rules(Protocol):
    """What becomes of a chat's parameters at one deployment (`catalogue/parameters.py`)."""

    @property
    def affected(self) -> frozenset[str]: ...
    def apply(self, members: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Change the members to what the upstream takes; what was ignored, and what was mapped. Raises Unsupported."""
        ...


class Unruled:
    """No rules: everything passes."""

    affected: frozenset[str] = frozenset()

    def apply(self, members: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), ()


UNRULED = Unruled()


class _Asked(msgspec.Struct):
    stream_options: dict[str, Any] | None = None


_asked = msgspec.json.Decoder(_Asked)
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_DEVELOPER, _SYSTEM = msgspec.Raw(b'"developer"'), msgspec.Raw(b'"system"')
_encode = msgspec.json.encode


def outgoing(
    call: Call, upstream_model: str, rules: Rules = UNRULED, *, stream_options: bool = True, developer: bool = True
) -> bytes:
    """The bytes for the upstream. Usage of a stream is always asked for: else its bill is an estimate.

    `stream_options` False: the upstream refuses them. `developer` False: it doesn't know that role, and hears the system.
    Members are always joined anew, even where nothing changes: of a name that occurs twice we read the last, and an
    upstream might read the first. Says on the call what was ignored and mapped. Raises InvalidRequest.
    """
    try:
        members = take_apart(call.body, GUARDED)
        members["model"] = upstream_model
        if call.request.stream:
            if not stream_options:
                members.pop("stream_options", None)
            elif not call.request.include_usage:
                members["stream_options"] = {**_stream_options(call.body), "include_usage": True}
        if call.output_tokens_max is not None:
            members.update(_clamped(call, call.output_tokens_max))
        if not developer and b'"developer"' in call.body and call.operation is Operation.CHAT:
            members["messages"] = _to_the_system(members["messages"])
        if rules.affected.isdisjoint(members) or call.operation is not Operation.CHAT:
            call.ignored = call.mapped = ()  # also what an earlier attempt elsewhere said
        else:
            call.ignored, call.mapped = rules.apply(members)
        return _encode(members)
    except ValueError as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from error


def _clamped(call: Call, most: int) -> dict[str, int]:
    """The limit of each choice's output in the field that the caller uses, never higher than there.

    Of two fields both are set: which of them an upstream reads is its own affair. Where there is none, models that
    reason know the newer name only, and many servers the older one only.
    """
    request = call.request
    if call.operation in WITHOUT_OUTPUT:
        return {}
    if call.operation is Operation.COMPLETION:
        return {"max_tokens": min(most, request.output_tokens_asked)}
    asked = {"max_completion_tokens": request.max_completion_tokens, "max_tokens": request.max_tokens}
    clamped = {name: min(most, limit) for name, limit in asked.items() if limit is not None}
    return clamped or {"max_tokens" if request.reasoning_effort is None else "max_completion_tokens": most}


def _stream_options(body: bytes) -> dict[str, Any]:
    return (_asked.decode(body).stream_options or {}) if b"stream_options" in body else {}


def _to_the_system(messages: Any) -> Any:
    told = _messages.decode(messages)
    for message in told:
        if message.get("role") == _DEVELOPER:
            message["role"] = _SYSTEM
    return told
