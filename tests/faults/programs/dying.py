"""A hundred lives, each ended by SIGKILL between the provider's acceptance and its record; forked, since starting is slow.

Says `dead N` when they are over.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from postroom.delivery.providers.smtp import SmtpProvider
from postroom.wiring import open_application
from support.parent import order, say
from support.service import settings_in, smtp_url

ORDER = order()
original = SmtpProvider.send


async def accept_and_die(self: SmtpProvider, envelope: Any) -> Any:
    """Hand it over; once it is accepted, be gone."""
    await original(self, envelope)
    os.kill(os.getpid(), signal.SIGKILL)


async def live() -> None:
    settings = settings_in(Path(ORDER["place"]), **ORDER["settings"])
    async with open_application(settings, consume=True, smtp_url=smtp_url(ORDER["port"])) as app:
        await app.queues.run()


killed = 0
for _ in range(ORDER["lives"]):
    child = os.fork()
    if child == 0:
        SmtpProvider.send = accept_and_die  # type: ignore[method-assign]
        asyncio.run(live())
        os._exit(1)
    _, status = os.waitpid(child, 0)
    killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
say("dead", killed)
