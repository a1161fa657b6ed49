"""Encryption at rest, looked at from outside: after everything has been done, nobody is readable in the files."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from postroom.delivery.testing import AcceptAndReply, Reply, SendGridDouble, TwilioDouble
from postroom.queues.testing import VirtualClock

CANARY = "CaNaRy7Q"
NUMBER = "+14155550187"
ADDRESS = f"{CANARY}@example.com"
KEYS = "k1:" + "ab" * 32


async def everything(service: Any, clock: VirtualClock, texts: TwilioDouble, mails: SendGridDouble) -> None:
    """Every way that a recipient or a content goes."""
    email = {
        "channel": "email",
        "recipient": ADDRESS,
        "subject": CANARY,
        "content": CANARY,
        "healthData": False,
    }
    text = {"channel": "sms", "recipient": NUMBER, "content": CANARY}
    post, by_anna = "POST", {"by": "anna"}
    template = {
        "templateId": "t", "channel": "sms", "content": "Dear {{ name }}",
        "variables": [{"name": "name", "sample": "x"}],
    }  # fmt: skip
    await service.ask(post, "/api/templates", template, by="ben")
    await service.ask(
        post, "/api/templates/t/preview", {"variables": {"name": CANARY}}, idempotency_key="k", **by_anna
    )
    filled = {
        "channel": "sms",
        "messageId": "m-t",
        "recipient": NUMBER,
        "template": "t",
        "variables": {"name": CANARY},
    }
    await service.ask(post, "/api/messages", filled, **by_anna)
    for id_, draft in (("m-1", email), ("m-2", text), ("m-3", {**email, "channel": "portal"}), ("m-4", text)):
        await service.ask(post, "/api/messages", {**draft, "messageId": id_}, idempotency_key=id_, **by_anna)
        await service.ask(
            "PATCH", f"/api/messages/{id_}", {"content": f"{CANARY} again"}, if_match="*", **by_anna
        )
        await service.do(f"/api/messages/{id_}/submit", by="anna")
    await service.do("/api/messages/m-4/reject", {"note": CANARY}, by="ben")
    texts.script(AcceptAndReply(500, {"message": CANARY}))
    for id_ in ("m-1", "m-2", "m-3"):
        await service.do(f"/api/messages/{id_}/approve", {"note": CANARY}, by="ben")
    await clock.advance(5)
    await service.callback(*texts.callback(texts.messages[0], "undelivered", 30005))
    await service.callback(
        *texts.inbound("https://postroom.example.org/webhooks/twilio", NUMBER, f"stop {CANARY}")
    )
    headers, body = mails.signed([mails.event(mails.messages[0], "bounce", type="bounce", reason=CANARY)])
    await service.callback("/webhooks/sendgrid", headers, body)
    for job in (
        {
            "type": "email_send",
            "messageId": "j-1",
            "recipient": ADDRESS,
            "subject": CANARY,
            "content": CANARY,
        },
        {"type": "sms_send", "messageId": "j-2", "recipient": "+14155550188", "content": CANARY},
    ):
        await service.ask(post, "/api/enqueue-job", job, idempotency_key=job["messageId"])
    texts.script(*[Reply(400, {"code": 21617, "message": CANARY})] * 3)
    await service.ask(post, "/api/suppressions", {"recipient": f"x{ADDRESS}", "reason": CANARY}, by="ben")
    for path in ("/api/messages/search", "/api/suppressions/search"):
        await service.ask(post, path, {"recipient": ADDRESS}, by="ben", idempotency_key=path)
    for id_ in ("m-1", "m-2"):
        await service.ask("GET", f"/api/messages/{id_}/content", by="ben")
    await clock.advance(3600)
    link = re.search(r"https://postroom.example.org(/p/\S+)", str(mails.messages))
    if link is not None:
        await service.ask(post, link[1].strip("'\","), b"")
    await clock.advance(3600)


@pytest.fixture
def settings() -> dict[str, str]:
    return {"encryption_keys": KEYS, "answer_stop": "You get no more."}


async def test_nobody_is_readable_in_the_files(
    serving: Any, clock: VirtualClock, tmp_path: Path, settings: dict[str, str]
) -> None:
    """Recipients, subjects, contents, notes, words of replies: not in the database, its journal or the queue."""
    async with TwilioDouble() as texts, SendGridDouble() as mails:
        mails.now = texts.now = lambda: clock.now_us() / 1e6
        twilio = (
            f"twilio://{texts.account}:{texts.token}@?from=%2B15005550006&phi=yes&wait=0&base={texts.url}"
        )
        async with serving(
            **settings, sms_providers=twilio, webhooks=f"twilio={texts.token} sendgrid={mails.public_key}",
            email_providers=f"sendgrid://{mails.key}@?base={mails.url}",
        ) as service:  # fmt: skip
            await everything(service, clock, texts, mails)

            assert (len(texts.messages), len(mails.messages)) >= (1, 2)
            held = await service.app.store.read(_text_of_all)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (CANARY, NUMBER.removeprefix("+"), urlencode({"": ADDRESS}).removeprefix("=")):
        assert secret.encode() not in files
        assert secret not in held


def _text_of_all(transaction: Any) -> str:
    """Everything that the timeline, the trail and the records say, whatever database it is."""
    after = {"after": 0, "limit": 1000}
    rows = transaction.all("scan_audit", **after) + transaction.all("message_events_after", **after)
    return f"{rows}{transaction.all('old_webhooks', cutoff_us=1 << 62, **after)}"
