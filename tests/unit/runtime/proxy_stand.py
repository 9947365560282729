"""Small proxies on real sockets: HTTP by CONNECT, and SOCKS5. They know one origin, whatever name they are asked for."""

import asyncio
import base64
from dataclasses import dataclass, field

from tests.unit.runtime.http_stand import Line, Script
from waystation.wire.http import Origin


@dataclass
class Asked:
    """What a proxy was asked for, in order: "host:port"."""

    targets: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


def http_proxy(origin: Origin, asked: Asked, *, login: str | None = None, answer: bytes | None = None) -> Script:
    """`answer`: said instead of a tunnel."""

    async def script(line: Line) -> None:
        head = (await line.reader.readuntil(b"\r\n\r\n")).decode()
        asked.targets.append(head.split(" ")[1])
        given = ""
        if "proxy-authorization: Basic " in head:
            given = base64.b64decode(head.partition("Basic ")[2].split("\r\n")[0]).decode()
            asked.logins.append(given)
        if answer is not None:
            await line.say(answer)
        elif login is not None and given != login:
            await line.say(b'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="x"\r\n\r\n')
        else:
            await line.say(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 here\r\n\r\n")
            await tunnel(line, origin)

    return script


def socks5_proxy(origin: Origin, asked: Asked, *, login: str | None = None, reply: int = 0) -> Script:
    async def script(line: Line) -> None:
        reader = line.reader
        version, count = await reader.readexactly(2)
        assert version == 5
        methods = await reader.readexactly(count)
        if login is None:
            await line.say(b"\x05\x00")
        elif 2 not in methods:
            await line.say(b"\x05\xff")
            return
        else:
            await line.say(b"\x05\x02")
            assert await reader.readexactly(1) == b"\x01"
            user, password = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
            asked.logins.append(f"{user}:{password}")
            await line.say(b"\x01\x00" if login == f"{user}:{password}" else b"\x01\x01")
        asked.targets.append(await read_target(reader))
        # Its own address is a name, an odd but lawful thing to say.
        await line.say(b"\x05" + bytes((reply,)) + b"\x00\x03\x04here\x00\x50")
        if reply == 0:
            await tunnel(line, origin)

    return script


async def read_target(reader: asyncio.StreamReader) -> str:
    version, command, _, kind = await reader.readexactly(4)
    assert (version, command) == (5, 1)
    if kind == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    elif kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = f"[{(await reader.readexactly(16)).hex(':', 2)}]"
    return f"{host}:{int.from_bytes(await reader.readexactly(2), 'big')}"


async def tunnel(line: Line, origin: Origin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(line.reader, writer))
            both.create_task(_pump(reader, line.writer))
    finally:
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
