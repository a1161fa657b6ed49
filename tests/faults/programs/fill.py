"""Sends until there is no room left, tells what it was told, and sends again when the parent has made room.

Then it may consume what is there, so that all of it happens in one process.
"""

import asyncio
import resource

from postroom.kit.sqlite import checkpoint
from postroom.queues import MessageBatch, StorageFull, connect
from support.parent import order, orders, say
from support.recording import record, send

ORDER = order()
SENDERS = ORDER.get("senders", 20)
PADDING = 2000


def limit(size: int) -> None:
    """Let no file grow beyond so many bytes (-1: as large as it likes)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


async def main() -> None:
    ledger = ORDER.ledger
    checkpoint.PAGES = ORDER.get("checkpoint_pages", checkpoint.PAGES)
    refusals: list[StorageFull] = []
    async with connect(ORDER["url"]) as queues:
        record(queues, ledger)
        queue = queues["orders"]

        async def fill(sender: int) -> None:
            number = 0
            while True:
                try:
                    await send(queue, ledger, f"{sender}:{number}", padding=PADDING)
                except StorageFull as error:
                    refusals.append(error)
                    return
                number += 1

        limit(ORDER.get("limit", -1))
        await asyncio.gather(*(fill(sender) for sender in range(SENDERS)))
        say("full", isinstance(refusals[0], OSError), str(refusals[0]))

        lines = await orders()
        while line := (await lines.readline()).decode().strip():
            try:
                if line == "room":
                    limit(-1)
                elif line == "metrics":
                    await queue.metrics()
                else:
                    await send(queue, ledger, *(f"{line}:{place}" for place in range(10)), padding=PADDING)
                say("ok", line)
            except StorageFull:
                say("refused", line)

        @queues.consumer("orders", max_batch_timeout=0, max_batch_size=100)
        async def handle(batch: MessageBatch) -> None:
            say("handled", len(batch))

        async with queues.running():
            while (await queue.metrics()).backlog_count:
                await asyncio.sleep(0.01)
    say("bye")


asyncio.run(main())
