"""Stops itself in the middle of a transaction, holding every lock that a writer holds."""

import asyncio
import signal
import sqlite3
import threading

from postroom.queues import connect
from support.parent import order

ORDER = order()


def stand_still(connection: sqlite3.Connection) -> None:
    # To this very thread: it stops on its way back from the call, before it can commit.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


async def main() -> None:
    async with connect(ORDER["url"]) as queues:
        await queues.transact(stand_still)


asyncio.run(main())
