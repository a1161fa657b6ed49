"""Dead letters of real jobs."""

from postroom.queues.testing import VirtualClock
from postroom.wiring import Application


async def text(app: Application, id_: str, content: str = "x") -> str:
    done = await app.producer.enqueue_sms(message_id=id_, recipient="+14155552671", content=content)
    return done.job_id


async def bury(app: Application, clock: VirtualClock, count: int, start: int = 0) -> list[str]:
    """Let so many jobs fail for good."""
    ids = [await text(app, f"dead-{start + number}", "test-failure") for number in range(count)]
    async with app.queues.running():
        await clock.advance(3600)
    assert (await app.queues.info("dlq")).backlog.messages >= count
    return ids
