"""`POST /api/queues/{name}/redrive`: dead letters go back to where they failed."""

import contextlib
from typing import Annotated, Final

import msgspec
from litestar import post
from litestar.params import FromPath

from postroom.queues import Filter
from postroom.web.api.queues import GUARDS, TAGS, audit, known
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.problems import REQUEST_INVALID, FieldProblem, Refusal

REDRIVE: Final = "/api/queues/{name:str}/redrive"
REDRIVE_IDS_MAX: Final = 1000
REDRIVE_SECONDS_MAX: Final = 60
"""The longest redrive that a request waits for; a longer one belongs to `postroom dlq redrive`."""


def _about(description: str, longest: int) -> msgspec.Meta:
    return msgspec.Meta(description=description, min_length=1, max_length=longest)


class RedriveRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which dead letters to bring back, and how; every condition that is given must hold."""

    to: (
        Annotated[str, _about("The queue they go to; by default each to the one it failed on.", 63)] | None
    ) = None
    reason: (
        Annotated[str, _about("A part of their reason or its code, upper and lower case alike.", 200)] | None
    ) = None
    ids: Annotated[list[str], _about("Only these messages.", REDRIVE_IDS_MAX)] | None = None
    dry_run: Annotated[bool, msgspec.Meta(description="Only tell what would be done.")] = False
    rate: (
        Annotated[float, msgspec.Meta(gt=0, le=10_000, description="Messages a second, at most.")] | None
    ) = None


class RedriveAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a redrive did, or would do."""

    dry_run: bool
    matched: int
    moved: int
    targets: dict[str, int]
    """Queue to how many of the matching ones go there."""
    unroutable: int
    """Matching messages whose origin is unknown or this queue itself; name a queue with `to`."""


_redrive_request = msgspec.json.Decoder(RedriveRequest)


@post(
    REDRIVE,
    guards=GUARDS, status_code=200, operation_id="redriveQueue", tags=TAGS, summary="Bring dead letters back",
)  # fmt: skip
async def redrive_queue(name: FromPath[str], request: Asked, services: Services) -> RedriveAnswer:
    """Move dead letters back to the queues they failed on (or to `to`), their attempts starting again.

    The answer comes when it is done; a redrive that would take longer than a minute at its `rate` is refused.
    """
    wanted = decode_body(await body_of(request) or b"{}", _redrive_request)
    queue = services.queues[await known(services, name)]
    if wanted.to is not None and wanted.to not in await services.queues.names():
        raise _invalid("to", "must be the name of a queue there is")
    if wanted.to == name:
        raise _invalid("to", "must be another queue")
    matching = Filter(ids=None if wanted.ids is None else frozenset(wanted.ids), reason=wanted.reason)
    if wanted.rate is not None or wanted.dry_run:
        planned = await queue.redrive(to=wanted.to, matching=matching, dry_run=True)
        if wanted.dry_run:
            return RedriveAnswer(dry_run=True, **msgspec.structs.asdict(planned))
        if wanted.rate is not None and planned.matched / wanted.rate > REDRIVE_SECONDS_MAX:
            raise _invalid(
                "rate",
                f"would take {planned.matched / wanted.rate:,.0f} s for {planned.matched:,} messages, and a request "
                f"waits for {REDRIVE_SECONDS_MAX} s at most; use `postroom dlq redrive`",
            )
    # The intention is on record before anything moves, and what came of it after.
    chosen = {"to": wanted.to, "ids": len(wanted.ids or ()), "byReason": wanted.reason is not None}
    await audit(services, request, "queue.redrive", name, chosen)
    moved = 0

    def count(so_far: int) -> None:
        nonlocal moved
        moved = so_far

    try:
        done = await queue.redrive(to=wanted.to, matching=matching, rate=wanted.rate, progress=count)
    except BaseException:
        # Cancelled by a stop, or refused by the store: what has moved is on record all the same.
        with contextlib.suppress(Exception):
            await audit(services, request, "queue.redriven", name, {"moved": moved, "interrupted": True})
        raise
    await audit(services, request, "queue.redriven", name, {"matched": done.matched, "moved": done.moved})
    return RedriveAnswer(dry_run=False, **msgspec.structs.asdict(done))


def _invalid(field: str, reason: str) -> Refusal:
    return Refusal(REQUEST_INVALID, errors=[FieldProblem(field, reason)])
