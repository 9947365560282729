"""wire/http.py: origins, targets and headers that can't smuggle."""

import pytest

from waystation.wire.http import Origin, check_target, encode_headers


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://127.0.0.1:8000/v1", Origin("http", "127.0.0.1", 8000, "/v1"), "127.0.0.1:8000"),
        ("https://api.openai.com/v1/", Origin("https", "api.openai.com", 443, "/v1"), "api.openai.com"),
        ("http://[::1]:81", Origin("http", "::1", 81), "[::1]:81"),
        ("https://API.Example.com", Origin("https", "api.example.com", 443), "api.example.com"),
        ("https://例子.cn/v1", Origin("https", "xn--fsqu00a.cn", 443, "/v1"), "xn--fsqu00a.cn"),
        ("unix:///run/engine.sock", Origin("unix", "/run/engine.sock", 0), "localhost"),
    ],
)
def test_urls_are_read(url: str, origin: Origin, authority: str) -> None:
    assert Origin.parse(url) == origin
    assert Origin.parse(url).authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com/v1",
        "ftp://x/v1",
        "http://",
        "http://user:hidden@host/v1",
        "http://user:hidden/v1",
        "http://:hidden@[::1/v1",
        "http://host/v1?key=hidden",
        "http://host:99999/v1",
        "http://a b/v1",
        "http://host/v1 2",
        "unix://run/x",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Origin.parse(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("target", ["", "v1", "/a b", "/a\r\nhost: x", "/é", "/a\x00", "/a\x7f"])
def test_targets_that_could_smuggle_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match="request target"):
        check_target(target)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nhost: b"),
        ("x", "a\nb"),
        ("x", "a\x00"),
        ("x", "模"),
        ("x y", "a"),
        ("x:", "a"),
        ("", "a"),
        ("x\n", "a"),
        ("Content-Length", "3"),
        ("host", "x"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_headers_that_could_smuggle_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_headers([(name, value)])


def test_headers_become_lines() -> None:
    assert encode_headers([("Authorization", "Bearer x"), ("x-a", "é\tb")]) == (
        b"Authorization: Bearer x\r\nx-a: \xe9\tb\r\n"
    )
