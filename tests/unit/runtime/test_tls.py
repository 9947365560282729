"""runtime/tls.py and what the client says of each way in which TLS can fail, on real sockets."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.unit.runtime.http_stand import QUICK, Line, serving, whole
from tests.unit.runtime.tls_stand import AUTHORITY, AUTHORITY_TEXT, blocking_server, file, server, showing
from waystation.providers.model import Tls
from waystation.runtime.dial import Connect, Dialer, connect_directly
from waystation.runtime.http_client import HttpClient
from waystation.runtime.tls import client_context, stamp
from waystation.wire.http import ConnectFailed, Origin

Loop = Callable[[Awaitable[None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Loop:
    runner: Loop = request.param
    return runner


@pytest.fixture(params=[connect_directly, Dialer(None, None)], ids=["at_once", "step_by_step"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Both ways to connect say the same."""
    way: Connect = request.param
    return way


async def ok(line: Line) -> None:
    while True:
        await line.request()
        await line.say(whole(b"ok"))


async def ask(port: int, tls: Tls | None, connect: Connect) -> bytes:
    http = HttpClient(tls=client_context(tls), connect=connect)
    try:
        origin = Origin("https", "localhost", port)
        return await (await http.request(origin, "GET", "/", (), b"", QUICK)).read(10)
    finally:
        await http.close()


def test_a_private_authority_is_trusted_when_it_is_given(run: Loop, connect: Connect) -> None:
    async def story() -> None:
        async with serving(ok, ssl=server("good")) as stand:
            assert await ask(stand.origin.port, AUTHORITY, connect) == b"ok"
            assert await ask(stand.origin.port, AUTHORITY_TEXT, connect) == b"ok"

    run(story())


@pytest.mark.parametrize(
    ("certificate", "tls", "reason"),
    [
        pytest.param("good", None, "cert_unknown_ca", id="unknown authority"),
        pytest.param("good", Tls(ca_file=file("stranger")), "cert_unknown_ca", id="another authority"),
        pytest.param("wrong-host", AUTHORITY, "cert_wrong_host", id="wrong host"),
        pytest.param("expired", AUTHORITY, "cert_expired", id="expired"),
        pytest.param("not-yet", AUTHORITY, "cert_not_yet_valid", id="not yet valid"),
        pytest.param("self-signed", AUTHORITY, "cert_self_signed", id="self-signed"),
    ],
)
def test_each_bad_certificate_is_refused_by_its_name(
    run: Loop, connect: Connect, certificate: str, tls: Tls | None, reason: str
) -> None:
    async def story() -> None:
        async with serving(ok, ssl=server(certificate)) as stand:
            with pytest.raises(ConnectFailed) as caught:
                await ask(stand.origin.port, tls, connect)
            assert (caught.value.hop, caught.value.reason) == ("tls", reason)
            assert stand.lines == []

    run(story())


def test_a_self_signed_certificate_can_be_trusted_itself(run: Loop, connect: Connect) -> None:
    async def story() -> None:
        async with serving(ok, ssl=server("self-signed")) as stand:
            assert await ask(stand.origin.port, Tls(ca_file=file("self-signed")), connect) == b"ok"

    run(story())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_server_that_wants_a_client_certificate_gets_it_or_is_named(
    run: Loop, connect: Connect, version: ssl.TLSVersion
) -> None:
    async def story() -> None:
        with blocking_server(server("good", wants_client=True, newest=version), whole(b"ok")) as port:
            assert await ask(port, showing("client"), connect) == b"ok"
            for wrong in (AUTHORITY, showing("strange-client")):
                with pytest.raises(ConnectFailed) as caught:
                    await ask(port, wrong, connect)
                assert (caught.value.hop, caught.value.reason) == ("tls", "client_cert")

    run(story())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_and_plain_http_are_named(run: Loop, connect: Connect) -> None:
    async def story() -> None:
        old = server("good", newest=ssl.TLSVersion.TLSv1_1)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with blocking_server(old, whole(b"ok")) as port:
            with pytest.raises(ConnectFailed) as caught:
                await ask(port, AUTHORITY, connect)
            assert (caught.value.hop, caught.value.reason) == ("tls", "no_tls")

        async def plain(line: Line) -> None:
            await line.reader.read(10)
            await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await line.gone()

        async with serving(plain) as stand:
            with pytest.raises(ConnectFailed) as caught:
                await ask(stand.origin.port, AUTHORITY, connect)
            assert (caught.value.hop, caught.value.reason) == ("tls", "no_tls")

    run(story())


def test_who_hangs_up_in_the_handshake_is_named(run: Loop, connect: Connect) -> None:
    async def rude(line: Line) -> None:
        await line.reader.read(10)

    async def story() -> None:
        async with serving(rude) as stand:
            with pytest.raises(ConnectFailed) as caught:
                await ask(stand.origin.port, AUTHORITY, connect)
            assert (caught.value.hop, caught.value.reason) == ("tls", "broke_off")

    run(story())


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        pytest.param(Tls(ca_file="/nowhere/ca.pem"), "ca_file: .*can't be read: No such file", id="no file"),
        pytest.param(Tls(ca_file="\0"), "ca_file: .*can't be read", id="no path"),
        pytest.param(
            Tls(ca_file=file("../http_stand").replace(".pem", ".py")), "ca_file: .*is no PEM file", id="no PEM"
        ),
        pytest.param(
            Tls(ca_file="-----BEGIN CERTIFICATE-----\nAAAA\n"), "ca_file: it holds no certificate", id="bad PEM"
        ),
        pytest.param(
            Tls(client_cert_file=file("client"), client_key_file=file("good")), "does not belong", id="another's key"
        ),
        pytest.param(
            Tls(client_cert_file=file("self-signed"), client_key_file=file("locked.key")), "has a password", id="locked"
        ),
        pytest.param(Tls(client_cert_file=file("authority")), "no certificate with its key", id="no key"),
        pytest.param(
            Tls(client_cert_file=file("client"), client_key_file="PRIVATE"), "the file can't be read", id="a key itself"
        ),
        pytest.param(Tls(client_key_file=file("client")), "give client_cert_file", id="no certificate"),
    ],
)
def test_bad_files_are_refused_in_words(tls: Tls, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        client_context(tls)
    assert "PRIVATE" not in str(caught.value)


def test_a_new_certificate_under_an_old_name_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    tls = Tls(ca_file=str(path))
    absent = stamp(tls)
    path.write_text("one")
    first = stamp(tls)
    path.write_text("another")
    assert len({absent, first, stamp(tls)}) == 3
    assert stamp(Tls(ca_file="-----BEGIN CERTIFICATE-----")) == ()
