"""A connection in the making: bytes to and from a proxy, TLS on top, then it is handed over to the one it is for."""

import asyncio
import ssl
from typing import cast

from waystation.runtime.dial_faults import tls_failed
from waystation.runtime.proxy import Handshake, Want
from waystation.wire.http import ConnectFailed, Hop

RECEIVED_BYTES_MAX = 16 * 1024
"""What may come before the connection is handed over."""
_BLANK_LINE = b"\r\n\r\n"


class Tunnel(asyncio.Protocol):
    """Reads what a handshake wants, and keeps whatever else comes from reaching anybody."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    # -- by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > RECEIVED_BYTES_MAX:
            self._lost = True
            self.transport.abort()
        self._wake()

    def eof_received(self) -> None:
        self._lost = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- by the dialer

    async def shake_hands(self, handshake: Handshake, place: str) -> None:
        """Do what the handshake says. Raises ConnectFailed."""
        step = next(handshake, None)
        while step is not None:
            if isinstance(step, Want):
                received = await self._take(step.size, place)
            else:
                self.transport.write(step)
                received = b""
            try:
                step = handshake.send(received)
            except StopIteration:
                return

    async def start_tls(self, context: ssl.SSLContext, host: str, where: str, hop: Hop = "tls") -> None:
        """Speak TLS from here on. Raises ConnectFailed."""
        self._check_still(where, hop)
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, self, context, server_hostname=host)
        except OSError as error:
            raise tls_failed(error, where, hop) from error
        if transport is None:
            raise ConnectFailed(f"{where}: TLS: it closed the connection", hop=hop, reason="broke_off")
        self.transport = transport

    def hand_over(self, protocol: asyncio.Protocol, where: str, hop: Hop) -> None:
        self._check_still(where, hop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)

    def close(self) -> None:
        self.transport.abort()

    def _check_still(self, where: str, hop: Hop) -> None:
        """Nothing may come unasked: whoever reads on would take it for a part of what they asked for."""
        if self._received:
            raise ConnectFailed(f"{where}: more came than was asked for", hop=hop, reason="other")
        if self._lost or self.transport.is_closing():
            raise ConnectFailed(f"{where}: it closed the connection", hop=hop, reason="broke_off")

    async def _take(self, size: int | None, place: str) -> bytes:
        while (end := self._end(size)) is None:
            if self._lost:
                raise ConnectFailed(f"{place} closed the connection", hop="proxy", reason="broke_off")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken = bytes(self._received[:end])
        del self._received[:end]
        return taken

    def _end(self, size: int | None) -> int | None:
        """Where what is wanted ends, once it is there."""
        if size is not None:
            return size if len(self._received) >= size else None
        at = self._received.find(_BLANK_LINE)
        return None if at < 0 else at + len(_BLANK_LINE)
