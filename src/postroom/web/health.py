"""Whether the service lives (`/health`) and whether it can do its work (`/ready`). Neither needs a token."""

import asyncio
from typing import Final

import msgspec
from litestar import get

from postroom.store import StoreTransaction
from postroom.web.dependencies import Services
from postroom.web.problems import UNAVAILABLE, FieldProblem, Refusal
from postroom.web.services import WebServices

HEALTH: Final = "/health"
READY: Final = "/ready"
OPEN_PATHS: Final = frozenset({HEALTH, READY})

PATIENCE_SECONDS: Final = 2.0
"""How long the store and the queue may take to answer, in real seconds."""


class Liveness(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the work needs answers; the parts are listed in the local environment only."""

    status: str
    parts: dict[str, str] = {}


@get(HEALTH, operation_id="health", tags=["health"], summary="Whether the process lives")
async def health() -> Liveness:
    """Answer; nothing else is asked."""
    return Liveness("ok")


@get(READY, operation_id="ready", tags=["health"], summary="Whether work can be accepted")
async def ready(services: Services) -> Readiness:
    """Ask the store and the queue; status 503 when one of them does not answer in time."""
    problems = await _failures(services)
    if problems:
        shown = problems if services.local else []
        raise Refusal(UNAVAILABLE, "Not ready.", errors=shown, headers={"retry-after": "5"})
    return Readiness("ready", {"store": "ok", "queue": "ok"} if services.local else {})


async def _failures(services: WebServices) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for name, ask in (("store", _ask_store), ("queue", _ask_queue)):
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await ask(services)
        except Exception as error:
            # Only the class: the text may name files.
            problems.append(FieldProblem(name, f"does not answer ({type(error).__name__})"))
    return problems


async def _ask_store(services: WebServices) -> None:
    def look(transaction: StoreTransaction) -> None:
        transaction.one("last_job")

    await services.store.read(look)


async def _ask_queue(services: WebServices) -> None:
    await services.queues.info(services.queue)
