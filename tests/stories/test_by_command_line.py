"""The six stories of a message, each seen by API and by command line on the same database."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from postroom.cli.root import cli
from postroom.delivery.testing import AcceptAndHangUp, Reply, TwilioDouble, VonageDouble
from postroom.queues.testing import VirtualClock

TEXT = {"channel": "sms", "messageId": "m-1", "recipient": "+14155552671", "content": "CaNaRy"}


def providers(first: TwilioDouble, second: VonageDouble) -> dict[str, str]:
    return {
        "sms_providers": f"twilio://{first.account}:{first.token}@?from=%2B15005550006&phi=yes&wait=600&base={first.url} "
        f"vonage://{second.key}:{second.secret}@?from=Praxis&phi=yes&base={second.url}",
        "webhooks": f"twilio={first.token} vonage={second.signature_secret}",
    }


async def reviewed(service: Any, clock: VirtualClock, **fields: Any) -> None:
    draft = {**TEXT, **fields}
    await service.ask("POST", "/api/messages", draft, by="anna")
    await service.do(f"/api/messages/{draft['messageId']}/submit", by="anna")
    await service.do(f"/api/messages/{draft['messageId']}/approve", by="ben")
    await clock.advance(5)


async def delivered(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    await reviewed(service, clock)
    await service.callback(*first.callback(first.messages[0], "delivered"))


async def rejected(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    await service.ask("POST", "/api/messages", TEXT, by="anna")
    await service.do("/api/messages/m-1/submit", by="anna")
    await service.do("/api/messages/m-1/reject", {"note": "Name the room."}, by="ben")


async def scheduled(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    await service.ask("POST", "/api/messages", TEXT, by="anna")
    plan = {"sendAt": "2031-07-01T09:00", "zone": "Europe/Berlin"}
    await service.do("/api/messages/m-1/schedule", plan, by="anna")
    await service.do("/api/messages/m-1/submit", by="anna")
    await service.do("/api/messages/m-1/approve", by="ben")


async def failed_over(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    first.script(Reply(401, {"code": 20003}))
    await reviewed(service, clock)


async def suppressed(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    await reviewed(service, clock, messageId="m-0")
    await service.callback(*first.callback(first.messages[0], "undelivered", 30005))
    await clock.advance(2)
    assert await service.status("m-0") == "bounced"
    await reviewed(service, clock)


async def resolved(service: Any, clock: VirtualClock, first: TwilioDouble, second: VonageDouble) -> None:
    first.script(AcceptAndHangUp())
    await reviewed(service, clock)
    assert await service.status("m-1") == "retry_scheduled"
    await service.callback(*first.callback(first.messages[0], "delivered"))


@pytest.mark.parametrize(("story", "ends", "says"), [
    (delivered, "delivered", "twilio"), (rejected, "rejected", "ben"), (scheduled, "scheduled", "2031-07-01T07:00"),
    (failed_over, "sent", "vonage"), (suppressed, "failed", "suppressed:hard_bounce"), (resolved, "delivered", "unknown"),
], ids=["delivered", "rejected", "scheduled", "failover", "bounced with suppression", "uncertain resolved"])  # fmt: skip
async def test_story_is_seen_both_ways(
    serving: Any,
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    story: Any,
    ends: str,
    says: str,
) -> None:
    """Where it is, what happened, and neither recipient nor content."""
    async with TwilioDouble() as first, VonageDouble() as second:
        settings = providers(first, second)
        async with serving(**settings) as service:
            used = service.app.settings
            await story(service, clock, first, second)
            await clock.advance(5)
            by_api = await service.get("/api/messages/m-1")
            events = (await service.get("/api/messages/m-1/events?limit=100"))["events"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTROOM_DATABASE_URL", used.database_url)
    monkeypatch.setenv("POSTROOM_QUEUE_URL", used.queue_url)
    shown = await asyncio.to_thread(run, "message", "show", "m-1")
    listed = await asyncio.to_thread(run, "message", "list", "--status", ends)

    assert by_api["status"] == ends
    assert f"m-1  sms to +1******2671  {ends}" in shown
    assert says in shown
    assert "m-1" in listed
    assert shown.count("\n20") == len(events)
    assert "CaNaRy" not in f"{shown}{listed}{by_api}{events}"
    assert "4155552671" not in f"{shown}{listed}{by_api}{events}"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    return done.output
