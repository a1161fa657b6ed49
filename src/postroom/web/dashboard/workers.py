"""Workers: who is alive, what each has in hand, and asking one to stop."""

from typing import Final

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.web.api.operations import ask_to_stop
from postroom.web.auth import needs
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services

LONG_SECONDS: Final = 30
"""A job that is in hand for so long is listed by itself."""


@get("/app/workers", include_in_schema=False, guards=[needs(Permission.SEE_STATUS)])
async def workers_page(request: Asked, services: Services) -> Template:
    """Those that were heard of within half a minute."""
    workers = await services.watching.workers()
    now_us = services.clock.now_us()
    long_ = [
        {**job, "host": one["host"], "pid": one["pid"]}
        for one in workers for job in one["work"] if now_us - job["sinceUs"] >= LONG_SECONDS * 1_000_000
    ]  # fmt: skip
    return page(
        request,
        services,
        "workers.html",
        workers=workers,
        long_runners=sorted(long_, key=lambda job: job["sinceUs"]),
    )


@post("/app/workers/{worker_id:str}/stop", include_in_schema=False, guards=[needs(Permission.MANAGE_QUEUES)])
async def stop_worker(worker_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Gently."""
    await ask_to_stop(worker_id, request, services)
    return see_other(
        services, "/app/workers", "good", "It was asked to stop: it finishes what it has in hand, and ends."
    )


HANDLERS: Final = (workers_page, stop_worker)
