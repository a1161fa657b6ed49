"""Consumes a queue with a handler of the test's choice until SIGTERM, and keeps a ledger of every call."""

import asyncio
import os
import random
import signal
from contextlib import suppress

from postroom.queues import Message, MessageBatch, connect
from postroom.queues.events import ConsumerFailed, LeaseLost, MessageDeadLettered, SettlementFailed
from support.parent import MovedClock, order, say, stand_still
from support.recording import record

ORDER = order()
WORK_SECONDS = ORDER.get("work_seconds", 0.0)
SLOW_SECONDS = ORDER.get("slow_seconds", 3600)
RETRY_SHARE = ORDER.get("retry_share", 0.0)


async def main() -> None:
    chance = random.Random(f"{ORDER.get('seed', 0)}:{os.getpid()}")
    clock = MovedClock(ORDER.get("clock_seconds", 0))
    async with connect(
        ORDER["url"],
        clock=clock,
        grace_seconds=ORDER.get("grace_seconds", 5),
    ) as queues:
        recorder = record(queues, ORDER.ledger)
        recorder.crash_after = ORDER.get("crash_after")
        for kind in (ConsumerFailed, LeaseLost, SettlementFailed, MessageDeadLettered):
            queues.events.subscribe(kind, lambda event: say("event", type(event).__name__))

        async def treat(message: Message) -> None:
            match str(message.body["key"]).partition(":")[0]:
                case "poison":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "broken":
                    raise RuntimeError("a handler that always fails")
                case "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                    if ORDER.get("freeze"):
                        stand_still()
            if WORK_SECONDS:
                await asyncio.sleep(chance.uniform(0, WORK_SECONDS))
            if chance.random() < RETRY_SHARE:
                message.retry(delay_seconds=chance.choice([0, 0.05]))

        @queues.consumer(ORDER["queue"], **ORDER.get("options", {}))
        async def handle(batch: MessageBatch) -> None:
            recorder.delivered(batch)
            if ORDER.get("say_delivered"):
                say("delivered", *(message.body["key"] for message in batch.messages))
            await asyncio.gather(*(treat(message) for message in batch.messages))

        listening = asyncio.create_task(clock.obey())
        # Said by a task that runs once `run` has its signal handlers in place.
        asyncio.get_running_loop().call_soon(say, "ready")
        await queues.run()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    say("bye")


asyncio.run(main())
