"""Subscribers: told by signed requests, tried again, and no way into our own network (subscribers/)."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from postroom.delivery.testing import Answer, HangUp, Loopback, Request
from postroom.queues.testing import VirtualClock
from postroom.subscribers import AddressRefused, checked_addresses
from postroom.subscribers.addresses import is_public

EMAIL = {
    "channel": "email",
    "messageId": "e-1",
    "recipient": "patient@example.com",
    "subject": "S",
    "content": "CaNaRy",
}


class Subscriber:
    """An endpoint that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer | HangUp] = []
        self.loopback = Loopback(self.answer)

    async def answer(self, request: Request) -> Answer | HangUp:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else Answer(204)


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    made = Subscriber()
    async with made.loopback:
        yield made


async def subscribed(service: Any, subscriber: Subscriber, **body: Any) -> dict[str, Any]:
    answer = await service.ask("POST", "/api/webhooks", {"url": f"{subscriber.loopback.url}/hook", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sent(service: Any, clock: VirtualClock) -> None:
    await service.ask("POST", "/api/messages", EMAIL, by="ben")
    await service.do("/api/messages/e-1/send", {}, by="ben")
    await clock.advance(10)


async def test_subscriber_is_told_and_can_verify_it(
    serving: Any, clock: VirtualClock, subscriber: Subscriber
) -> None:
    """By the library of Standard Webhooks; ids and states, no content."""
    async with serving() as service:
        made = await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)

        (request,) = subscriber.requests
        moment = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        expected = Webhook(made["secret"]).sign(request.headers["webhook-id"], moment, request.body.decode())
        assert request.headers["webhook-signature"] == expected
        told = json.loads(request.body)
        assert (told["type"], told["data"]["messageId"]) == ("message.sent", "e-1")
        assert "CaNaRy" not in str(subscriber.requests)
        assert "secret" not in str((await service.get("/api/webhooks"))["webhooks"][0])


async def test_subscriber_that_fails_is_tried_again_under_the_same_id(
    serving: Any, clock: VirtualClock, subscriber: Subscriber
) -> None:
    """After what it asks for, or a wait that grows."""
    subscriber.answers = [Answer(503, b"", (("retry-after", "30"),)), HangUp()]
    async with serving() as service:
        await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)
        assert len(subscriber.requests) == 1
        await clock.advance(600)

        assert [one.headers["webhook-id"] for one in subscriber.requests] == [
            subscriber.requests[0].headers["webhook-id"]
        ] * 3
        assert (await service.get("/api/webhooks"))["webhooks"][0]["code"] == "204"


async def test_subscriber_that_is_down_for_a_night_misses_nothing(
    serving: Any, clock: VirtualClock, subscriber: Subscriber
) -> None:
    """It is tried for more than a day, and then the event is a dead letter."""
    subscriber.answers = [Answer(500)] * 7
    async with serving() as service:
        await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)
        await clock.advance(36 * 3600)

        assert (await service.get("/api/webhooks"))["webhooks"][0]["code"] == "204"
        assert len({one.headers["webhook-id"] for one in subscriber.requests}) == 1
        assert (
            len({one.headers["webhook-timestamp"] for one in subscriber.requests})
            == len(subscriber.requests)
            == 8
        )

        subscriber.answers = [Answer(500)] * 8
        await service.ask("POST", "/api/messages", {**EMAIL, "messageId": "e-2"}, by="ben")
        await service.do("/api/messages/e-2/send", {}, by="ben")
        await clock.advance(36 * 3600)

        assert len(subscriber.requests) == 16
        failed = await service.get("/api/jobs?type=webhook_post&status=failed")
        assert "gave up after 8 tries" in failed["jobs"][0]["reason"]


async def test_answer_without_an_end_is_not_read(
    serving: Any, clock: VirtualClock, subscriber: Subscriber
) -> None:
    """What counts is its status."""
    subscriber.answers = [Answer(200, b"x" * 50_000_000)]
    async with serving() as service:
        await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)

        assert (await service.get("/api/webhooks"))["webhooks"][0]["code"] == "200"


async def test_gone_ends_the_subscription(serving: Any, clock: VirtualClock, subscriber: Subscriber) -> None:
    """410, and nothing is told any more."""
    subscriber.answers = [Answer(410)]
    async with serving() as service:
        await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)

        assert (await service.get("/api/webhooks"))["webhooks"][0]["active"] is False


async def test_redirect_is_not_followed(serving: Any, clock: VirtualClock, subscriber: Subscriber) -> None:
    """It could lead anywhere."""
    subscriber.answers = [Answer(302, b"", (("location", f"{subscriber.loopback.url}/other"),))]
    async with serving() as service:
        await subscribed(service, subscriber, states=["sent"])
        await sent(service, clock)

        assert {one.target for one in subscriber.requests} == {"/hook"}


@pytest.mark.parametrize("url", [
    "http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/x",
    "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/",
    "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/", "https://u:p@example.com/", "https://0x7f.1/",
    "https:///x", "ftp://example.com/",
])  # fmt: skip
async def test_our_own_network_is_out_of_reach(url: str) -> None:
    """By whatever spelling of an address."""
    with pytest.raises(AddressRefused):
        await checked_addresses(url)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_public(address: str) -> None:
    """So that subscribers can be reached at all."""
    assert is_public(address)
