"""The same program on every broker: `python any_broker.py memory://`, `sqlite:///x.db`, `postgresql://...`, `cloudflare://...`.

Sends three orders, retries one, gives one up with a reason, and prints what became of each.
"""

import asyncio
import sys

from postroom.queues import MessageBatch, connect


async def main(url: str) -> None:
    async with connect(url) as queues:
        done: dict[int, str] = {}
        orders, graves = queues["any-orders"], queues["any-graves"]

        @queues.consumer("any-orders", max_batch_timeout=0, dead_letter_queue="any-graves")
        async def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                number = message.body["id"]
                if number == 1 and message.attempts == 1:
                    message.retry(delay_seconds=1)
                elif number == 2:
                    message.dead_letter("no such customer")
                else:
                    done[number] = f"delivery {message.attempts}"

        @queues.consumer("any-graves", max_batch_timeout=0)
        async def bury(batch: MessageBatch) -> None:
            for message in batch.messages:
                assert message.dead_lettered is not None
                done[message.body["id"]] = f"{message.dead_lettered.reason}, from {message.dead_lettered.queue}"

        await orders.send_batch([{"body": {"id": number}} for number in (1, 2, 3)])
        async with queues.running():
            while len(done) < 3 or (await orders.metrics()).backlog_count or (await graves.metrics()).backlog_count:
                await asyncio.sleep(0.05)
        for number in sorted(done):
            print(f"order {number}: {done[number]}")


asyncio.run(main(sys.argv[1]))
