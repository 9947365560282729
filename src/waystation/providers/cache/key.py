"""Which requests are the same: by what an answer is kept and found. Pure.

The same are those of one project, in one dialect, for one model, whose JSON says the same: in whatever order and white space,
however numbers are written, and without what does not change the answer. Streams are kept apart from whole answers.
"""

from hashlib import sha256
from typing import Any

import msgspec

from waystation.gateway.call import Call
from waystation.terms import Model

REQUEST_BYTES_MAX = 2**20  # a longer one is neither looked up nor kept: to read and hash it would hold up others

_CHANGES_NOTHING = frozenset(
    (
        "metadata",
        "model",  # the resolved one counts
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",  # counts as what was read of it
        "stream_options",
        "user",
    )
)
# Models write the fields of a schema in its order, and read tools in theirs.
_ORDER_COUNTS = frozenset(("functions", "output_config", "output_format", "response_format", "tools"))
# The answer depends on the moment, has effects at the provider, or names what is kept there for a while.
_NEVER_TWICE = ("audio", "container", "mcp_servers", "web_search_options")
_CALLERS_OWN_TOOLS = (None, "function", "custom")  # others are run by the provider: searches, code
_TELLING_HEADERS = (b"anthropic-beta", b"anthropic-version", b"openai-beta")
_EXACT_MAX = 2**53  # up to here a double holds every integer

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def key_of(call: Call, model: Model) -> bytes | None:
    """The SHA-256 by which an answer to this call is kept; None: it is not to be kept."""
    caller, body, request = call.caller, call.body, call.request
    if caller is None or len(body) > REQUEST_BYTES_MAX:
        return None
    try:
        asked = _decode(body)
        if not _can_be_repeated(asked):
            return None
        said = {name: _said(name, asked[name]) for name in sorted(asked) if name not in _CHANGES_NOTHING}
        stream = bool(request.stream)
        key = (
            caller.project_id,
            call.dialect.value,
            call.operation.value,
            model.alias_of or model.name,
            stream,
            stream and request.include_usage,
            [call.headers.get(name) for name in _TELLING_HEADERS],
            {name: value for name, value in said.items() if value is not None},
        )
        return sha256(_encode(key)).digest()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):  # a provider may know what to make of it
        return None


def _can_be_repeated(asked: dict[str, Any]) -> bool:
    if any(asked.get(name) is not None for name in _NEVER_TWICE):
        return False
    tools = asked.get("tools")
    return not isinstance(tools, list) or all(
        isinstance(tool, dict) and tool.get("type") in _CALLERS_OWN_TOOLS for tool in tools
    )


def _said(name: str, value: Any) -> Any:
    return value if name in _ORDER_COUNTS else _canonical(value)


def _canonical(value: Any) -> Any:
    """The same for what means the same: names in order, 1.0 as 1."""
    if type(value) is dict:
        return {name: _canonical(value[name]) for name in sorted(value)}
    if type(value) is list:
        return [_canonical(each) for each in value]
    if type(value) is float and value.is_integer() and abs(value) < _EXACT_MAX:
        return int(value)
    return value
