"""How far away a host is by what is written: public, private, this machine, or where clouds keep their secrets. Pure."""

import ipaddress
import re

# Where clouds tell a machine its own secrets. IPv4's are link-local; these are not, or are names.
_METADATA_HOSTS = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "instance-data"))
_METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "168.63.129.16")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ODD_ADDRESS = re.compile(r"(?:0[xX][0-9A-Fa-f]*|\d+)(?:\.(?:0[xX][0-9A-Fa-f]*|\d+)){0,3}\.?")


def reach_of(host: str) -> str:
    """How far a literal host is away: "loopback", "private", "metadata", "odd" (an address in disguise), else "public".

    Of a name only what it says itself is known; what it resolves to is looked at when it is connected to.
    """
    host = host.lower().rstrip(".")
    if host in _METADATA_HOSTS:
        return "metadata"
    if host == "localhost":
        return "loopback"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "odd" if _ODD_ADDRESS.fullmatch(host) else "public"
    address = _embedded(address) or address
    if address.is_link_local or address in _METADATA_ADDRESSES:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    return "public" if address.is_global and not address.is_multicast else "private"


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, or by way of a NAT64."""
    if address.version == 4:
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
