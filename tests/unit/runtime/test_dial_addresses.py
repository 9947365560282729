"""runtime/dial_addresses.py: which addresses are public, and that what was judged is what is dialled."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import pytest

from waystation.runtime.dial_addresses import ADDRESSES_MAX, Guard, addresses_of, is_public
from waystation.wire.http import ConnectFailed

PUBLIC = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 223.255.255.255  2606:4700::1111
2400:3200::1 64:ff9b::808:808 ::ffff:8.8.8.8 2002:808:808::1
"""
NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.9.1 168.63.129.16 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1
255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:a00:1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808
100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1
ff02::1 4000::1 localhost 127.1 0x7f000001
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_let_through(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    assert Guard().allows(address)


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_other_addresses_are_not(address: str) -> None:
    assert not Guard().allows(address)


def test_networks_can_be_allowed() -> None:
    guard = Guard(("10.1.0.0/16", "fd00:1::/32"))
    assert [guard.allows(address) for address in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "fd00:1::9")] == [
        True,
        True,
        False,
        True,
    ]
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/16"):
        Guard(("10.1.0.1/16",))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("api.example.com", True),
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("LOCALHOST.", False),
        ("x.localhost", False),
        ("127.1", False),
        ("2130706433", False),
        ("0x7f000001", False),
        ("10.0.0.1.", False),
        ("", False),
    ],
)
def test_a_proxy_that_resolves_itself_is_asked_for_no_address_that_is_not_public(host: str, allowed: bool) -> None:
    assert Guard().allows_name(host) is allowed


def test_a_name_is_resolved_once_and_one_bad_address_spoils_it() -> None:
    asked: list[tuple[str, int]] = []

    def answers(*addresses: str) -> Sequence[str]:
        async def ask(host: str, port: int) -> Sequence[str]:
            asked.append((host, port))
            return addresses

        return asyncio.run(addresses_of("name.example", 443, Guard(), ask))

    assert answers("1.1.1.1", "8.8.8.8") == ["1.1.1.1", "8.8.8.8"]
    assert asked == [("name.example", 443)]
    assert answers(*["1.1.1.1"] * 9) == ["1.1.1.1"] * ADDRESSES_MAX
    with pytest.raises(ConnectFailed) as caught:
        answers("1.1.1.1", "10.0.0.1")
    assert (caught.value.hop, caught.value.reason) == ("dns", "not_public")
    with pytest.raises(ConnectFailed) as caught:
        answers()
    assert (caught.value.hop, caught.value.reason) == ("dns", "unknown_host")


@pytest.mark.parametrize("host", ["name.example", "x" * 300, "x" * 64 + ".example", "\udcff.example"])
def test_a_name_that_does_not_resolve_is_a_fault_of_dns(host: str) -> None:
    async def ask(host: str, port: int) -> Sequence[str]:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(ConnectFailed) as caught:
        asyncio.run(addresses_of(host, 443, None, ask))
    assert (caught.value.hop, caught.value.reason) == ("dns", "unknown_host")
