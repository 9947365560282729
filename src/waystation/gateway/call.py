"""What travels along the way of a call: the request as it came, what was read of it, and what the stages found out."""

from typing import Any

from waystation.terms import Caller, Dialect, Model, Operation, Rung

_PRIMARY = Rung.PRIMARY  # to look up a member of an enum costs as much as ten attributes


class Call:
    """One request on its way to an answer.

    The door fills the first group; the stages fill the second as they go, for the provider, the answer's headers and the
    usage row.
    `body` is the caller's own JSON (already unpacked); `request` is what `wire` read of it: a struct with just the fields
    that the gateway decides on, always with `model: str` and `stream: bool`.
    """

    __slots__ = (
        "answer_id",
        "attempts",
        "authorization",
        "body",
        "caller",
        "client",
        "cut",
        "deployment",
        "dialect",
        "drain",
        "headers",
        "ignored",
        "limit_headers",
        "mapped",
        "notes",
        "operation",
        "output_tokens_max",
        "project",
        "request",
        "request_id",
        "rung",
        "served",
        "started_ns",
        "tool_calls",
        "tool_calls_max",
    )

    def __init__(
        self,
        operation: Operation,
        request_id: str,
        body: bytes,
        request: Any,
        authorization: bytes | None,
        headers: dict[bytes, bytes],
        client: str,
        started_ns: int,
        dialect: Dialect = Dialect.OPENAI,
    ) -> None:
        self.operation = operation
        self.dialect = dialect
        self.request_id = request_id
        self.body = body
        self.request = request
        self.authorization = authorization  # the header's value, as sent
        self.headers = headers  # names in lower case; of a repeated one, the last
        self.client = client  # the peer's address, for logs and allow-lists
        self.started_ns = started_ns  # time.monotonic_ns() when the head had been read
        self.project: str = ""  # whose call it is, once auth knows; queues are fair between projects
        self.drain = False  # when the client leaves, the answer is still read to its end, for its exact usage
        self.caller: Caller | None = None  # once auth knows
        # What routing did: the deployment's name, how many times something was dispatched, which rung of the ladder
        # answered, and with which model (None: the one that was asked for). Its price holds where it is lower.
        self.deployment: str = ""
        self.attempts: int = 0
        self.rung: Rung = _PRIMARY
        self.served: Model | None = None
        self.notes = b""  # more headers of the answer that stages have to say, as encoded lines
        self.ignored: tuple[str, ...] = ()  # parameters that the provider could not use, named in x-waystation-ignored
        self.mapped: tuple[str, ...] = ()  # "max_tokens>max_completion_tokens": sent under another name or value
        # The ledger's word to the provider: of each choice no more tokens than this; None: as many as were asked for.
        self.output_tokens_max: int | None = None
        # The ledger's word, too: no more calls of tools that the provider runs than this; None: as the caller said.
        self.tool_calls_max: int | None = None
        # While a stream runs: the calls of such tools that have come, by type. Charged also when it breaks off.
        self.tool_calls: dict[str, int] | None = None
        # While a stream runs: no more of it can be paid. The provider ends it with finish_reason "length".
        self.cut = False
        # The id that the answer has to have, because it is kept under that; "": the provider's, or a new one.
        self.answer_id: str = ""
        self.limit_headers = b""  # x-ratelimit-*, as encoded lines
