"""The whole application in one process: enqueues emails through JobProducer and sends them with the Dispatcher.

It can be told to die at a certain point: once that step has done its work and before anybody hears of it.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from postroom.delivery.providers.smtp import SmtpProvider
from postroom.messages import MessageSender, StoreLedger
from postroom.queues.brokers.sqlite import SqliteBroker
from postroom.wiring import open_application
from support.ledger import BEGUN, DONE, Entry
from support.parent import order, orders, say
from support.service import an_email, settings_in, smtp_url

ORDER = order()
STEPS = {
    "lease": (SqliteBroker, "lease"),
    "begin": (StoreLedger, "begin"),
    "claim": (SmtpProvider, "send"),
    "send": (SmtpProvider, "send"),
    "conclude": (MessageSender, "_call"),
    "end": (StoreLedger, "end"),
    "settle": (SqliteBroker, "settle"),
}


def die_after(step: str) -> None:
    """Replace a step with itself and death; a lease of nothing does not count."""
    owner, name = STEPS[step]
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def then_die(*arguments: Any, **options: Any) -> Any:
        if step == "claim":
            # The call is on record, and is never made.
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(*arguments, **options)
        if step != "lease" or result.messages:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, then_die)


def report(task: asyncio.Task[None]) -> None:
    """Tell the parent when the enqueueing ended with an error."""
    if not task.cancelled() and task.exception() is not None:
        say("error", repr(task.exception()))


async def main() -> None:
    if "die_after" in ORDER.config:
        die_after(ORDER["die_after"])
    settings = settings_in(Path(ORDER["place"]), **ORDER.get("settings", {}))
    stopped = asyncio.Event()
    async with open_application(settings, consume=True, smtp_url=smtp_url(ORDER["port"])) as app:

        async def enqueue(references: list[str]) -> None:
            ledger = ORDER.ledger
            base = Entry(op="send", queue="jobs", call=ledger.call())
            facts = {"op": "send", "queue": "jobs", "call": base.call}
            ledger.write(*[Entry(**facts, step=BEGUN, key=reference) for reference in references])
            recipient = ORDER.get("recipient", "anna@example.com")
            answers = await app.producer.enqueue_batch([an_email(one, recipient) for one in references])
            ledger.write(
                *[
                    Entry(**facts, step=DONE, key=reference, id=answer.job_id)
                    for reference, answer in zip(references, answers, strict=True)
                ]
            )

        async def enqueue_all() -> None:
            # What an earlier life of this process began and never saw answered comes first: senders repeat themselves.
            await asyncio.gather(*(enqueue([reference]) for reference in ORDER.get("again", [])))
            number = 0
            while not stopped.is_set() and ORDER.get("load", False):
                names = [f"m-{os.getpid()}-{number}-{place}" for place in range(1 + number % 3)]
                await enqueue(names)
                number += 1
                while (await app.queues[app.queue].metrics()).backlog_count > 100 and not stopped.is_set():
                    await asyncio.sleep(0.01)

        async def obey() -> None:
            await (await orders()).readline()
            stopped.set()
            await enqueueing
            say("enqueued")

        enqueueing = asyncio.create_task(enqueue_all())
        enqueueing.add_done_callback(report)
        listening = asyncio.create_task(obey())
        asyncio.get_running_loop().call_soon(say, "ready")
        await app.given_up.start()
        await app.queues.run()
        await app.given_up.stop()
        stopped.set()
        await enqueueing
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    say("bye")


asyncio.run(main())
