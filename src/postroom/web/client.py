"""Where a request comes from: the peer, or, behind proxies that are trusted, who they say."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from postroom.web.asgi import Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddress:
    """Tells addresses; `trusted` are the proxies whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope, headers: dict[bytes, bytes]) -> str | None:
        """The address of who asks: the last hop that is not a trusted proxy; None where there is no peer."""
        client = scope.get("client")
        if client is None:
            return None
        address = str(client[0])
        if not self._trusted or not self._trusts(address):
            return address
        # The nearest proxy wrote last; what lies beyond the first hop that we do not trust anybody may have made up.
        for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            given = hop.strip()
            if _address(given) is None:
                return address
            address = given
            if not self._trusts(address):
                return address
        return address

    def _trusts(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._trusted)


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
