"""Which addresses may be posted to: public ones. A subscriber's URL must not be a way into our own network.

The name is resolved here, every address of it is checked, and the connection is made to the checked address, so that a
name that resolves differently a moment later (DNS rebinding) gains nothing. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
SHARED: Final = ipaddress.IPv4Network("100.64.0.0/10")
"""Carriers' own (RFC 6598); Python does not call it private."""


class AddressRefused(ValueError):
    """The URL leads where it must not; the text says why, and not where."""


async def checked_addresses(url: str, *, allow_local: bool = False) -> list[str]:
    """The addresses behind a URL, all of them public. Raises AddressRefused.

    `allow_local` lets http and loopback in, for trying things on one's own machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise AddressRefused("the URL must be https")
    if not parts.hostname or parts.username or parts.password:
        raise AddressRefused("the URL must have a host, and no user or password")
    loop = asyncio.get_running_loop()
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError):
        raise AddressRefused("the host has no address") from None
    addresses = sorted({str(info[4][0]) for info in found})
    for address in addresses:
        if not is_public(address) and not (
            allow_local and ipaddress.ip_address(address.partition("%")[0]).is_loopback
        ):
            raise AddressRefused("the host has an address that is not public")
    return addresses


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet, also through what stands for another address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(str(inner))
    elif address in SHARED:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that it stands for, if it stands for one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in SIX_TO_FOUR:
        return address.sixtofour
    return None
