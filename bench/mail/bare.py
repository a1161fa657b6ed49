"""The yardstick: aiosmtplib alone, some connections, no queue, no records."""

import asyncio
import time
from email.message import EmailMessage
from typing import Final

import aiosmtplib
import uvloop

from bench.kit import jobs

SENDER: Final = "postroom@localhost.localdomain"


def send(port: int, count: int, connections: int) -> float:
    """Emails a second, each built and sent with `send_message` over a connection that stays open."""
    return uvloop.run(_send(port, count, connections))


def build(number: int) -> EmailMessage:
    """The email that the job of that number asks for."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = jobs.RECIPIENT
    message["Subject"] = jobs.SUBJECT
    message["Message-ID"] = f"<{jobs.REFERENCE.format(number)}@localhost.localdomain>"
    message.set_content(jobs.CONTENT)
    return message


async def _send(port: int, count: int, connections: int) -> float:
    numbers = iter(range(count))

    async def connection() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in numbers:
                await client.send_message(build(number))

    started = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    return count / (time.perf_counter() - started)
