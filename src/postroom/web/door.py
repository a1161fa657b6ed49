"""What stands between the network and the handlers, and is shared by all requests: counts, kept answers, refusals."""

from collections.abc import Sequence

from postroom.kit.clock import Clock
from postroom.store import Store
from postroom.store.vault import Sealing
from postroom.web.client import ClientAddress, Network
from postroom.web.idempotency import Idempotency
from postroom.web.limits import Limits, Rates
from postroom.web.refusals import RefusalLog


class Door:
    """Made once a process; `start` and `stop` are for what runs beside the requests."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: Sealing,
        *,
        rates: Rates,
        trusted_proxies: Sequence[Network] = (),
        cors_origins: Sequence[str] = (),
        hsts: bool = False,
    ) -> None:
        self.client = ClientAddress(trusted_proxies)
        self.limits = Limits(store, clock, rates)
        self.idempotency = Idempotency(store, clock, vault)
        self.refusals = RefusalLog(store, clock)
        self.cors_origins = frozenset(origin.encode() for origin in cors_origins)
        self.hsts = hsts

    async def start(self) -> None:
        """Begin to share counts and to write refusals."""
        await self.limits.start()
        await self.refusals.start()

    async def stop(self) -> None:
        """Write what is left, and stop."""
        await self.refusals.stop()
        await self.limits.stop()
