"""Send two messages, handle a batch, retry one of them: with no server, on a SQLite file."""

import asyncio

from postroom.queues import MessageBatch, connect


async def main() -> None:
    async with connect("sqlite:///orders.db") as queues:
        await queues["orders"].send({"id": 1})
        await queues["orders"].send({"id": 2}, delay_seconds=1)

        @queues.consumer("orders", max_batch_timeout=0, dead_letter_queue="dead-orders")
        async def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                print(f"order {message.body['id']}, delivery {message.attempts}")
                if message.body["id"] == 1 and message.attempts == 1:
                    message.retry(delay_seconds=2)

        async with queues.running():
            while (await queues["orders"].metrics()).backlog_count:
                await asyncio.sleep(0.1)


asyncio.run(main())
