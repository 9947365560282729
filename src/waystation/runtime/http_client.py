"""The pooled HTTP/1.1 client that carries every call to an upstream: `HttpClient` is the `Http` of `wire/http.py`.

On the hot path, so it owns no task and no timer per call: a request is one write and one bare future, and one coarse
timer looks after all deadlines. How a new connection comes about is one function, `connect`: see `dial.py`.
"""

import asyncio
import ssl
from collections import deque

from waystation.runtime.dial import Connect, connect_directly
from waystation.runtime.dial_faults import connect_failed
from waystation.runtime.http_connection import NEVER, Answer, Connection
from waystation.runtime.http_decode import decoded
from waystation.runtime.tls import client_context
from waystation.wire.http import (
    ConnectFailed,
    Disconnected,
    HeaderBlock,
    Headers,
    HttpFault,
    Origin,
    Response,
    TimedOut,
    Timeouts,
    check_target,
    encode_headers,
)

CONNECTIONS_MAX = 4096
"""Connections per origin, busy and idle."""
IDLE_MAX = 256
"""Idle connections per origin that are kept."""
QUEUE_MAX = 4096
"""Callers per origin that wait for a connection."""
PREFIXES_MAX = 64
"""Request lines per origin that are remembered."""
JOIN_BYTES_MAX = 64 * 1024
"""Up to here head and body are joined into one write; copying more costs more than a second buffer."""
KEEP_S = 50.0
TICK_S = 0.1
"""How exact deadlines are."""


class HttpClient:
    """A client with a pool per origin. Belongs to the event loop that first uses it."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        connect: Connect = connect_directly,
        connections_max: int = CONNECTIONS_MAX,
        idle_max: int = IDLE_MAX,
        keep_s: float = KEEP_S,
        tick_s: float = TICK_S,
    ) -> None:
        self.connect = connect
        self.connections_max = connections_max
        self.idle_max = idle_max
        self.keep_s = keep_s
        self._closed = False
        self._pools: dict[Origin, Pool] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._tick_s = tick_s
        self._tls = tls

    async def request(
        self, origin: Origin, method: str, target: str, headers: Headers, body: bytes, timeouts: Timeouts
    ) -> Response:
        pool = self._pools.get(origin) or self._new_pool(origin)
        block = headers if isinstance(headers, bytes) else encode_headers(headers)
        head = pool.head(method, target, block, body)
        loop = pool.loop
        started = loop.time()
        connection = pool.take()
        first = True
        while True:
            if connection is None:
                connection = await pool.dial(min(timeouts.connect_s, timeouts.total_s))
            answer = Answer(connection, timeouts, started)
            connection.expect(answer, method == "HEAD")
            if len(body) <= JOIN_BYTES_MAX:
                connection.transport.write(head + body)
            else:
                connection.transport.writelines((head, body))
            waiter: asyncio.Future[None] = loop.create_future()
            answer.waiter = waiter
            connection.deadline = min(answer.patient_until, answer.total_at)
            try:
                await waiter
            except BaseException:
                answer.close()
                raise
            if answer.status:
                return decoded(answer) if b"content-encoding" in answer.headers else answer
            fault = answer.fault or HttpFault("an answer without a status")
            # The server let go of an idle connection just as we used it: nobody has read the request.
            if not (first and connection.reused and isinstance(fault, Disconnected) and fault.before_head):
                raise fault
            first = False
            connection = None

    @property
    def busy(self) -> bool:
        return any(pool.connections for pool in self._pools.values())

    def retire(self) -> None:
        """Nobody will use it any more but for calls under way: these go on to their end, and no connection is kept."""
        self.idle_max = 0
        for pool in self._pools.values():
            pool.let_go()

    async def close(self) -> None:
        """Drop all connections; calls under way fail with Disconnected."""
        self._closed = True
        if self._tick is not None:
            self._tick.cancel()
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # lets the transports say goodbye before the loop may end

    def _new_pool(self, origin: Origin) -> "Pool":
        if self._closed:
            raise ConnectFailed("the client is closed")
        tls = None
        if origin.scheme == "https":
            if self._tls is None:
                self._tls = client_context()
            tls = self._tls
        pool = self._pools[origin] = Pool(self, origin, tls)
        return pool

    def watch(self) -> None:
        """Look after deadlines from now on (as long as there are connections)."""
        if self._tick is None and not self._closed:
            self._tick = asyncio.get_running_loop().call_later(self._tick_s, self._look)

    def _look(self) -> None:
        self._tick = None
        for pool in self._pools.values():
            pool.expire()
            if pool.connections:
                self.watch()


class Pool:
    """The connections to one origin: the last one used is the first one used again, so that the others can time out."""

    __slots__ = ("_client", "_dialling", "_idle", "_prefixes", "_queue", "connections", "loop", "origin", "tls")

    def __init__(self, client: HttpClient, origin: Origin, tls: ssl.SSLContext | None) -> None:
        self._client = client
        self._dialling = 0
        self._idle: list[Connection] = []
        self._prefixes: dict[tuple[str, str], bytes] = {}
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self.connections: set[Connection] = set()
        self.loop = asyncio.get_running_loop()
        self.origin = origin
        self.tls = tls

    def head(self, method: str, target: str, headers: HeaderBlock, body: bytes) -> bytes:
        prefix = self._prefixes.get((method, target)) or self._new_prefix(method, target)
        if not body and method in ("GET", "HEAD"):
            return b"%b%b\r\n" % (prefix, headers)
        return b"%b%bcontent-length: %d\r\n\r\n" % (prefix, headers, len(body))

    def take(self) -> Connection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def dial(self, connect_s: float) -> Connection:
        """A fresh connection; or, where no more are allowed, the next that comes free. Raises an HttpFault."""
        if self._full() and self._idle:
            self._idle[0].drop()  # asked for a fresh one although there are idle ones: those may all be stale
        try:
            async with asyncio.timeout(connect_s):
                if not self._full():
                    self._dialling += 1
                    return await self._connect()
                while (connection := await self._wait()) is not None:
                    if not connection.transport.is_closing():
                        return connection
                return await self._connect()
        except TimeoutError:
            raise TimedOut("connect", connect_s) from None

    def give_back(self, connection: Connection) -> None:
        connection.reused = True
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                connection.deadline = NEVER
                waiter.set_result(connection)
                return
        if len(self._idle) < self._client.idle_max:
            connection.deadline = self.loop.time() + self._client.keep_s
            self._idle.append(connection)
        else:
            connection.drop()

    def forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._let_dial()

    def expire(self) -> None:
        now = self.loop.time()
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire(now)

    def let_go(self) -> None:
        for connection in list(self._idle):
            connection.drop()

    def close(self) -> None:
        for waiter in self._queue:
            waiter.cancel()
        for connection in list(self.connections):
            connection.fail(Disconnected("the client is closed", before_head=False))

    def _new_prefix(self, method: str, target: str) -> bytes:
        if not (method.isascii() and method.isalpha() and method.isupper()):
            raise ValueError(f"{method!r} is no method")
        if len(self._prefixes) >= PREFIXES_MAX:
            self._prefixes.clear()
        host = self.origin.authority.encode("ascii")
        prefix = b"%b %b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n" % (
            method.encode("ascii"),
            check_target(target),
            host,
        )
        self._prefixes[method, target] = prefix
        return prefix

    def _full(self) -> bool:
        return len(self.connections) + self._dialling >= self._client.connections_max

    async def _connect(self) -> Connection:
        """Make a connection in the room that `_dialling` has taken for it."""
        made: list[Connection] = []

        def factory() -> Connection:
            made.append(Connection(self, self.loop))
            return made[-1]

        connection: Connection | None = None
        try:
            await self._client.connect(self.origin, factory, self.tls)
            connection = made[-1]
        except OSError as error:
            raise connect_failed(error, self.origin.authority, tls=self.tls is not None) from error
        finally:
            self._dialling -= 1
            if connection is None:
                self._let_dial()
        self.connections.add(connection)
        self._client.watch()
        return connection

    async def _wait(self) -> Connection | None:
        """The next connection that comes free, or None: room for a fresh one has been taken."""
        if len(self._queue) >= QUEUE_MAX:
            raise ConnectFailed(f"{self.origin.authority}: {QUEUE_MAX} calls already wait for a connection")
        waiter: asyncio.Future[Connection | None] = self.loop.create_future()
        self._queue.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was handed over in the same turn in which its caller left: the next one gets it.
                connection = waiter.result()
                if connection is None:
                    self._dialling -= 1
                    self._let_dial()
                else:
                    self.give_back(connection)
            elif waiter in self._queue:
                self._queue.remove(waiter)
            raise

    def _let_dial(self) -> None:
        while self._queue and not self._full():
            waiter = self._queue.popleft()
            if not waiter.done():
                self._dialling += 1
                waiter.set_result(None)
