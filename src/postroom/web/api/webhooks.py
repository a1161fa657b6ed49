"""`/api/webhooks`: who is told of what happens to messages. A subscription's secret is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from postroom.accounts import Permission
from postroom.audit import record
from postroom.kit.clock import to_datetime
from postroom.kit.ids import new_id
from postroom.store import StoreTransaction
from postroom.subscribers import AddressRefused, Subscription, SubscriptionInvalid, checked_addresses
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Refusal
from postroom.web.services import WebServices

MANAGES: Final = [needs(Permission.MANAGE_WEBHOOKS)]
CREATED: Final = 201
TEST: Final = "test"
"""The state of an event that is only to try a subscription."""


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody who is told."""

    webhook_id: str
    url: str
    states: Sequence[str]
    """The states that are told of; none: all."""
    active: bool
    created_at: datetime
    code: str | None
    """How the last attempt ended."""
    succeeded_at: datetime | None
    failed_at: datetime | None


class NewSubscriptionView(SubscriptionView, frozen=True, kw_only=True, rename="camel"):
    """The same with its secret, shown this once (`whsec_...`, Standard Webhooks)."""

    secret: str


class SubscriptionList(msgspec.Struct, frozen=True):
    """All of them, oldest first."""

    webhooks: Sequence[SubscriptionView]


class NewSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subscription to be made."""

    url: str
    states: list[str] = []


class ChangedSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether it is to be told."""

    active: bool


_new = msgspec.json.Decoder(NewSubscription)
_changed = msgspec.json.Decoder(ChangedSubscription)


@get(
    "/api/webhooks",
    guards=MANAGES,
    operation_id="listWebhooks",
    tags=["webhooks"],
    summary="List subscriptions",
)
async def list_webhooks(services: Services) -> SubscriptionList:
    """Who is told of messages' moves."""
    found = await services.store.read(services.subscriptions.all)
    return SubscriptionList([SubscriptionView(**_fields(one)) for one in found])


@post("/api/webhooks", guards=MANAGES, status_code=CREATED, operation_id="createWebhook", tags=["webhooks"],
      summary="Subscribe")  # fmt: skip
async def create_webhook(request: Asked, services: Services) -> Response[NewSubscriptionView]:
    """A URL that is told of moves into these states, or all; its secret is in this answer and nowhere else."""
    new = decode_body(await body_of(request), _new)
    try:
        await checked_addresses(new.url, allow_local=services.local)
    except AddressRefused as error:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("url", f"is refused: {error}")]) from None
    actor, now_us = request.user.actor, services.clock.now_us()

    def make(transaction: StoreTransaction) -> Subscription:
        made = services.subscriptions.create(transaction, new.url, new.states, now_us)
        record(
            transaction,
            at_us=now_us,
            actor=actor,
            action="webhook.created",
            object_type="webhook",
            object_id=made.id,
        )
        return made

    try:
        made = await services.store.write(make)
    except SubscriptionInvalid as error:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem(error.field, error.reason)]) from None
    return Response(NewSubscriptionView(secret=made.secret, **_fields(made)), status_code=CREATED)


@patch("/api/webhooks/{webhook_id:str}", guards=MANAGES, operation_id="changeWebhook", tags=["webhooks"],
       summary="Stop or resume telling")  # fmt: skip
async def change_webhook(webhook_id: FromPath[str], request: Asked, services: Services) -> SubscriptionView:
    """What it missed meanwhile is not told later."""
    changed = decode_body(await body_of(request), _changed)
    return SubscriptionView(
        **_fields(await _act(request, services, webhook_id, "webhook.changed", changed.active))
    )


@delete("/api/webhooks/{webhook_id:str}", guards=MANAGES, status_code=204, operation_id="deleteWebhook",
        tags=["webhooks"], summary="Unsubscribe")  # fmt: skip
async def delete_webhook(webhook_id: FromPath[str], request: Asked, services: Services) -> None:
    """For good."""
    await _act(request, services, webhook_id, "webhook.deleted", None)


@post("/api/webhooks/{webhook_id:str}/test", guards=MANAGES, status_code=202, operation_id="testWebhook",
      tags=["webhooks"], summary="Try a subscription")  # fmt: skip
async def try_webhook(webhook_id: FromPath[str], request: Asked, services: Services) -> dict[str, str]:
    """It gets an event of type `message.test`, through the queue like every other."""
    id_, now_us = new_id(), services.clock.now_us()

    def tell(transaction: StoreTransaction) -> bool:
        found = services.subscriptions.find(transaction, webhook_id)
        if found is None:
            return False
        services.announcer.tell(transaction, found, id_, {"type": "message.test", "atUs": now_us, "data": {}})
        return True

    if not await services.store.write(tell):
        raise _unknown()
    return {"eventId": id_, "status": "queued"}


HANDLERS: Final = (list_webhooks, create_webhook, change_webhook, delete_webhook, try_webhook)


async def _act(
    request: Asked, services: WebServices, webhook_id: str, action: str, active: bool | None
) -> Subscription:
    actor, now_us = request.user.actor, services.clock.now_us()

    def act(transaction: StoreTransaction) -> Subscription | None:
        found = services.subscriptions.find(transaction, webhook_id)
        if found is None:
            return None
        if active is None:
            services.subscriptions.delete(transaction, webhook_id)
        else:
            services.subscriptions.activate(transaction, webhook_id, active)
        record(
            transaction, at_us=now_us, actor=actor, action=action, object_type="webhook", object_id=webhook_id,
            details={} if active is None else {"active": active},
        )  # fmt: skip
        return services.subscriptions.find(transaction, webhook_id) or found

    found = await services.store.write(act)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Refusal:
    return Refusal(NOT_FOUND, "There is no webhook with that id.")


def _fields(one: Subscription) -> dict[str, Any]:
    return {
        "webhook_id": one.id, "url": one.url, "states": one.states, "active": one.active,
        "created_at": to_datetime(one.created_us), "code": one.code, "succeeded_at": moment(one.succeeded_us),
        "failed_at": moment(one.failed_us),
    }  # fmt: skip
