"""Sends messages until told to stop, and keeps a ledger of each send before and after it."""

import asyncio
import random
from contextlib import suppress

from postroom.queues import BrokerUnavailable, connect
from support.parent import order, orders, say
from support.recording import send

ORDER = order()
BACKLOG_MAX = ORDER.get("backlog_max", 400)
"""Senders wait for consumers, so that the final drain is short."""
DELAYS = ORDER.get("delays", [0])
BATCH = ORDER.get("batch", 1)


async def main() -> None:
    chance = random.Random(ORDER.get("seed", 0))
    stopped = asyncio.Event()
    numbers = iter(range(10**9))
    async with connect(ORDER["url"]) as queues:
        queue = queues[ORDER["queue"]]

        async def sender() -> None:
            while not stopped.is_set():
                name = f"{ORDER.ledger.process}:{next(numbers)}"
                keys = [name] if BATCH == 1 else [f"{name}/{place}" for place in range(BATCH)]
                try:
                    backlog = await send(queue, ORDER.ledger, *keys, delay_seconds=chance.choice(DELAYS))
                except BrokerUnavailable:
                    if not ORDER.get("patient"):
                        raise
                    # Whether it was stored is unknown, and so is written in the ledger.
                    await asyncio.sleep(0.05)
                    continue
                if backlog > BACKLOG_MAX:
                    await asyncio.sleep(0.02)

        async def obey() -> None:
            await (await orders()).readline()
            stopped.set()

        listening = asyncio.create_task(obey())
        say("ready")
        await asyncio.gather(*(sender() for _ in range(ORDER.get("senders", 8))))
        say("done")
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


asyncio.run(main())
