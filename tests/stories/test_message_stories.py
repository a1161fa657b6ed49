"""Stories of messages from the first word to the proof of delivery, by the API that everybody uses."""

import hmac
from typing import Any
from urllib.parse import urlencode

import pytest
from vonage_http_client.auth import Auth

from postroom.delivery.testing import (
    AcceptAndHangUp,
    Answer,
    HangUp,
    Reply,
    ResendDouble,
    SendGridDouble,
    TwilioDouble,
    VonageDouble,
)
from postroom.queues.testing import VirtualClock
from postroom.wiring import web_services

TEXT = {"channel": "sms", "messageId": "m-1", "recipient": "+14155552671", "content": "Tomorrow at 2 pm."}
EMAIL = {
    "channel": "email", "messageId": "e-1", "recipient": "patient@example.com", "subject": "Your appointment",
    "content": "Tomorrow at 2 pm.", "healthData": False,
}  # fmt: skip


def twilio(double: TwilioDouble) -> dict[str, str]:
    url = f"twilio://{double.account}:{double.token}@?from=%2B15005550006&phi=yes&wait=600&base={double.url}"
    return {"sms_providers": url, "webhooks": f"twilio={double.token}"}


async def through_review(service: Any, draft: dict[str, Any]) -> None:
    assert (await service.ask("POST", "/api/messages", draft, by="anna")).status_code == 201
    await service.do(f"/api/messages/{draft['messageId']}/submit", by="anna")
    approved = await service.do(f"/api/messages/{draft['messageId']}/approve", by="ben")
    assert approved.status_code == 200, approved.text


async def test_drafted_reviewed_sent_delivered(serving: Any, clock: VirtualClock) -> None:
    """Twilio takes it; its callbacks come twice and out of order, and prove delivery once."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        await through_review(service, TEXT)
        await clock.advance(5)
        assert await service.status("m-1") == "sent"
        (message,) = double.messages

        for status in ("delivered", "sent", "delivered", "queued"):
            assert await service.callback(*double.callback(message, status)) == 202
        await clock.advance(2)

        assert await service.status("m-1") == "delivered"
        timeline = await service.get("/api/messages/m-1/events?limit=100")
        moves = [(one["before"], one["after"]) for one in timeline["events"] if one["kind"] == "moved"]
        assert moves == [
            ("draft", "pending_review"), ("pending_review", "queued"), ("queued", "processing"), ("processing", "sent"),
            ("sent", "delivered"),
        ]  # fmt: skip
        assert timeline["deliveries"][0]["providerId"] == message["sid"]
        assert (await service.get("/api/audit/verify", by="adam"))["broken"] is None


async def test_rejected_edited_and_sent(serving: Any, clock: VirtualClock) -> None:
    """The reviewer says why; the author sees it, mends it, and it goes out."""
    async with serving() as service:
        await service.ask("POST", "/api/messages", EMAIL, by="anna")
        await service.do("/api/messages/e-1/submit", by="anna")
        await service.do("/api/messages/e-1/reject", {"note": "Name the room."}, by="ben")
        assert (await service.get("/api/messages/e-1/content", by="anna"))["reviewNote"] == "Name the room."

        await service.ask("PATCH", "/api/messages/e-1", {"content": "Room 4, 2 pm."}, by="anna", if_match="*")
        await service.do("/api/messages/e-1/submit", by="anna")
        own = await service.do("/api/messages/e-1/approve", by="anna")
        await service.do("/api/messages/e-1/approve", by="dora")
        await clock.advance(5)

        assert own.status_code == 403
        assert await service.status("e-1") == "sent"


async def test_scheduled_in_the_recipient_s_zone(serving: Any, clock: VirtualClock) -> None:
    """At nine in Berlin, put off by the quiet hours of an earlier plan."""
    async with serving(quiet_hours="email=21:00-08:00") as service:
        await service.ask("POST", "/api/messages", {**EMAIL, "zone": "Europe/Berlin"}, by="anna")
        planned = await service.do(
            "/api/messages/e-1/schedule", {"sendAt": "2026-01-06T03:00", "zone": "Europe/Berlin"}, by="anna"
        )
        assert planned.json()["scheduledFor"] == "2026-01-06T02:00:00Z"
        await service.do("/api/messages/e-1/submit", by="anna")
        assert (await service.do("/api/messages/e-1/approve", by="ben")).json()["status"] == "scheduled"

        await clock.advance(18 * 3600)
        assert await service.status("e-1") == "scheduled"
        await clock.advance(6 * 3600)

        assert await service.status("e-1") == "sent"


async def test_failover_to_the_next_provider(serving: Any, clock: VirtualClock) -> None:
    """The first one's quota is used up; the second takes it, and its webhook proves delivery."""
    async with ResendDouble() as first, SendGridDouble() as second:
        first.script(Reply(429, {"name": "daily_quota_exceeded"}))
        providers = (
            f"resend://{first.key}@?phi=yes&base={first.url} sendgrid://{second.key}@?base={second.url}"
        )
        async with serving(email_providers=providers, webhooks=f"sendgrid={second.public_key}") as service:
            await through_review(service, EMAIL)
            await clock.advance(5)
            (message,) = second.messages
            headers, body = second.signed(
                [second.event(message, "delivered")], at=clock.now_us() // 1_000_000
            )

            assert await service.callback("/webhooks/sendgrid", headers, body) == 202
            await clock.advance(2)

            timeline = await service.get("/api/messages/e-1/events?limit=100")
            assert [(one["provider"], one["state"]) for one in timeline["deliveries"]] == [
                ("resend", "failed"), ("sendgrid", "delivered"),
            ]  # fmt: skip
            assert await service.status("e-1") == "delivered"


async def test_health_data_does_not_go_where_it_may_not(serving: Any, clock: VirtualClock) -> None:
    """Not even when nobody else can have it."""
    async with (
        SendGridDouble() as double,
        serving(email_providers=f"sendgrid://{double.key}@?base={double.url}") as service,
    ):
        await through_review(service, {**EMAIL, "healthData": True})
        await clock.advance(3600)

        found = await service.get("/api/messages/e-1")
        assert (found["status"], found["code"], double.requests) == ("failed", "health_data", [])


async def test_bounced_and_suppressed(serving: Any, clock: VirtualClock) -> None:
    """A hard bounce ends writing to that address, by any provider, until somebody lifts it."""
    async with SendGridDouble() as double:
        settings = {"email_providers": f"sendgrid://{double.key}@?base={double.url}"}
        async with serving(**settings, webhooks=f"sendgrid={double.public_key}") as service:
            await through_review(service, EMAIL)
            await clock.advance(5)
            event = double.event(double.messages[0], "bounce", type="bounce", status="5.1.1")
            headers, body = double.signed([event], at=clock.now_us() // 1_000_000)
            await service.callback("/webhooks/sendgrid", headers, body)
            await clock.advance(2)
            assert await service.status("e-1") == "bounced"

            await through_review(service, {**EMAIL, "messageId": "e-2"})
            await clock.advance(5)

            assert await service.status("e-2") == "failed"
            assert len(double.messages) == 1
            (entry,) = (await service.get("/api/suppressions", by="ben"))["suppressions"]
            assert "patient" not in str(entry)


async def test_stop_is_heard_and_start_again(serving: Any, clock: VirtualClock) -> None:
    """A person who writes STOP gets no more text messages, until START."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        await service.callback(
            *double.inbound("https://postroom.example.org/webhooks/twilio", TEXT["recipient"], "Stop!")
        )
        await clock.advance(2)
        await through_review(service, TEXT)
        await clock.advance(5)
        assert await service.status("m-1") == "failed"

        await service.callback(
            *double.inbound("https://postroom.example.org/webhooks/twilio", TEXT["recipient"], "START")
        )
        await clock.advance(2)
        await through_review(service, {**TEXT, "messageId": "m-2"})
        await clock.advance(5)

        assert await service.status("m-2") == "sent"
        assert len(double.messages) == 1


async def test_words_are_answered_where_answers_are_configured(serving: Any, clock: VirtualClock) -> None:
    """STOP, START and HELP, once each, in spite of the opt-out; two machines that answer one another come to an end."""
    answers = {
        "answer_stop": "You get no more.",
        "answer_start": "Welcome back.",
        "answer_help": "Call 555 0100.",
    }
    url = "https://postroom.example.org/webhooks/twilio"
    async with TwilioDouble() as double, serving(**twilio(double), **answers) as service:

        async def write(text: str) -> None:
            await service.callback(*double.inbound(url, TEXT["recipient"], text))
            await clock.advance(5)

        for text in ("Help", "Stop!", "thank you", "START"):
            await write(text)
        assert [one["body"] for one in double.messages] == [
            "Call 555 0100.",
            "You get no more.",
            "Welcome back.",
        ]
        assert {one["to"] for one in double.messages} == {TEXT["recipient"]}

        for _ in range(9):
            await write("HELP")
        assert len(double.messages) == 5

        await write("STOP")
        await through_review(service, TEXT)
        await clock.advance(5)
        assert await service.status("m-1") == "failed"
        (first, *_) = (await service.get("/api/messages?status=sent"))["messages"]
        assert (first["author"], first["priority"]) == (None, "high")


async def test_nobody_is_answered_by_default(serving: Any, clock: VirtualClock) -> None:
    """Providers do that by themselves, until it is turned off there."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        url = "https://postroom.example.org/webhooks/twilio"
        await service.callback(*double.inbound(url, TEXT["recipient"], "HELP"))
        await clock.advance(60)

        assert double.messages == []


async def test_every_night_providers_are_asked(serving: Any, clock: VirtualClock) -> None:
    """About what is unproven and what has been given up as unconfirmed, by one job for the whole fleet."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        await through_review(service, TEXT)
        await through_review(service, {**TEXT, "messageId": "m-2"})
        await clock.advance(40 * 3600)
        await service.app.reconciler.look()
        assert {await service.status(one) for one in ("m-1", "m-2")} == {"unconfirmed"}
        double.messages[0]["status"] = "delivered"

        assert (await service.ask("POST", "/api/schedules/housekeeping/run")).status_code < 300
        await clock.advance(30)

        assert await service.status("m-1") == "delivered"
        assert await service.status("m-2") == "unconfirmed"
        (job,) = (await service.get("/api/jobs?type=reconciliation"))["jobs"]
        assert job["status"] == "done"


async def test_lost_answer_resolved_by_callback(serving: Any, clock: VirtualClock) -> None:
    """Twilio took it, the answer was lost: the callback brings our token back, and nothing is sent twice."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        double.script(AcceptAndHangUp())
        await through_review(service, TEXT)
        await clock.advance(5)
        assert await service.status("m-1") == "retry_scheduled"

        await service.callback(*double.callback(double.messages[0], "delivered"))
        await clock.advance(3600)

        found = await service.get("/api/messages/m-1")
        assert (found["status"], found["possibleDuplicate"], len(double.messages)) == ("delivered", False, 1)


async def test_lost_answer_resolved_by_asking(serving: Any, clock: VirtualClock) -> None:
    """No callback comes: Twilio is asked before anything else is done."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        double.script(AcceptAndHangUp())
        await through_review(service, TEXT)
        await clock.advance(5)
        double.messages[0]["status"] = "sent"

        await clock.advance(3600)

        assert (await service.status("m-1"), len(double.messages)) == ("sent", 1)


async def test_delivery_that_nobody_proves_is_asked_about(serving: Any, clock: VirtualClock) -> None:
    """After 36 hours Twilio is asked: one was delivered and the callback lost, of the other it knows no more than we."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        await through_review(service, TEXT)
        await through_review(service, {**TEXT, "messageId": "m-2"})
        await clock.advance(5)
        double.messages[0]["status"], double.messages[1]["status"] = "delivered", "sent"

        assert await service.app.reconciler.look() == 0
        await clock.advance(37 * 3600)
        assert await service.app.reconciler.look() == 1

        states = {await service.status("m-1"), await service.status("m-2")}
        assert states == {"delivered", "unconfirmed"}


async def test_callback_before_our_own_answer(serving: Any, clock: VirtualClock) -> None:
    """An event that matches nothing yet is kept, and matched when the call is concluded."""
    async with SendGridDouble() as double:
        settings = {"email_providers": f"sendgrid://{double.key}@?base={double.url}"}
        async with serving(**settings, webhooks=f"sendgrid={double.public_key}") as service:
            early = {
                "event": "delivered",
                "sg_event_id": "early",
                "sg_message_id": "x.filter",
                "timestamp": 1,
                "email": "a@b.c",
            }
            headers, body = double.signed([early], at=clock.now_us() // 1_000_000)
            assert await service.callback("/webhooks/sendgrid", headers, body) == 202
            await clock.advance(2)

            double.script(Reply(202, None, (("x-message-id", "x"),)))
            await through_review(service, EMAIL)
            await clock.advance(5)

            assert await service.status("e-1") == "delivered"


async def test_forged_and_unknown_webhooks(serving: Any, clock: VirtualClock) -> None:
    """403, 404; what is verified and cannot be understood is kept for a person."""
    async with TwilioDouble() as double, serving(**twilio(double)) as service:
        url, headers, body = double.signed(
            "https://postroom.example.org/webhooks/twilio", {"MessageSid": "SM1", "MessageStatus": "odd"}
        )

        assert await service.callback(url, {**headers, "x-twilio-signature": "x"}, body) == 403
        assert await service.callback("/webhooks/mailgun", headers, body) == 404
        assert await service.callback(url, headers, body) == 202
        await clock.advance(2)

        status = await service.get("/debug/delivery-status")
        assert status["webhooks"] == {"waiting": 0, "notUnderstood": 1}


async def test_portal_message_is_read_behind_its_link(serving: Any, clock: VirtualClock) -> None:
    """The email says nothing of the content; the reading proves delivery and is on record."""
    async with (
        SendGridDouble() as double,
        serving(email_providers=f"sendgrid://{double.key}@?base={double.url}") as service,
    ):
        await through_review(
            service,
            {
                **EMAIL,
                "channel": "portal",
                "messageId": "p-1",
                "healthData": True,
                "content": "HbA1c is 5.4.",
            },
        )
        await clock.advance(5)
        notice = double.messages[0]["content"][0]["value"]
        path = notice.partition("https://postroom.example.org")[2]
        assert "HbA1c" not in str(double.messages)

        cover = await service.ask("GET", path)
        assert "HbA1c" not in cover.text
        assert await service.status("p-1") == "sent"
        page = await service.ask("POST", path)

        assert "HbA1c is 5.4." in page.text
        assert await service.status("p-1") == "delivered"
        assert (await service.ask("POST", path[:-1] + "x")).status_code == 404
        trail = await service.get("/api/audit?action=message.viewed", by="adam")
        assert [one["actor"] for one in trail["entries"]] == ["recipient"]


async def test_unsubscribing_by_one_click(serving: Any, clock: VirtualClock) -> None:
    """GET changes nothing; POST ends that topic and leaves other mail alone."""
    async with (
        SendGridDouble() as double,
        serving(email_providers=f"sendgrid://{double.key}@?base={double.url}") as service,
    ):
        await through_review(service, {**EMAIL, "topic": "newsletter"})
        await clock.advance(5)
        link = (
            double.messages[0]["headers"]["List-Unsubscribe"]
            .strip("<>")
            .removeprefix("https://postroom.example.org")
        )
        assert double.messages[0]["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

        assert (await service.ask("GET", link)).status_code == 200
        await through_review(service, {**EMAIL, "messageId": "e-2", "topic": "newsletter"})
        await clock.advance(5)
        assert await service.status("e-2") == "sent"
        click = await service.ask(
            "POST", link, b"List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )
        await through_review(service, {**EMAIL, "messageId": "e-3", "topic": "newsletter"})
        await through_review(service, {**EMAIL, "messageId": "e-4"})
        await clock.advance(5)

        assert click.status_code == 200
        assert (await service.status("e-3"), await service.status("e-4")) == ("failed", "sent")


async def test_template_with_variables(serving: Any, clock: VirtualClock) -> None:
    """Published once, filled in by whoever writes; the rendered content is what is approved."""
    async with serving() as service:
        made = await service.ask("POST", "/api/templates", {
            "templateId": "reminder", "channel": "email", "subject": "Your appointment", "content": "Dear {{ name }}, it is on {{ day }}.",
            "variables": [{"name": "name", "sample": "Ms Doe"}, {"name": "day", "type": "date", "sample": "2026-02-01"}],
        }, by="ben")  # fmt: skip
        assert made.status_code == 201, made.text
        draft = {
            "channel": "email",
            "messageId": "t-1",
            "recipient": "patient@example.com",
            "template": "reminder",
        }

        wrong = await service.ask(
            "POST", "/api/messages", {**draft, "variables": {"name": "Mr Roe"}}, by="anna"
        )
        right = await service.ask(
            "POST",
            "/api/messages",
            {**draft, "variables": {"name": "Mr Roe", "day": "2026-02-03"}},
            by="anna",
        )

        assert wrong.status_code == 422
        assert right.json()["template"] == "reminder"
        assert "Mr Roe" in (await service.get("/api/messages/t-1/content", by="anna"))["content"]


async def test_debug_endpoints_walk_the_way_out_and_back(serving: Any, clock: VirtualClock) -> None:
    """As the reference system has them."""
    async with serving() as service:
        tested = (await service.ask("POST", "/debug/delivery-test")).json()
        await clock.advance(5)
        hook = await service.ask("POST", "/debug/webhook-test", {"messageId": tested["messageId"]})
        await clock.advance(2)

        assert hook.status_code == 202
        assert await service.status(tested["messageId"]) == "delivered"
        assert (await service.get("/debug/audit-trail"))["entries"]


async def test_idempotency_key_drafts_once(serving: Any) -> None:
    """The same POST again gets the first answer; another under the same key is refused."""
    async with serving() as service:
        draft = {key: value for key, value in EMAIL.items() if key != "messageId"}
        first = await service.ask("POST", "/api/messages", draft, by="anna", idempotency_key="k-1")
        again = await service.ask("POST", "/api/messages", draft, by="anna", idempotency_key="k-1")
        other = await service.ask(
            "POST", "/api/messages", {**draft, "content": "x"}, by="anna", idempotency_key="k-1"
        )

        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert other.status_code == 422
        assert len((await service.get("/api/messages"))["messages"]) == 1


async def test_own_vocabulary_that_makes_no_sense_is_refused(serving: Any, clock: VirtualClock) -> None:
    """Signed junk is told to whoever integrates us, field by field, and is not stored."""
    async with serving() as service:
        secret = web_services(service.app).webhook_secret
        for body in (b"junk", b"{}", b'{"messageId":"x","status":"odd"}', b"[1]", b"\xff"):
            digest = hmac.digest(secret.encode(), body, "sha256").hex()
            answer = await service.ask(
                "POST", "/webhooks/delivery", body, x_webhook_signature=f"sha256={digest}"
            )
            assert answer.status_code == 422, answer.text
        status = await service.get("/debug/delivery-status")
        assert status["webhooks"] == {"waiting": 0, "notUnderstood": 0}


@pytest.mark.parametrize(("arrived", "state"), [(True, "delivered"), (False, "failed")])
async def test_person_resolves_what_nobody_knew(
    serving: Any, clock: VirtualClock, arrived: bool, state: str
) -> None:
    """The patient was asked: a reviewer says what became of it, and it is on record whose word that is."""
    async with TwilioDouble() as double:
        url = twilio(double)["sms_providers"].replace("wait=600", "wait=0")
        async with serving(sms_providers=url, webhooks=f"twilio={double.token}") as service:
            double.script(*[HangUp()] * 9)
            await through_review(service, {**TEXT, "policy": "at_most_once"})
            double.other = lambda request: Answer(500)  # type: ignore[method-assign]
            await clock.advance(3600)
            assert await service.status("m-1") == "uncertain"

            staff = await service.do("/api/messages/m-1/resolve", {"arrived": arrived}, by="anna")
            done = await service.do(
                "/api/messages/m-1/resolve", {"arrived": arrived, "note": "rang up"}, by="ben"
            )

            assert (staff.status_code, done.json()["status"]) == (403, state)
            (entry,) = (await service.get("/api/audit?action=message.resolved", by="adam"))["entries"]
            assert (entry["actor"], entry["details"]) == ("ben", {"arrived": arrived})


async def test_numbers_in_a_callback_s_url_are_sealed(serving: Any, clock: VirtualClock) -> None:
    """Vonage may call back by GET: what it tells is stored like a body."""
    async with VonageDouble() as double:
        url = f"vonage://{double.key}:{double.secret}@?from=Praxis&phi=yes&base={double.url}"
        keys = "k1:" + "ab" * 32
        async with serving(
            sms_providers=url, webhooks=f"vonage={double.signature_secret}", encryption_keys=keys
        ) as service:
            await through_review(service, TEXT)
            await clock.advance(5)
            entry = {
                **double.receipt(double.messages[0], "delivered"),
                "timestamp": str(clock.now_us() // 1_000_000),
            }
            auth = Auth(api_key="k", signature_secret=double.signature_secret, signature_method="sha256")
            entry["sig"] = auth.sign_params({**entry})

            assert (await service.ask("GET", f"/webhooks/vonage?{urlencode(entry)}")).status_code == 202
            await clock.advance(2)

            assert await service.status("m-1") == "delivered"
            cutoff = 1 << 62
            stored = await service.app.store.read(
                lambda t: t.all("old_webhooks", after=0, limit=9, cutoff_us=cutoff)
            )
            assert "14155552671" not in f"{stored}"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_kept_answers_are_sealed(serving: Any) -> None:
    """A preview holds what a message would say; its copy for a second answer is not readable in the file."""
    template = {
        "templateId": "reminder", "channel": "sms", "content": "Dear {{ name }}, tomorrow.",
        "variables": [{"name": "name", "sample": "Ms Doe"}],
    }  # fmt: skip
    async with serving(encryption_keys="k1:" + "ab" * 32) as service:
        await service.ask("POST", "/api/templates", template, by="ben")
        preview = ("POST", "/api/templates/reminder/preview", {"variables": {"name": "Cordelia"}})

        first = await service.ask(*preview, by="anna", idempotency_key="k-1")
        again = await service.ask(*preview, by="anna", idempotency_key="k-1")

        assert "Cordelia" in first.text
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        file = service.app.settings.database_path
        files = [one for one in file.parent.glob(f"{file.name}*") if one.is_file()]
        assert not any(b"Cordelia" in one.read_bytes() for one in files)
