"""runtime/egress.py on real sockets: what is fetched, what is refused, and that nothing tells what is in this network."""

import asyncio
import socket
from collections.abc import Awaitable, Sequence

import pytest

from tests.unit.runtime.http_stand import Line, Script, serving, whole
from tests.unit.runtime.tls_stand import AUTHORITY, server
from waystation.errors import ApiError, InvalidRequest, ServiceUnavailable
from waystation.runtime.egress import AT_ONCE_MAX, NOT_REACHED, SIZE_BYTES_MAX, WAITING_MAX, Egress
from waystation.runtime.egress_cache import Recent
from waystation.runtime.egress_url import INSTEAD, URL_CHARS_MAX, media_type_of, place_of
from waystation.runtime.tls import client_context
from waystation.wire.http import Timeouts

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
LOOPBACK = ("127.0.0.0/8",)
QUICK = Timeouts(connect_s=2.0, first_byte_s=0.2, idle_s=0.2, total_s=3.0)

KNOWN = {"images.example": "127.0.0.1", "inside.example": "10.0.0.9"}


async def names(host: str, port: int) -> Sequence[str]:
    """A DNS for tests. Loopback stands for the internet, as the one network that is allowed."""
    if host in KNOWN:
        return [KNOWN[host]]
    if host[0].isdigit() or ":" in host:
        return [host]
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def new() -> Egress:
    return Egress(LOOPBACK, timeouts=QUICK, tls=client_context(AUTHORITY), ask=names)


def image(data: bytes, kind: bytes = b"image/png") -> bytes:
    return whole(data, b"content-type: %b\r\n" % kind)


def says(*answers: bytes) -> Script:
    """Each request gets the next answer, the last one for ever."""
    left = list(answers)

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.say(left.pop(0) if len(left) > 1 else left[0])

    return script


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


async def refusal(call: Awaitable[object]) -> ApiError:
    with pytest.raises(InvalidRequest) as caught:
        await call
    assert (caught.value.status, caught.value.code) == (400, "invalid_image_url")
    assert caught.value.message.endswith(INSTEAD)
    return caught.value


@pytest.mark.parametrize(
    ("data", "said", "kind"),
    [
        (PNG, b"image/png", "image/png"),
        (PNG, b"image/jpeg; q=1", "image/png"),  # the bytes decide
        (b"\xff\xd8\xff\xe0rest", b"image/jpg", "image/jpeg"),
        (b"GIF89a...", b"application/octet-stream", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", b"binary/octet-stream", "image/webp"),
        (b"%PDF-1.7\n", b"application/pdf", "application/pdf"),
    ],
)
def test_images_are_fetched_with_their_true_type(data: bytes, said: bytes, kind: str) -> None:
    async def story() -> None:
        async with serving(says(image(data, said))) as there:
            assert await new().fetch(f"http://images.example:{there.origin.port}/a b?c=ü#d") == (kind, data)
            (request,) = there.lines[0].requests
            assert request.startswith(b"GET /a%20b?c=%C3%BC HTTP/1.1\r\nhost: images.example:")

    asyncio.run(story())


def test_tls_is_checked_by_name() -> None:
    async def story() -> None:
        async with serving(says(image(PNG)), ssl=server("good")) as there:
            port = there.origin.port
            assert await new().fetch(f"https://127.0.0.1:{port}/") == ("image/png", PNG)
            assert "certificate" in (await refusal(new().fetch(f"https://images.example:{port}/"))).message

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(image(PNG, b"text/html"), id="said to be a web page"),
        pytest.param(image(b"<html>secret</html>"), id="truly a web page"),
        pytest.param(image(b"<svg>secret</svg>", b"image/svg+xml"), id="svg"),
        pytest.param(image(b""), id="empty"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\nsecret", id="status"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\n\r\n", id="not modified"),
        pytest.param(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", id="redirect to nowhere"),
        pytest.param(b"secret\r\n\r\n", id="not HTTP"),
        pytest.param(image(PNG)[:-1], id="too slow at its end"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="too slow at its begin"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (SIZE_BYTES_MAX + 1), id="said to be large"),
    ],
)
def test_what_is_no_image_is_refused_and_nothing_of_it_told(answer: bytes) -> None:
    async def story() -> None:
        async with serving(says(answer)) as there:
            error = await refusal(new().fetch(f"http://images.example:{there.origin.port}/"))
            assert "secret" not in error.message + error.detail

    asyncio.run(story())


def test_an_endless_image_is_left_at_the_bound() -> None:
    async def endless(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG)
        while True:
            await line.say(b"\0" * 1_000_000)

    async def story() -> None:
        async with serving(endless) as there:
            error = await refusal(new().fetch(f"http://images.example:{there.origin.port}/"))
            assert "20 MiB" in error.message
            await asyncio.wait_for(asyncio.gather(*there.tasks), 1)

    asyncio.run(story())


def test_nobody_learns_what_is_in_this_network() -> None:
    async def story() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            closed = unused.getsockname()[1]
            urls = [
                "http://10.0.0.1/",
                "http://169.254.169.254/latest/meta-data/",
                "http://[::1]/",
                "http://[::ffff:192.168.0.1]/",
                "http://inside.example/",  # a name that is known here
                "http://unknown.example/",  # and one that is not
                f"http://127.0.0.1:{closed}/",
                "https://inside.example:8443/",
                "http://images.example:0/",
            ]
            assert {(await refusal(new().fetch(url))).message for url in urls} == {f"{NOT_REACHED} {INSTEAD}"}

    asyncio.run(story())


def test_real_names_are_judged_too() -> None:
    async def story() -> None:
        async with serving(says(image(PNG))) as there:
            url = f"http://localhost:{there.origin.port}/"
            open_, guarded = Egress((*LOOPBACK, "::1/128")), Egress()
            assert await open_.fetch(url) == ("image/png", PNG)
            assert (await refusal(guarded.fetch(url))).message == f"{NOT_REACHED} {INSTEAD}"
            assert (await refusal(open_.fetch("http://nowhere.invalid/"))).message == f"{NOT_REACHED} {INSTEAD}"
            for egress in (open_, guarded):
                egress.close()
                await refusal(egress.fetch(f"{url}again"))

    asyncio.run(story())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "images.example/x.png",
        "ftp://images.example/x.png",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:secret@images.example/",
        "http://images.example\\@inside.example/",
        "http:///x.png",
        "http://images.example:port/",
        "http://images.example:99999/",
        "http://[::1/",
        "http://ex\u2100mple/",
        "http://\udcff/",
        "http://images.example/\udcff",
        "http://images.example/" + "x" * URL_CHARS_MAX,
    ],
)
def test_what_is_no_url_is_refused_before_anything_is_asked(url: str) -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise AssertionError("asked")

    error = asyncio.run(refusal(Egress(ask=nobody).fetch(url)))
    assert "secret" not in error.message


def test_redirects_are_followed_and_each_is_judged() -> None:
    async def story() -> None:
        async with serving(says(b"")) as there:
            port = there.origin.port
            there.script = says(redirect("/second?x"), redirect(f"//images.example:{port}/third"), image(PNG))
            assert (await new().fetch(f"http://images.example:{port}/first"))[1] == PNG
            lines = [request.split(b" ")[1] for line in there.lines for request in line.requests]
            assert lines == [b"/first", b"/second?x", b"/third"]
        for bad in ("http://10.0.0.1/", "http://inside.example/", "http://localhost/", "http://unknown.example/"):
            async with serving(says(redirect(bad))) as there:
                error = await refusal(new().fetch(f"http://images.example:{there.origin.port}/"))
                assert error.message == f"{NOT_REACHED} {INSTEAD}"
        async with serving(says(redirect("file:///etc/passwd"))) as there:
            await refusal(new().fetch(f"http://images.example:{there.origin.port}/"))
        async with serving(says(redirect("/again"))) as there:
            error = await refusal(new().fetch(f"http://images.example:{there.origin.port}/"))
            assert "redirects more than 3 times" in error.message
            assert sum(len(line.requests) for line in there.lines) == 4

    asyncio.run(story())


def test_the_same_url_is_fetched_once_in_a_while() -> None:
    async def story() -> None:
        async with serving(says(image(PNG))) as there:
            egress = new()
            for _ in range(3):
                await egress.fetch(f"http://images.example:{there.origin.port}/a")
            await egress.fetch(f"http://images.example:{there.origin.port}/b")
            assert len(there.lines) == 2

    asyncio.run(story())


def test_only_so_many_are_fetched_at_once_and_wait() -> None:
    async def story() -> None:
        go_on = asyncio.Event()

        async def slow(line: Line) -> None:
            await line.request()
            await go_on.wait()
            await line.say(image(PNG))
            await line.gone()

        async with serving(slow) as there:
            egress = Egress(LOOPBACK, timeouts=Timeouts(total_s=5.0), tls=client_context(), ask=names)
            url = f"http://images.example:{there.origin.port}/"
            calls = [asyncio.create_task(egress.fetch(f"{url}{number}")) for number in range(WAITING_MAX)]
            while sum(len(line.requests) for line in there.lines) < AT_ONCE_MAX:
                await asyncio.sleep(0)
            with pytest.raises(ServiceUnavailable):
                await egress.fetch(url)
            assert len(there.lines) == AT_ONCE_MAX
            calls[0].cancel()
            go_on.set()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(end) for end in ended] == [asyncio.CancelledError] + [tuple] * (WAITING_MAX - 1)
            assert (await egress.fetch(url))[1] == PNG

    asyncio.run(story())


def test_what_was_fetched_is_forgotten_by_age_count_and_size() -> None:
    recent = Recent(entries_max=2, bytes_max=10, keep_s=60.0)
    recent.put("a", ("image/png", b"1234"), 0.0)
    recent.put("b", ("image/png", b"1234"), 1.0)
    assert recent.get("a", 2.0) == ("image/png", b"1234")
    recent.put("c", ("image/png", b"1"), 3.0)  # b was used longest ago
    assert (recent.get("b", 4.0), recent.size_bytes) == (None, 5)
    recent.put("d", ("image/png", b"123456789"), 5.0)
    assert (recent.get("a", 5.0), recent.get("c", 5.0), recent.size_bytes) == (None, ("image/png", b"1"), 10)
    recent.put("e", ("image/png", b"12345678901"), 6.0)  # too large to keep
    assert (recent.get("e", 6.0), recent.size_bytes) == (None, 10)
    assert recent.get("d", 65.0) is None
    recent.put("c", ("image/png", b"22"), 66.0)
    assert (recent.get("c", 66.0), recent.size_bytes) == (("image/png", b"22"), 2)


def test_places_are_read() -> None:
    place = place_of(" HTTPS://B\u00fccher.example/?x#y ")
    assert (place.origin.scheme, place.origin.host, place.origin.port) == ("https", "xn--bcher-kva.example", 443)
    assert place.target == "/?x"
    assert media_type_of(PNG) == "image/png"
