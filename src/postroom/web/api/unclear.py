"""`/api/unclear-wishes`: what people wrote to us that may be a wish, for a colleague to read and decide the same day."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.audit import record
from postroom.kit.clock import to_datetime
from postroom.kit.redact import mask
from postroom.messages.suppressions import Suppressions
from postroom.messages.unclear import Decision, NoSuchWish, UnclearWish, UnclearWishes
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.paging import read_cursor, read_limit
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices

READS: Final = [needs(Permission.MANAGE_SUPPRESSIONS), needs(Permission.READ_BODIES)]


class UnclearWishView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody wrote to us that may be a wish."""

    wish_id: str
    channel: str
    recipient: str
    """Masked."""
    text: str
    at: datetime


class UnclearWishPage(msgspec.Struct, frozen=True):
    """Some of them, oldest first."""

    wishes: Sequence[UnclearWishView]
    next: str | None
    """The `after` of the next page; null on the last."""


class Deciding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person meant: `stop` all on this channel, `start` again, or `none`."""

    decision: Decision


_deciding = msgspec.json.Decoder(Deciding)


@get(
    "/api/unclear-wishes",
    guards=READS,
    operation_id="listUnclearWishes",
    tags=["suppressions"],
    summary="What people wrote that somebody has to read",
)
async def list_unclear_wishes(
    request: Asked,
    services: Services,
    after: Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")] = None,
    limit: Annotated[str | None, QueryParameter(description="How many: 1 to 100, by default 20.")] = None,
) -> UnclearWishPage:
    """What may be a wish and is no keyword, oldest first. That it was read is audited."""
    count, first = read_limit(limit), 0 if after is None else read_cursor(after)
    wishes, actor, now_us = _unclear(services), request.user.actor, services.clock.now_us()

    def act(transaction: StoreTransaction) -> list[UnclearWish]:
        found = wishes.page(transaction, first, count + 1)
        if found:
            record(
                transaction, at_us=now_us, actor=actor, action="wish.read", object_type="unclear_wish",
                object_id="many", details={"ids": [one.id for one in found[:count]]},
            )  # fmt: skip
        return found

    found = await services.store.write(act)
    shown = found[:count]
    views = [
        UnclearWishView(
            wish_id=one.id, channel=one.channel, recipient=mask(one.address), text=one.text, at=to_datetime(one.at_us)
        )
        for one in shown
    ]  # fmt: skip
    return UnclearWishPage(views, str(shown[-1].seq) if len(found) > count else None)


@post(
    "/api/unclear-wishes/{wish_id:str}/decide",
    guards=READS,
    status_code=200,
    operation_id="decideUnclearWish",
    tags=["suppressions"],
    summary="Say what somebody meant",
)
async def decide_unclear_wish(wish_id: FromPath[str], request: Asked, services: Services) -> Deciding:
    """It is done at once."""
    deciding = decode_body(await body_of(request), _deciding)
    wishes, actor, now_us = _unclear(services), request.user.actor, services.clock.now_us()
    try:
        await services.store.write(lambda t: wishes.decide(t, wish_id, deciding.decision, actor, now_us))
    except NoSuchWish:
        raise Refusal(NOT_FOUND, "There is no such message, or it has been decided already.") from None
    return deciding


HANDLERS: Final = (list_unclear_wishes, decide_unclear_wish)


def _unclear(services: WebServices) -> UnclearWishes:
    vault = services.records.vault
    return UnclearWishes(vault, Suppressions(vault))
