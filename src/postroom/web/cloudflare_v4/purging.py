"""Purging a whole queue, and what became of that."""

import msgspec

from postroom.web.cloudflare_v4.call import Call, decode, moment
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import BODY_REFUSED, ApiError
from postroom.web.cloudflare_v4.queues import view


class _Purge(msgspec.Struct, frozen=True):
    delete_messages_permanently: bool = False


_purge = msgspec.json.Decoder(_Purge)


async def start(call: Call) -> Answer:
    """POST /purge: everything that is ready or delayed; it is done when this answers."""
    asked = decode(call.body, _purge, code=BODY_REFUSED)
    entry = await call.entry()
    if not asked.delete_messages_permanently:
        raise ApiError(400, BODY_REFUSED, "delete_messages_permanently must be true to purge the queue")
    queue_id, begun_us = entry.queue_id, call.now_us
    await call.write(
        "queue.purge",
        entry.name,
        lambda t: t.run("begin_cloudflare_purge", queue_id=queue_id, now_us=begun_us),
    )
    count = await entry.queue.purge()
    ended_us = call.now_us
    await call.write(
        "queue.purged", entry.name, lambda t: t.run("end_cloudflare_purge", queue_id=queue_id, now_us=ended_us),
        messages=count,
    )  # fmt: skip
    return Answer(await view(call, entry))


async def status(call: Call) -> Answer:
    """GET /purge: of the last one."""
    entry = await call.entry()
    note = await call.catalogue.note(entry.queue_id)
    started, ended = note.purge_started_us, note.purge_ended_us
    # One reference calls it `completed`, a moment, the other `complete`.
    return Answer(
        {
            "started_at": "" if started is None else moment(started),
            "completed": "" if ended is None else moment(ended),
            "complete": started is not None and ended is not None,
        }
    )
