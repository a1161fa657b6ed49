"""`/debug/delivery-status`, `-delivery-test`, `-webhook-test` and `/debug/sentry`: trying the way out and back."""

import hmac
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from postroom.accounts import Permission
from postroom.delivery import WebhookMalformed
from postroom.delivery.webhooks import Received
from postroom.delivery.webhooks.generic import HEADER
from postroom.kit.clock import MICROSECOND
from postroom.kit.ids import new_id
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.debug.sending import EMAIL_TO
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Refusal
from postroom.web.services import WebServices

TRIES: Final = [needs(Permission.DEBUG)]
"""An administrator's business outside the local environment, where everybody is one."""
RECEIVER: Final = "delivery"


class WebhookTest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which message, by default the one that was sent last, and what to say of it."""

    message_id: str | None = None
    status: str = "delivered"


_test = msgspec.json.Decoder(WebhookTest)


@get(
    "/debug/delivery-status",
    guards=TRIES,
    operation_id="deliveryStatus",
    tags=["debug"],
    summary="How delivery is doing",
)
async def delivery_status(services: Services) -> dict[str, Any]:
    """Messages by state, providers, and webhooks that wait or were not understood."""
    now_us = services.clock.now_us()

    def look(transaction: StoreTransaction) -> dict[str, Any]:
        counts = {row["status"]: row["count"] for row in transaction.all("count_messages")}
        inbox = transaction.one("count_webhooks") or {}
        return {
            "messages": counts,
            "providers": msgspec.to_builtins(services.router.health(transaction, now_us)),
            "webhooks": {"waiting": inbox.get("waiting") or 0, "notUnderstood": inbox.get("problems") or 0},
            "receivers": sorted(services.inbox.receivers),
        }

    return await services.store.read(look)


@post(
    "/debug/delivery-test", guards=TRIES, status_code=202, operation_id="deliveryTest", tags=["debug"],
    summary="Send one email to nobody",
)  # fmt: skip
async def delivery_test(request: Asked, services: Services) -> dict[str, str]:
    """To test@example.com, through the providers that are configured."""
    return await _send_test(request, services)


@get(
    "/debug/delivery-test", guards=TRIES, status_code=202, operation_id="deliveryTestByGet", tags=["debug"],
    summary="Send one email to nobody",
)  # fmt: skip
async def delivery_test_by_get(request: Asked, services: Services) -> dict[str, str]:
    """The same, for a bare `curl`."""
    return await _send_test(request, services)


@post(
    "/debug/webhook-test", guards=TRIES, status_code=202, operation_id="webhookTest", tags=["debug"],
    summary="A signed callback about a message",
)  # fmt: skip
async def webhook_test(request: Asked, services: Services) -> dict[str, str]:
    """As a provider would post it to /webhooks/delivery: signed, verified, stored, and understood by the consumer."""
    body = await body_of(request)
    return await _call_back(services, decode_body(body, _test) if body.strip() else WebhookTest())


@get(
    "/debug/webhook-test", guards=TRIES, status_code=202, operation_id="webhookTestByGet", tags=["debug"],
    summary="A signed callback about a message",
)  # fmt: skip
async def webhook_test_by_get(
    services: Services,
    message_id: Annotated[
        str | None, QueryParameter(name="messageId", description="By default the one that was sent last.")
    ] = None,
    status: Annotated[str, QueryParameter(description="What to say of it.")] = "delivered",
) -> dict[str, str]:
    """The same, for a bare `curl`."""
    return await _call_back(services, WebhookTest(message_id, status))


@get("/debug/sentry", guards=TRIES, operation_id="debugSentry", tags=["debug"], summary="Try error reporting")
async def debug_sentry(services: Services) -> dict[str, str]:
    """Raises an error that is reported to Sentry, where it is configured; its id is in the answer."""
    if services.report is None:
        return {"status": "not configured", "hint": "set SENTRY_DSN"}
    return {
        "status": "reported",
        "eventId": services.report(RuntimeError("a test of error reporting")) or "none",
    }


HANDLERS: Final = (
    delivery_status, delivery_test, delivery_test_by_get, webhook_test, webhook_test_by_get, debug_sentry,
)  # fmt: skip


async def _send_test(request: Asked, services: WebServices) -> dict[str, str]:
    message_id = f"test-delivery-{new_id()}"
    entry = services.producer.prepare(
        {"type": "email_send", "messageId": message_id, "recipient": EMAIL_TO, "subject": "Postroom test",
         "content": "The delivery works.", "priority": "high"}
    )  # fmt: skip
    (done,) = await services.producer.enqueue_prepared([entry], actor=request.user.actor)
    return {"messageId": message_id, "jobId": done.job_id, "follow": f"/api/messages/{message_id}/events"}


async def _call_back(services: WebServices, wanted: WebhookTest) -> dict[str, str]:
    receiver = services.inbox.receivers.get(RECEIVER)
    if receiver is None or services.webhook_secret is None:
        raise Refusal(
            NOT_FOUND, "The webhook `delivery` is not configured; set POSTROOM_WEBHOOKS=delivery=SECRET."
        )
    message_id = await _about(services, wanted.message_id)
    body = msgspec.json.encode({"messageId": message_id, "status": wanted.status, "eventId": new_id()})
    stamp = str(services.clock.now_us() // MICROSECOND)
    digest = hmac.digest(services.webhook_secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    received = Received("POST", "/webhooks/delivery", {HEADER: f"t={stamp},v1={digest}"}, body)
    await receiver.verify(received)
    try:
        receiver.parse(received)
    except WebhookMalformed as error:
        raise Refusal(REQUEST_INVALID, f"{error}.") from None
    stored = await services.inbox.put(RECEIVER, received)
    return {"webhookId": stored, "messageId": message_id, "status": "stored"}


async def _about(services: WebServices, message_id: str | None) -> str:
    """The message that a callback is to be about; raises Refusal."""
    if message_id is None:
        found = await services.store.read(lambda t: t.one("last_sent_message"))
        reason = "is needed: nothing has been sent yet; POST /debug/delivery-test sends something"
    else:
        found = await services.store.read(lambda t: t.one("find_message_state", id=message_id))
        reason = "is the id of no message"
    if found is None:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("messageId", reason)])
    return message_id or str(found["id"])
