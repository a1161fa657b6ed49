"""Looking at messages without taking them, and deleting some of those that were looked at."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec

from postroom.queues.broker import Browsed
from postroom.queues.limits import BATCH_COUNT_MAX
from postroom.web.cloudflare_v4.call import Call, decode
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import BODY_REFUSED, ApiError
from postroom.web.cloudflare_v4.pulling import metadata_of, text_of, whole

PEEKED_DEFAULT: Final = 10


class _Peek(msgspec.Struct, frozen=True):
    batch_size: int | float | None = None


class _Ref(msgspec.Struct, frozen=True):
    ref: str


class _Purge(msgspec.Struct, frozen=True):
    refs: list[_Ref]


_peek = msgspec.json.Decoder(_Peek)
_purge = msgspec.json.Decoder(_Purge)


async def peek(call: Call) -> Answer:
    """POST /messages/peek: nothing is leased, no attempt counted. Who read contents is in the trail."""
    asked = decode(call.body, _peek, code=BODY_REFUSED)
    entry = await call.entry(data=True)
    size = whole(asked.batch_size, "batch_size", 1, BATCH_COUNT_MAX) or PEEKED_DEFAULT
    found = await call.services.queues.broker.peek(entry.name, size)
    await call.write("queue.read", entry.name, lambda _: None, messages=len(found))
    return Answer({"messages": [_view(one) for one in found]})


async def preview(call: Call) -> Answer:
    """POST /messages/preview: the dashboard's older way."""
    return await peek(call)


async def purge(call: Call) -> Answer:
    """POST /messages/purge: delete the messages behind these refs, unless somebody holds them."""
    asked = decode(call.body, _purge, code=BODY_REFUSED)
    entry = await call.entry(data=True)
    if not 1 <= len(asked.refs) <= BATCH_COUNT_MAX:
        raise ApiError(400, BODY_REFUSED, f"refs must have 1 to {BATCH_COUNT_MAX} entries")
    broker = call.services.queues.broker
    wanted = {one.ref: _key(one.ref) for one in asked.refs}
    there = {one.key: one for one in await broker.find(entry.name, [key for key, _ in wanted.values()])}
    warnings: dict[str, str] = {}
    doomed = []
    for ref, (key, id_) in wanted.items():
        found = there.get(key)
        if found is None or found.id != id_:
            warnings[ref] = "the message is not there any more"
        elif found.leased:
            warnings[ref] = "the message is being delivered"
        else:
            doomed.append(key)
    count = len(doomed)
    await call.write("queue.purge", entry.name, lambda _: None, messages=count)
    await broker.remove(entry.name, doomed)
    return Answer({"errors": [], "warnings": warnings})


def _view(one: Browsed) -> dict[str, Any]:
    ref = urlsafe_b64encode(f"{one.key}.{one.id}".encode()).decode().rstrip("=")
    return {
        "id": one.id,
        "body": text_of(one),
        "timestamp_ms": one.sent_us // 1000,
        "attempts": one.attempts,
        "metadata": metadata_of(one),
        "ref": ref,
    }


def _key(ref: str) -> tuple[int, str]:
    try:
        key, _, id_ = urlsafe_b64decode(ref + "=" * (-len(ref) % 4)).decode().partition(".")
        return int(key), id_
    except (ValueError, TypeError):
        raise ApiError(400, BODY_REFUSED, "not a ref; pass the ref of a peeked message as it is") from None
