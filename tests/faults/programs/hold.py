"""Stops itself in the middle of a transaction, holding every lock that a writer holds."""

import asyncio

from postroom.queues import connect
from support.parent import order, stand_still

ORDER = order()


async def main() -> None:
    async with connect(ORDER["url"]) as queues:
        await queues.transact(lambda connection: stand_still())


asyncio.run(main())
