"""Rounds: what was handled is settled in the statement that leases what comes next.

A settlement waits for nobody. But a consumer that has handled a batch asks for the next one in the same pass of the
loop, and then both go to the server as one statement: one commit a batch instead of two.
"""

from collections.abc import Sequence
from typing import Any

from postroom.kit.clock import Clock
from postroom.kit.postgres import Script
from postroom.queues.broker import Leased
from postroom.queues.brokers.postgres.bounds import Reading
from postroom.queues.brokers.postgres.catalogue import Catalogue
from postroom.queues.brokers.postgres.connections import Connections
from postroom.queues.brokers.postgres.grouping import Grouping
from postroom.queues.brokers.postgres.leasing import NOTHING, Handled, Taken, Wanted, take
from postroom.queues.brokers.postgres.settling import Settled, settle

AT_ONCE = 4
"""Rounds on their way: one of a queue commits while another's is prepared."""
MESSAGES = 4000
"""Settled in one round at most."""
PATIENCE_SECONDS = 20.0
"""For so long a settlement is tried again while the server is away; then its leases may have ended anyway."""


class Rounds:
    """For one event loop."""

    def __init__(self, connections: Connections, catalogue: Catalogue, clock: Clock) -> None:
        self._connections = connections
        self._catalogue = catalogue
        self._reading = Reading(bounded=not catalogue.moments.given)
        self._grouping: Grouping[Settled | Wanted, Any] = Grouping(
            self._carry_out, clock, width=AT_ONCE, size=MESSAGES, weigh=_weight
        )

    async def settle(self, settled: Settled) -> Sequence[Leased]:
        """Carry out a settlement; returns those whose lease was lost. Raises PostgresError."""
        lost: Sequence[Leased] = await self._grouping.submit(settled)
        if settled.settlement.released:
            self._returned(settled.queue)
        return lost

    async def lease(self, wanted: Wanted) -> Taken:
        """Lease messages. Raises PostgresError, QueueNotFound."""
        taken: Taken = await self._grouping.submit(wanted)
        return taken

    async def finish(self) -> None:
        """Wait until nothing is on its way."""
        await self._grouping.finish()

    def _returned(self, name: str) -> None:
        queue = self._catalogue.get(name)
        if queue is not None:
            self._reading.returned(queue.id)

    async def _carry_out(self, items: Sequence[Settled | Wanted]) -> Sequence[Any]:
        settles = [item for item in items if isinstance(item, Settled)]
        wanted = next((item for item in items if isinstance(item, Wanted)), None)
        results: dict[int, Any] = {}
        handled = NOTHING
        if wanted is None or not all(one.simple for one in settles):
            lost = await self._settle(settles) if settles else []
        else:
            acks = [one for settled in settles for one in settled.settlement.acks]
            handled = Handled([one.key for one in acks], [one.token for one in acks])
            lost = None
        if wanted is not None:
            try:
                taken = await self._connections.run(lambda: self._take(wanted, handled), atomic=False)
            except Exception as error:
                # The lease's own; what was handled is settled by itself.
                results[id(wanted)] = error
                if lost is None:
                    lost = await self._settle(settles, getattr(error, "uncertain", False)) if settles else []
            else:
                results[id(wanted)] = taken
                if lost is None:
                    lost = [_lost(settled, taken.acked) for settled in settles]
        assert lost is not None
        results |= {id(settled): missing for settled, missing in zip(settles, lost, strict=True)}
        return [results[id(item)] for item in items]

    def _take(self, wanted: Wanted, handled: Handled) -> Script[Taken]:
        return take(self._catalogue, self._reading, wanted, handled)

    async def _settle(self, settles: Sequence[Settled], doubt: bool = False) -> list[Sequence[Leased]]:
        """Carry them out; `doubt`: a try whose answer got lost may have done it."""
        atomic = not all(one.only_acks for one in settles)
        return await self._connections.run_patiently(
            lambda again: settle(self._catalogue, settles, doubt=doubt or again),
            atomic=atomic,
            seconds=PATIENCE_SECONDS,
            repeatable=True,
        )


def _lost(settled: Settled, acked: frozenset[int] | None) -> Sequence[Leased]:
    return [one for one in settled.settlement.acks if acked is None or one.key not in acked]


def _weight(item: Settled | Wanted) -> int:
    if isinstance(item, Wanted):
        # Two of them are too heavy for one round: each is a statement of its own.
        return MESSAGES // 2 + 1
    settlement = item.settlement
    return len(settlement.acks) + len(settlement.retries) + len(settlement.released) + len(settlement.dead)
