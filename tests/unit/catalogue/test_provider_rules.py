"""What is said about a provider's configuration: every mistake by its place, and nothing about what is right."""

from pathlib import Path
from typing import Any

import pytest

from waystation.catalogue.routing_model import PRESETS, check_files, check_provider, filled, reach_of
from waystation.providers.model import ProviderConfig, Tls
from waystation.terms import Credential, Secret


def config(**given: Any) -> ProviderConfig:
    return ProviderConfig(**{"name": "up", "base_url": "https://api.example/v1", **given})


def paths(**given: Any) -> dict[str, str]:
    on_this_machine = given.pop("on_this_machine", True)
    return {found.path: found.en for found in check_provider(config(**given), on_this_machine=on_this_machine)}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_enough_where_it_has_a_base_url(preset: str) -> None:
    bare = ProviderConfig(name="up", preset=preset, region="us-east-1")
    told = check_provider(bare)
    assert [problem.path for problem in told] == (
        [] if PRESETS[preset].base_url or preset == "bedrock" else ["base_url"]
    )
    assert filled(bare).base_url == PRESETS[preset].base_url
    assert filled(bare).kind == PRESETS[preset].kind


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"name": "local"}, "", "the embedded engine's own name"),
        ({"name": "a b"}, "name", "is no name"),
        ({"base_url": ""}, "base_url", "is missing"),
        ({"base_url": "ftp://x"}, "base_url", "must be http:// or https://"),
        ({"base_url": "https://u:secret@x/v1"}, "base_url", "without credentials"),
        ({"base_url": "https://x/v1?key=1"}, "base_url", "without credentials or '?'"),
        ({"base_url": "https://x:99999/v1"}, "base_url", "with a host"),
        ({"base_url": "https://x/v1\r\nx: y"}, "base_url", "with a host"),
        ({"preset": "deepseak"}, "preset", "did you mean 'deepseek'?"),
        ({"preset": "anthropic", "kind": "gemini"}, "kind", "the preset 'anthropic' speaks 'anthropic'"),
        ({"kind": "bedrock", "base_url": ""}, "region", "is missing"),
        ({"region": "a b"}, "region", "letters, digits"),
        ({"proxy": "ftp://proxy:1"}, "proxy", "socks5h://"),
        ({"proxy": "http://"}, "proxy", "socks5h://"),
        ({"proxy": "socks5://u%0d%0a:p@proxy:1080"}, "proxy", "socks5h://"),
        ({"proxy": f"socks5://{'u' * 256}:p@proxy:1080"}, "proxy", "255 bytes"),
        ({"headers": {"x y": "1"}}, "headers.'x y'", "is no name of a header"),
        ({"headers": {"x\r\ny": "1"}}, "headers.'x\\r\\ny'", "is no name of a header"),
        ({"headers": {"x-team": "blue\r\nhost: evil"}}, "headers.'x-team'", "can't be sent"),
        ({"headers": {"x-team": "blue\x00"}}, "headers.'x-team'", "can't be sent"),
        ({"headers": {"x-team": "蓝"}}, "headers.'x-team'", "can't be sent"),
        ({"headers": {"Host": "evil"}}, "headers.'Host'", "written by Waystation itself"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers.'Transfer-Encoding'", "written by Waystation"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers.'x-a'", "is there twice"),
        ({"connect_timeout_s": 0.0}, "connect_timeout_s", "must be 0.1 to 86400 s"),
        ({"idle_timeout_s": float("nan")}, "idle_timeout_s", "must be 0.1 to 86400 s"),
        ({"concurrency_max": 0}, "concurrency_max", "must be 1 to"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value)[:20],
)
def test_a_mistake_is_named_with_its_place(given: dict[str, Any], path: str, said: str) -> None:
    assert said in paths(**given)[path]


@pytest.mark.parametrize(
    "url",
    ["http://proxy:3128", "https://u:p@proxy.corp:443", "socks5://127.0.0.1:1080", "socks5h://u:p%40@[::1]:1080/"],
)
def test_each_form_of_proxy_is_taken(url: str) -> None:
    assert paths(proxy=url) == {}


def test_a_secret_is_never_in_what_is_said() -> None:
    told = paths(
        proxy="http://user:hush hush@",
        base_url="https://u:hush@x/v1",
        credentials=(Credential("c", "a b", Secret("hush\r\n")),),
    )
    assert told.keys() == {"proxy", "base_url", "credentials[0].name", "credentials[0].api_key"}
    assert "hush" not in str(told)


def test_a_pool_needs_names_and_weight() -> None:
    pool = (Credential("1", "a", weight=0), Credential("2", "a", weight=0), Credential("3", "b", weight=-1))
    assert paths(credentials=pool).keys() == {"credentials[1].name", "credentials[2].weight"}
    assert "no weight at all" in paths(credentials=pool[:1])["credentials"]


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("api.example", "public"),
        ("8.8.8.8", "public"),
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("localhost", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.0.0.8", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("0.0.0.0", "private"),
        ("fd12::1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("2002:0a00:0001::1", "private"),
        ("224.0.0.1", "private"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fe80::1", "metadata"),
        ("100.100.100.200", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("metadata.google.internal.", "metadata"),
        ("2130706433", "odd"),
        ("0x7f.1", "odd"),
        ("127.1", "odd"),
        ("010.0.0.1", "odd"),
    ],
)
def test_how_far_away_a_literal_host_is(host: str, reach: str) -> None:
    assert reach_of(host) == reach


@pytest.mark.parametrize(
    ("host", "given", "refused"),
    [
        ("127.0.0.1", {}, False),
        ("localhost", {}, False),
        ("127.0.0.1", {"on_this_machine": False}, True),
        ("10.0.0.8", {}, True),
        ("10.0.0.8", {"allow_private_network": True}, False),
        ("10.0.0.8", {"preset": "vllm"}, False),
        ("169.254.169.254", {"preset": "vllm"}, True),
        ("169.254.169.254", {"allow_private_network": True}, False),
        ("2130706433", {"allow_private_network": True}, True),
    ],
)
def test_who_may_name_a_private_address(host: str, given: dict[str, Any], refused: bool) -> None:
    assert ("base_url" in paths(base_url=f"http://{host}:8000/v1", **given)) is refused


def test_what_needs_no_word_for_private_networks_has_it() -> None:
    assert filled(config(base_url="http://localhost:8000/v1")).allow_private_network
    assert filled(config(preset="ollama", base_url="http://gpu.lan:11434/v1")).allow_private_network
    assert not filled(config(base_url="http://localhost:8000/v1"), on_this_machine=False).allow_private_network
    assert not filled(config()).allow_private_network


def test_certificates_that_are_missing_or_nonsense_are_told(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN NONSENSE")
    gone = str(tmp_path / "gone.pem")
    told = {
        problem.path: problem.en
        for problem in check_files(config(tls=Tls(ca_file=str(nonsense), client_cert_file=gone, client_key_file=gone)))
    }
    assert "does not hold certificates in PEM form" in told["ca_file"]
    assert "can't be read: No such file" in told["client_cert_file"]
    assert "only with" in check_files(config(tls=Tls(client_key_file=gone)))[0].en


# Made for this test alone: `openssl req -x509 -newkey ec -nodes`.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUPmz8W/xi3vd4BM0hWIatSbm1nAgwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjQxODUyMzNaGA8yMTI2MTAzMTE4NTIzM1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIky6XLwEa6t
05d2QaymYZCrtG2XkIp8Hgd2DJNJd67UdNEbSytz9D14dYxe6DU0G/ywtRtMTWnU
Tll8T+Q3r+yjUzBRMB0GA1UdDgQWBBRDUrHBZ6R8wFss/IQctDlWK1xyuzAfBgNV
HSMEGDAWgBRDUrHBZ6R8wFss/IQctDlWK1xyuzAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCICm85+JDu3SeibtFTpXNgu6mTeXuzP9IWdL4qElDc118
AiEAiRjtq8jT8N7gs0g13VmHZHJ5Rx5a73HF8L3GschdYqo=
-----END CERTIFICATE-----
"""
ITS_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglkNtycVLxzS6hDc5
vx2IvFTryf3Sd5UOpY3HZILcILuhRANCAASJMuly8BGurdOXdkGspmGQq7Rtl5CK
fB4HdgyTSXeu1HTRG0src/Q9eHWMXug1NBv8sLUbTE1p1E5ZfE/kN6/s
-----END PRIVATE KEY-----
"""
ANOTHER_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsK9psxPfF3v6SLfP
Xe8iOQnlRZpah1A9gOoRGSpDn9ehRANCAAQ1OJHUtnw4P99chg5fpSF41zYCcbgq
ysOmhy4OYLxpSyUK8ovW9joxK+5j9XqU8xLfomGM0Ud/ZzNpRY7oxSwR
-----END PRIVATE KEY-----
"""


@pytest.mark.parametrize("as_text", [True, False])
def test_a_key_of_another_certificate_is_told(tmp_path: Path, as_text: bool) -> None:
    def tls(key: str) -> Tls:
        if as_text:
            return Tls(ca_file=CERTIFICATE, client_cert_file=CERTIFICATE, client_key_file=key)
        for name, text in (("cert", CERTIFICATE), ("key", key)):
            (tmp_path / name).write_text(text)
        return Tls(str(tmp_path / "cert"), str(tmp_path / "cert"), str(tmp_path / "key"))

    assert check_files(config(tls=tls(ITS_KEY))) == []
    (told,) = check_files(config(tls=tls(ANOTHER_KEY)))
    assert (told.path, "don't belong together" in told.en) == ("client_cert_file", True)
    (broken,) = check_files(config(tls=tls("-----BEGIN PRIVATE KEY-----\nnonsense\n")))
    assert "PEM form" in broken.en
