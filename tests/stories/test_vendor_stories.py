"""Each vendor's double posts its own signed callbacks, over HTTP, as on a bad day: delivery is proved once all the same."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from postroom.delivery.testing import (
    Answer,
    Double,
    Loopback,
    Reports,
    Request,
    ResendDouble,
    SendGridDouble,
    SesDouble,
    TwilioDouble,
    VonageDouble,
)
from postroom.queues.testing import VirtualClock
from postroom.wiring import webhooks

PUBLIC = "https://postroom.example.org"
TEXT = {"channel": "sms", "messageId": "m-1", "recipient": "+14155552671", "content": "Tomorrow at 2 pm."}
EMAIL = {
    "channel": "email", "messageId": "m-1", "recipient": "patient@example.com", "subject": "Your appointment",
    "content": "Tomorrow at 2 pm.",
}  # fmt: skip

VENDORS: dict[str, tuple[Callable[[], Any], tuple[str, ...], Callable[[Any], dict[str, str]]]] = {
    "twilio": (TwilioDouble, ("queued", "sent", "delivered"), lambda one: {
        "sms_providers": f"twilio://{one.account}:{one.token}@?from=%2B15005550006&phi=yes&base={one.url}",
        "webhooks": f"twilio={one.token}"}),
    "vonage": (VonageDouble, ("accepted", "buffered", "delivered"), lambda one: {
        "sms_providers": f"vonage://{one.key}:{one.secret}@?from=Praxis&phi=yes&base={one.url}",
        "webhooks": f"vonage={one.signature_secret}"}),
    "sendgrid": (SendGridDouble, ("processed", "delivered"), lambda one: {
        "email_providers": f"sendgrid://{one.key}@?base={one.url}", "webhooks": f"sendgrid={one.public_key}"}),
    "resend": (ResendDouble, ("sent", "delivered"), lambda one: {
        "email_providers": f"resend://{one.key}@?phi=yes&base={one.url}", "webhooks": f"resend={one.webhook_secret}"}),
    "ses": (SesDouble, ("Send", "Delivery"), lambda one: {
        "email_providers": f"ses://{one.key}:{one.secret}@eu-central-1?phi=yes&base={one.url}",
        "webhooks": f"ses={one.sns.topic}"}),
}  # fmt: skip


@asynccontextmanager
async def on_the_network(service: Any) -> AsyncIterator[str]:
    """The service's API behind a real port."""

    async def handle(request: Request) -> Answer:
        status = await service.callback(request.target, dict(request.headers), request.body)
        return Answer(status)

    async with Loopback(handle) as server:
        yield server.url


@pytest.mark.parametrize("bad_day", [
    {}, {"twice": True}, {"backwards": True}, {"twice": True, "backwards": True, "late_seconds": 0.01},
    {"early": True, "backwards": True},
], ids=["as it should be", "twice", "out of order", "late, twice and out of order", "before the answer"])  # fmt: skip
@pytest.mark.parametrize("vendor", VENDORS)
async def test_delivery_is_proved_whatever_the_day(
    serving: Any, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, vendor: str, bad_day: dict[str, Any]
) -> None:
    """Sent once, delivered once, every callback accepted."""
    make, statuses, settings = VENDORS[vendor]
    async with make() as double:
        if isinstance(double, SesDouble):
            monkeypatch.setattr(webhooks, "fetch", double.sns.fetch)
        async with serving(**settings(double)) as service, on_the_network(service) as url:
            double.now = lambda: clock.now_us() / 1e6
            double.webhook_url = f"{PUBLIC}/webhooks/{vendor}"
            double.reports = Reports(statuses, through=url, **bad_day)
            draft = (
                TEXT if "sms_providers" in settings(double) else {**EMAIL, "healthData": vendor != "sendgrid"}
            )

            await service.ask("POST", "/api/messages", draft, by="anna")
            await service.do("/api/messages/m-1/submit", by="anna")
            await service.do("/api/messages/m-1/approve", by="ben")
            await clock.advance(5)
            await double.postman.done()
            await clock.advance(5)

            await _proved(service, double, len(statuses) * (2 if bad_day.get("twice") else 1))


async def _proved(service: Any, double: Double, callbacks: int) -> None:
    assert double.postman.answers == [202] * callbacks
    assert len(double.messages) == 1
    timeline = await service.get("/api/messages/m-1/events?limit=100")
    moves = [one["after"] for one in timeline["events"] if one["kind"] == "moved"]
    assert moves[-1] == "delivered"
    assert moves.count("delivered") == 1
    assert "sent" in moves or timeline["deliveries"][0]["state"] == "delivered"
