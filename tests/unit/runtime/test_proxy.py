"""runtime/proxy.py and proxy_socks5.py, without a socket: how a proxy is configured and what is said to it."""

from collections.abc import Sequence

import pytest

from waystation.runtime.proxy import PORT_OF, Handshake, Proxy, Want, connect_tunnel
from waystation.runtime.proxy_socks5 import socks5_tunnel
from waystation.terms import Secret
from waystation.wire.http import ConnectFailed


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("https://proxy.example/", Proxy("https", "proxy.example", 443)),
        ("socks5://[::1]:9", Proxy("socks5", "::1", 9)),
        ("socks5h://u:p%40ss%3A@p", Proxy("socks5h", "p", 1080, "u", Secret("p@ss:"))),
        ("http://u@p", Proxy("http", "p", 80, "u", Secret(""))),
    ],
)
def test_proxies_are_read(url: str, proxy: Proxy) -> None:
    assert Proxy.parse(url) == proxy
    assert "p@ss" not in f"{proxy!r} {proxy.place}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy:3128",
        "ftp://hidden@p",
        "http://",
        "http://:hidden@",
        "http://u:hidden@p:port",
        "http://p:99999",
        "http://u:hidden@p/path",
        "http://u:hidden@p?x",
        "http://:hidden@p",
        "http://a%3Ab:hidden@p",
        "http://[::1",
        "socks5://u@p",
        f"socks5://u:{'hidden' * 50}@p",
        "http://u:hidden@p\u2100q",
        "http://u:hidden@p q",
    ],
)
def test_a_malformed_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"proxy|SOCKS") as caught:
        Proxy.parse(url)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


def talk(handshake: Handshake, answers: Sequence[bytes]) -> bytes:
    """What is sent in all, while each want gets the next answer."""
    sent, left = b"", list(answers)
    step = next(handshake, None)
    while step is not None:
        try:
            if isinstance(step, Want):
                answer = left.pop(0)
                assert step.size is None or step.size == len(answer)
                step = handshake.send(answer)
            else:
                sent += step
                step = handshake.send(b"")
        except StopIteration:
            break
    assert left == []
    return sent


PLAIN = Proxy.parse("http://p:8080")
WITH_LOGIN = Proxy.parse("http://user:pass@p:8080")


def test_connect_is_asked_with_basic_authentication() -> None:
    done = b"HTTP/1.1 200 OK\r\n\r\n"
    assert talk(connect_tunnel(PLAIN, "h", 443), [done]) == b"CONNECT h:443 HTTP/1.1\r\nhost: h:443\r\n\r\n"
    assert b"\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n" in talk(connect_tunnel(WITH_LOGIN, "h", 443), [done])
    assert talk(connect_tunnel(PLAIN, "::1", 80), [done]).startswith(b"CONNECT [::1]:80 ")
    talk(connect_tunnel(PLAIN, "h", 1), [b"HTTP/1.1 103 x\r\n\r\n", b"HTTP/1.0 204\r\n\r\n"])


@pytest.mark.parametrize(
    ("proxy", "answer", "reason", "words"),
    [
        (PLAIN, b"HTTP/1.1 407 x\r\n\r\n", "proxy_auth", "wants a user and a password"),
        (WITH_LOGIN, b"HTTP/1.1 407 x\r\n\r\n", "proxy_auth", "does not accept the user and the password"),
        (PLAIN, b"HTTP/1.1 403 x\r\n\r\n", "proxy_refused", "does not allow it"),
        (PLAIN, b"HTTP/1.1 405 x\r\n\r\n", "proxy_refused", "knows no CONNECT"),
        (PLAIN, b"HTTP/1.1 302 x\r\n\r\n", "proxy_refused", "refused"),
        (PLAIN, b"HTTP/1.1 502 x\r\n\r\n", "proxy_no_way", "could not reach it"),
        (PLAIN, b"HTTP/2 200\r\n\r\n", "proxy_refused", "not HTTP"),
        (PLAIN, b"\r\n\r\n", "proxy_refused", "not HTTP"),
    ],
)
def test_a_refused_tunnel_is_said_to_be_the_proxys(proxy: Proxy, answer: bytes, reason: str, words: str) -> None:
    with pytest.raises(ConnectFailed, match=words) as caught:
        talk(connect_tunnel(proxy, "h", 443), [answer])
    assert (caught.value.hop, caught.value.reason) == ("proxy", reason)
    assert "proxy http://p:8080" in str(caught.value)
    assert "pass:" not in str(caught.value)


def test_a_proxy_that_only_has_interim_answers_is_left() -> None:
    with pytest.raises(ConnectFailed):
        talk(connect_tunnel(PLAIN, "h", 1), [b"HTTP/1.1 103 x\r\n\r\n"] * 4)


SOCKS = Proxy.parse("socks5h://p")
SOCKS_LOGIN = Proxy.parse("socks5h://user:pass@p")
OPEN = b"\x05\x00"
REACHED = (b"\x05\x00\x00\x01", b"\0" * 6)


@pytest.mark.parametrize(
    ("host", "address"),
    [("h.x", b"\x03\x03h.x"), ("1.2.3.4", b"\x01\x01\x02\x03\x04"), ("::1", b"\x04" + b"\0" * 15 + b"\x01")],
)
def test_socks_asks_by_name_or_address(host: str, address: bytes) -> None:
    sent = talk(socks5_tunnel(SOCKS, host, 443), [OPEN, *REACHED])
    assert sent == b"\x05\x01\x00" + b"\x05\x01\x00" + address + b"\x01\xbb"


def test_socks_logs_in_when_the_proxy_wants_it() -> None:
    sent = talk(socks5_tunnel(SOCKS_LOGIN, "h", 1), [b"\x05\x02", b"\x01\x00", *REACHED])
    assert sent.startswith(b"\x05\x02\x00\x02" + b"\x01\x04user\x04pass")
    talk(socks5_tunnel(SOCKS_LOGIN, "h", 1), [OPEN, b"\x05\x00\x00\x03", b"\x04", b"host\0\0"])
    talk(socks5_tunnel(SOCKS_LOGIN, "h", 1), [OPEN, b"\x05\x00\x00\x04", b"\0" * 18])


@pytest.mark.parametrize(
    ("proxy", "answers", "reason", "words"),
    [
        (SOCKS, [b"\x05\xff"], "proxy_auth", "wants a user"),
        (SOCKS, [b"\x05\x02"], "proxy_auth", "wants a user"),
        (SOCKS_LOGIN, [b"\x05\xff"], "proxy_auth", "takes no user"),
        (SOCKS_LOGIN, [b"\x05\x02", b"\x01\x01"], "proxy_auth", "does not accept"),
        (SOCKS, [b"\x05\x01"], "proxy_refused", "not offered"),
        (SOCKS, [b"\x04\x00"], "proxy_refused", "does not speak SOCKS5"),
        (SOCKS, [b"HT"], "proxy_refused", "does not speak SOCKS5"),
        (SOCKS, [OPEN, b"\x04\x00\x00\x01"], "proxy_refused", "does not speak SOCKS5"),
        (SOCKS, [OPEN, b"\x05\x00\x00\x09"], "proxy_refused", "unknown type"),
        (SOCKS, [OPEN, b"\x05\x01\x00\x01"], "proxy_refused", r"general failure \(1\)"),
        (SOCKS, [OPEN, b"\x05\x02\x00\x01"], "proxy_refused", r"rules do not allow it \(2\)"),
        (SOCKS, [OPEN, b"\x05\x03\x00\x01"], "proxy_no_way", r"network unreachable \(3\)"),
        (SOCKS, [OPEN, b"\x05\x04\x00\x01"], "proxy_no_way", r"host unreachable \(4\)"),
        (SOCKS, [OPEN, b"\x05\x05\x00\x01"], "proxy_no_way", r"connection refused \(5\)"),
        (SOCKS, [OPEN, b"\x05\x06\x00\x01"], "proxy_no_way", r"TTL expired \(6\)"),
        (SOCKS, [OPEN, b"\x05\x07\x00\x01"], "proxy_refused", r"command not supported \(7\)"),
        (SOCKS, [OPEN, b"\x05\x08\x00\x01"], "proxy_refused", r"address type not supported \(8\)"),
        (SOCKS, [OPEN, b"\x05\x63\x00\x01"], "proxy_refused", r"unknown reply \(99\)"),
    ],
)
def test_each_reply_of_socks_is_named(proxy: Proxy, answers: list[bytes], reason: str, words: str) -> None:
    with pytest.raises(ConnectFailed, match=words) as caught:
        talk(socks5_tunnel(proxy, "h.example", 443), answers)
    assert (caught.value.hop, caught.value.reason) == ("proxy", reason)
    assert "pass:" not in str(caught.value)


def test_socks_takes_no_name_that_is_too_long() -> None:
    with pytest.raises(ConnectFailed, match="255"):
        talk(socks5_tunnel(SOCKS, "x" * 256, 443), [])


def test_every_kind_has_its_port() -> None:
    assert {kind: Proxy.parse(f"{kind}://p").port for kind in PORT_OF} == PORT_OF
