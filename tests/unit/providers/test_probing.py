"""providers/probing.py on real sockets: how far a request to a provider comes, and what is said about it."""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

import pytest

from tests.unit.runtime.http_stand import Line, Script, serving
from tests.unit.runtime.proxy_stand import Asked, http_proxy, socks5_proxy
from tests.unit.runtime.tls_stand import AUTHORITY, blocking_server, server, showing
from waystation.providers import probing_words
from waystation.providers.model import Kind, ProviderConfig
from waystation.providers.probing import Report, probe, try_provider
from waystation.providers.probing_words import Finding
from waystation.runtime.http_clients import Clients
from waystation.terms import Credential, Secret
from waystation.wire.http import ConnectFailed, Origin, Reason

KEY = Credential("c", "main", Secret("s3cret-key"))
SHOWN = re.compile(rb"s3cret-key")


def said(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def models(*names: str, **more: Any) -> bytes:
    return said(200, json.dumps({"data": [{"id": name} for name in names], **more}).encode())


def api(pages: dict[str, bytes], *, open_to_all: bool = False) -> Script:
    """A provider that wants our key."""

    async def script(line: Line) -> None:
        while True:
            request = await line.request()
            if not open_to_all and not SHOWN.search(request):
                await line.say(said(401))
            else:
                await line.say(pages.get(request.split(b" ")[1].decode(), said(404)))

    return script


def run(story: Callable[[Clients], Awaitable[None]]) -> None:
    async def whole() -> None:
        clients = Clients()
        try:
            await story(clients)
        finally:
            await clients.close()

    asyncio.run(whole())


def config_of(port: int, **more: Any) -> ProviderConfig:
    settings: dict[str, Any] = {
        "name": "there",
        "base_url": f"http://localhost:{port}/v1",
        "credentials": (KEY,),
        "allow_private_network": True,
        "connect_timeout_s": 2.0,
    }
    return ProviderConfig(**(settings | more))


def outcomes(report: Report) -> str:
    """ "ok", "FAILED" or "-" for each hop: name, proxy, connect, tls, authentication, model."""
    assert [hop.name for hop in report.hops] == ["name", "proxy", "connect", "tls", "authentication", "model"]
    for hop in report.hops:
        assert hop.found.en
        assert hop.found.zh
        assert hop.outcome != "failed" or hop.next_step is not None
        assert hop.ms is None or hop.ms >= 0
    assert "s3cret" not in repr(report)
    assert report.ok is (report.failed is None)
    return " ".join({"ok": "ok", "failed": "FAILED", "skipped": "-"}[hop.outcome] for hop in report.hops)


def found(report: Report, name: str, finding: Finding) -> bool:
    return next(hop.found for hop in report.hops if hop.name == name) == finding.found


@pytest.mark.parametrize(
    ("pages", "model", "seen"),
    [
        pytest.param({"/v1/models": models("a", "b")}, None, "ok ok -", id="no model named"),
        pytest.param({"/v1/models": models("a", "b")}, "b", "ok ok ok", id="model in the list"),
        pytest.param({"/v1/models": models("a")}, "b", "ok ok FAILED", id="model not in the list"),
        pytest.param(
            {"/v1/models": models("a"), "/v1/models/b": said(200, b"{}")}, "b", "ok ok ok", id="an alias of no list"
        ),
        pytest.param(
            {"/v1/models": models("a", has_more=True), "/v1/models/b": said(405)}, "b", "ok ok -", id="a part of a list"
        ),
        pytest.param({}, "b", "ok - -", id="no list"),
        pytest.param({"/v1/models/b": said(200, b"{}")}, "b", "ok - ok", id="no list but the model"),
        pytest.param({"/v1/models": said(401)}, "b", "ok FAILED -", id="401"),
        pytest.param({"/v1/models": said(403)}, "b", "ok FAILED -", id="403"),
        pytest.param({"/v1/models": said(402)}, "b", "ok FAILED -", id="402"),
        pytest.param({"/v1/models": said(429)}, None, "ok - -", id="429"),
        pytest.param({"/v1/models": said(500)}, None, "ok FAILED -", id="500"),
        pytest.param({"/v1/models": said(200, b"<html>s3cret-key</html>")}, None, "ok FAILED -", id="a web page"),
        pytest.param({"/v1/models": b"s3cret-key\r\n\r\n"}, None, "ok FAILED -", id="no HTTP"),
    ],
)
def test_what_the_list_of_models_says(pages: dict[str, bytes], model: str | None, seen: str) -> None:
    async def story(clients: Clients) -> None:
        async with serving(api(pages)) as there:
            report = await try_provider(config_of(there.origin.port), clients, model=model)
            assert outcomes(report) == "ok - ok - " + seen[3:]

    run(story)


@pytest.mark.parametrize(
    ("kind", "base", "page", "model"),
    [
        ("anthropic", "", "/v1/models?limit=1000", "claude-x"),
        ("azure", "", "/openai/models?api-version=2024-10-21", None),
        ("azure", "/openai/v1", "/openai/v1/models", None),
        ("gemini", "/v1beta", "/v1beta/models?pageSize=1000", "models/claude-x"),
    ],
)
def test_each_kind_is_asked_in_its_own_way(kind: Kind, base: str, page: str, model: str | None) -> None:
    async def story(clients: Clients) -> None:
        async with serving(api({page: models("claude-x")})) as there:
            port = there.origin.port
            config = config_of(port, kind=kind, base_url=f"http://localhost:{port}{base}")
            seen = "ok - ok - ok " + ("-" if model is None else "ok")
            assert outcomes(await try_provider(config, clients, model=model)) == seen

    run(story)


def test_a_list_that_is_open_to_all_proves_no_key() -> None:
    async def story(clients: Clients) -> None:
        pages = {"/v1/models": models("a"), "/v1/key": said(200, b"{}")}
        async with serving(api(pages, open_to_all=True)) as there:
            port = there.origin.port
            report = await try_provider(config_of(port), clients, model="a")
            assert outcomes(report) == "ok - ok - - ok"
            assert found(report, "authentication", probing_words.OPEN_TO_ALL)
            assert outcomes(await try_provider(config_of(port, preset="openrouter"), clients)) == "ok - ok - ok -"
            pages["/v1/key"] = said(401)
            assert outcomes(await try_provider(config_of(port, preset="openrouter"), clients)) == "ok - ok - FAILED -"
            without = await try_provider(config_of(port, credentials=()), clients)
            assert outcomes(without) == "ok - ok - ok -"
            assert found(without, "authentication", probing_words.NO_CREDENTIAL)

    run(story)


def test_the_first_credential_in_use_is_tried_or_the_one_that_is_named() -> None:
    async def story(clients: Clients) -> None:
        async with serving(api({"/v1/models": models("a")})) as there:
            off = Credential("o", "off", Secret("other"), disabled=True)
            wrong = Credential("w", "wrong", Secret("wrong"))
            config = config_of(there.origin.port, credentials=(off, KEY, wrong))
            assert outcomes(await try_provider(config, clients)) == "ok - ok - ok -"
            assert outcomes(await try_provider(config, clients, credential=wrong)) == "ok - ok - FAILED -"
            broken = Credential("b", "broken", Secret("s3cret-key\n"))
            report = await try_provider(config, clients, credential=broken)
            assert found(report, "authentication", probing_words.BAD_CREDENTIAL)

    run(story)


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_the_way_through_a_proxy_is_told_hop_by_hop(kind: str) -> None:
    async def story(clients: Clients) -> None:
        async with serving(api({"/v1/models": models("a")}), ssl=server("good")) as there:
            make = http_proxy if kind == "http" else socks5_proxy
            async with serving(make(there.origin, Asked(), login="me:pass")) as proxy:
                name = "ok" if kind == "socks5" else "-"
                base = f"https://localhost:{there.origin.port}/v1"
                for login, seen in (("me:pass", f"{name} ok - ok ok ok"), ("me:s3cret", f"{name} FAILED - - - -")):
                    url = f"{kind}://{login}@localhost:{proxy.origin.port}"
                    config = config_of(0, base_url=base, proxy=url, tls=AUTHORITY)
                    assert outcomes(await try_provider(config, clients, model="a")) == seen

    run(story)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [("expired", "expired"), ("wrong-host", "another host name"), ("self-signed", "self-signed")],
)
def test_a_bad_certificate_is_the_hop_tls(certificate: str, words: str) -> None:
    async def story(clients: Clients) -> None:
        async with serving(api({}), ssl=server(certificate)) as there:
            config = config_of(0, base_url=f"https://localhost:{there.origin.port}", tls=AUTHORITY)
            report = await try_provider(config, clients)
            assert outcomes(report) == "ok - ok FAILED - -"
            assert report.failed is not None
            assert words in report.failed.found.en

    run(story)


def test_a_certificate_of_ours_that_is_refused_late_is_the_hop_tls_too() -> None:
    async def story(clients: Clients) -> None:
        with blocking_server(server("good", wants_client=True), models("a")) as port:
            base = f"https://localhost:{port}"
            for tls, seen in ((AUTHORITY, "FAILED - -"), (showing("client"), "ok - -")):
                report = await try_provider(config_of(0, base_url=base, tls=tls), clients)
                assert outcomes(report) == f"ok - ok {seen}"

    run(story)


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({"base_url": "https://nowhere.invalid"}, "FAILED - - - - -"),
        ({"base_url": "https://127.0.0.1", "allow_private_network": False}, "FAILED - - - - -"),
        ({"base_url": "https://user:s3cret@host"}, "FAILED - - - - -"),
        ({"base_url": "nonsense"}, "FAILED - - - - -"),
        ({"kind": "azure", "base_url": ""}, "FAILED - - - - -"),
        ({"proxy": "ftp://user:s3cret@p"}, "- FAILED - - - -"),
        ({"base_url": "https://h", "tls": showing("authority")}, "- - - FAILED - -"),
        ({"base_url": "unix:///nowhere/x"}, "- - FAILED - - -"),
    ],
)
def test_what_can_not_even_be_reached_is_named(settings: dict[str, Any], seen: str) -> None:
    async def story(clients: Clients) -> None:
        assert outcomes(await try_provider(config_of(1, **settings), clients)) == seen

    run(story)


def test_a_refused_port_is_the_hop_connect() -> None:
    async def story(clients: Clients) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            report = await try_provider(config_of(unused.getsockname()[1]), clients)
        assert outcomes(report) == "ok - FAILED - - -"

    run(story)


def test_bedrock_is_reached_but_not_asked_unless_somebody_signs() -> None:
    signed: list[str] = []

    def signer(
        config: ProviderConfig, credential: Credential, origin: Origin, target: str
    ) -> Sequence[tuple[str, str]]:
        signed.append(f"{origin.host} {target}")
        raise ValueError("a credential that can't be read")

    async def story(clients: Clients) -> None:
        async with serving(api({})) as there:
            config = config_of(there.origin.port, kind="bedrock")
            report = await try_provider(config, clients, model="m")
            assert outcomes(report) == "ok - ok - - -"
            assert found(report, "authentication", probing_words.NOT_FREE)
            assert await probe(config, clients.for_(None, config.tls, True))
            # The region's own list is at another host, whose request somebody has to sign.
            async with serving(http_proxy(there.origin, Asked())) as proxy:
                url = "http://bedrock-runtime.eu-west-1.amazonaws.com"
                config = config_of(0, kind="bedrock", base_url=url, proxy=f"http://localhost:{proxy.origin.port}")
                report = await try_provider(config, clients, model="m", shown=signer)
            assert outcomes(report) == "- ok - - FAILED -"
            assert signed == ["bedrock.eu-west-1.amazonaws.com /foundation-models"]

    run(story)


@pytest.mark.parametrize(
    ("status", "alive"), [(200, True), (401, True), (404, True), (429, True), (500, False), (503, False)]
)
def test_a_probe_says_whether_anybody_is_there(status: int, alive: bool) -> None:
    async def story(clients: Clients) -> None:
        async with serving(api({"/v1/models": said(status)})) as there:
            config = config_of(there.origin.port)
            http = clients.for_(None, config.tls, True)
            for _ in range(2):
                assert await probe(config, http, KEY) is alive
            assert len(there.lines) == 1  # the connection is kept
        assert not await probe(config_of(there.origin.port, base_url="nonsense"), http)

    run(story)


def test_nobody_there_is_no_life() -> None:
    async def story(clients: Clients) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            config = config_of(unused.getsockname()[1])
            assert not await probe(config, clients.for_(None, config.tls, True), KEY)

    run(story)


def test_every_reason_has_its_sentence() -> None:
    for reason in get_args(Reason):
        told = probing_words.of_fault(ConnectFailed("x", reason=reason))
        assert told.next_step is not None
        assert (told == probing_words.of_fault(ConnectFailed("x"))) is (reason == "other")
