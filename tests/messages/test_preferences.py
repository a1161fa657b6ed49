"""What is asked before a message leaves, and what is learnt from answers, events and words (messages/preferences.py)."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from workflow_support import (
    ACCEPTED,
    BAD_ADDRESS,
    DOWN,
    LATER,
    OPTED_OUT,
    UNKNOWN,
    Open,
    Scripted,
    an_event,
    approved,
    drafted,
    record_of,
    trail,
)

from postroom.delivery import Email, Envelope, Outcome, Verdict
from postroom.delivery.routing import Route
from postroom.kit.actor import Actor
from postroom.kit.clock import to_datetime, to_us
from postroom.messages import MessageRecord
from postroom.messages.preferences import Preferences
from postroom.messages.quiet_hours import read_quiet_hours
from postroom.messages.suppressions import LATEST, Entry, Source, Suppressions, channel_of
from postroom.messages.template_versions import Templates
from postroom.messages.templates import NewTemplate
from postroom.messages.unclear import NoSuchWish, UnclearWish, UnclearWishes
from postroom.messages.wishes import Refused, Wait, Wishes
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.store.vault import MasterKey, Vault
from postroom.wiring import Application

ADDRESS, NUMBER = "patient@example.com", "+12125551234"
NIGHT = read_quiet_hours("21:00-08:00")


class Mind:
    """Preferences over a database of the test's own, sealed with a key."""

    def __init__(self, app: Application, **options: Any) -> None:
        self.app = app
        vault = Vault([MasterKey("1", b"k" * 32)])
        self.ledger = Suppressions(vault)
        self.unclear = UnclearWishes(vault, self.ledger)
        self.of: Wishes = Preferences(self.ledger, self.unclear, Templates(), **options)

    async def do(self, act: Callable[[StoreTransaction, int], Any]) -> Any:
        now_us = self.app.clock.now_us()
        return await self.app.store.write(lambda transaction: act(transaction, now_us))

    async def check(self, record: MessageRecord, at: str | None = None) -> Any:
        now_us = None if at is None else to_us(dt.datetime.fromisoformat(at))
        return await self.do(lambda t, now: self.of.check(t, record, now_us or now))

    async def learn(self, record: MessageRecord, outcome: Outcome) -> None:
        await self.do(lambda t, now_us: self.of.learn(t, record, outcome, "delivery-1", now_us))

    async def learn_event(
        self, address: str, kind: str, record: MessageRecord | None = None, **values: Any
    ) -> None:
        event = an_event(kind, **values)
        await self.do(lambda t, now_us: self.of.learn_event(t, address, record, event, now_us))

    async def hear(self, text: str, address: str = NUMBER, **values: Any) -> None:
        event = an_event("inbound", recipient=address, text=text, **values)
        await self.do(lambda t, now_us: self.of.hear(t, event, now_us))

    async def entries(self) -> list[Entry]:
        return await self.app.store.read(lambda t: self.ledger.page(t, LATEST, 100, history=True))

    async def sources(self) -> list[str]:
        return [one.source for one in await self.entries()]

    async def waiting(self) -> list[UnclearWish]:
        return await self.app.store.read(lambda t: self.unclear.page(t, 0, 100))


@pytest.fixture
def mind(app: Application) -> Mind:
    return Mind(app)


async def an_email(app: Application, **values: Any) -> MessageRecord:
    await drafted(app, **values)
    return await record_of(app)


async def a_text(app: Application, **values: Any) -> MessageRecord:
    return await an_email(app, **{"channel": "sms", "recipient": NUMBER, "subject": None, **values})


async def test_nothing_speaks_against_a_message_at_first(mind: Mind) -> None:
    """At any hour, where no quiet hours are set."""
    assert await mind.check(await an_email(mind.app)) is None


@pytest.mark.parametrize(
    "source", [one for one in Source if one not in (Source.START_KEYWORD, Source.OPT_IN)]
)
async def test_suppressed_address_is_refused_with_its_reason(mind: Mind, source: Source) -> None:
    """The reason names no address."""
    record = await an_email(mind.app)
    await mind.do(
        lambda t, now_us: mind.ledger.suppress(
            t, "email", ADDRESS, None, source, actor=Actor("x"), now_us=now_us
        )
    )

    found = await mind.check(record)

    assert isinstance(found, Refused)
    assert found.code == f"suppressed:{source}"
    assert "@" not in found.reason


@pytest.mark.parametrize(
    ("outcome", "sources"),
    [
        (BAD_ADDRESS, ["hard_bounce"]), (OPTED_OUT, ["provider"]), (ACCEPTED, []), (DOWN, []), (LATER, []), (UNKNOWN, []),
        (Outcome(Verdict.REJECTED_PERMANENT, "550 5.7.1", "refused by policy", suppress=True), []),
        (Outcome(Verdict.REJECTED_PERMANENT, "550 5.7.17", "the mailbox has a new owner", suppress=True), ["hard_bounce"]),
        (Outcome(Verdict.REJECTED_PERMANENT, "552 5.2.2", "full"), []),
    ],
)  # fmt: skip
async def test_answer_of_a_provider_is_learnt_from(mind: Mind, outcome: Outcome, sources: list[str]) -> None:
    """A policy never speaks against the person."""
    await mind.learn(await an_email(mind.app), outcome)

    assert await mind.sources() == sources


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("bounced", {"bounce": "hard", "code": "550 5.1.1"}, [("hard_bounce", "*")]),
        ("bounced", {"suppress": True}, [("hard_bounce", "*")]),
        ("rejected", {"suppress": True}, [("hard_bounce", "*")]),
        ("bounced", {"bounce": "blocked", "code": "550 5.7.1"}, []),
        ("bounced", {"bounce": "hard", "code": "550 5.7.1"}, []),
        ("bounced", {"bounce": "soft", "code": "452 4.2.2"}, []),
        ("failed", {"code": "30007", "suppress": True}, []),
        ("failed", {"code": "30008"}, []),
        ("deferred", {"bounce": "soft"}, []),
        ("delivered", {}, []),
        ("complained", {}, [("complaint", "news")]),
        ("unsubscribed", {}, [("provider", "news")]),
    ],
)
async def test_event_is_learnt_from(
    mind: Mind, kind: str, values: dict[str, Any], expected: list[Any]
) -> None:
    """An address is suppressed for everything, a wish for its topic."""
    record = await an_email(mind.app, topic="news")

    await mind.learn_event(ADDRESS, kind, record, **values)

    assert [(one.source, one.topic) for one in await mind.entries()] == expected


async def test_complaint_about_what_is_no_subscription_is_for_everything(mind: Mind) -> None:
    """Also where nothing is known of the message."""
    await mind.learn_event(ADDRESS, "complained", await an_email(mind.app))
    await mind.learn_event("ben@example.com", "complained")

    assert [(one.topic, one.address) for one in await mind.entries()] == [
        ("*", "ben@example.com"),
        ("*", ADDRESS),
    ]


async def test_third_soft_bounce_suppresses(mind: Mind) -> None:
    """Three events, not one told three times."""
    for event_id in ("1", "1", "1", "2"):
        await mind.learn_event(ADDRESS, "bounced", bounce="soft", event_id=event_id)
    assert await mind.sources() == []

    await mind.learn_event(ADDRESS, "bounced", bounce="soft", event_id="3")

    assert await mind.sources() == ["soft_bounces"]


@pytest.mark.parametrize(("code", "sources"), [("30003", []), ("30008", []), ("30004", ["soft_bounces"])])
async def test_telephone_that_is_off_suppresses_nobody(mind: Mind, code: str, sources: list[str]) -> None:
    """Of a carrier's soft codes only "blocked" is about the person, when it repeats."""
    for event_id in ("1", "2", "3", "4"):
        await mind.learn_event(NUMBER, "bounced", bounce="soft", code=code, event_id=event_id)

    assert await mind.sources() == sources


async def test_person_who_comes_back_at_the_provider_is_let_in(mind: Mind) -> None:
    """By SMS for everything."""
    await mind.learn_event("12125551234", "unsubscribed")
    assert isinstance(await mind.check(await a_text(mind.app)), Refused)

    await mind.learn_event(NUMBER, "resubscribed")

    assert await mind.check(await record_of(mind.app)) is None


async def test_stop_and_start_are_heard(mind: Mind) -> None:
    """At once, whatever the provider does by itself; also from a number without its plus."""
    record = await a_text(mind.app, topic="news")
    await mind.hear("Stop.", "12125551234")
    stopped = await mind.check(record)

    await mind.hear("START")

    assert isinstance(stopped, Refused)
    assert await mind.check(record) is None
    assert await mind.sources() == ["start_keyword", "stop_keyword"]
    assert await mind.waiting() == []


async def test_yes_of_somebody_who_never_stopped_is_no_entry(mind: Mind) -> None:
    """It answers a question; HELP and chatter are nobody's wish either."""
    for text in ("YES", "help", "thank you", ""):
        await mind.hear(text)

    assert (await mind.entries(), await mind.waiting()) == ([], [])


async def test_unclear_words_wait_for_a_person(mind: Mind) -> None:
    """Once for each event, sealed, and nothing is decided by itself."""
    await mind.hear("please stop texting me", event_id="1")
    await mind.hear("please stop texting me", event_id="1")
    await mind.hear("STOP", "CLINIC", event_id="2")

    first, second = await mind.waiting()

    assert (first.text, first.address, first.channel) == ("please stop texting me", NUMBER, "sms")
    assert (second.text, second.address) == ("STOP", "CLINIC")
    assert "texting" not in repr(first)
    rows = await mind.app.store.read(lambda t: t.all("list_unclear_wishes", after=0, limit=10))
    assert "texting" not in str(rows)
    assert NUMBER not in str(rows)
    assert await mind.entries() == []


@pytest.mark.parametrize(("decision", "sources"), [("stop", ["stop_keyword"]), ("none", []), ("start", [])])
async def test_person_decides_what_was_meant(mind: Mind, decision: Any, sources: list[str]) -> None:
    """Once; the words count as the sender's own."""
    await mind.hear("no more please")
    (wish,) = await mind.waiting()
    await mind.do(lambda t, now_us: mind.unclear.decide(t, wish.id, decision, Actor("ben"), now_us))

    assert await mind.sources() == sources
    assert await mind.waiting() == []
    assert ("wish.decided", "ben") in [(row["action"], row["actor"]) for row in await trail(mind.app)]
    with pytest.raises(NoSuchWish):
        await mind.do(lambda t, now_us: mind.unclear.decide(t, wish.id, decision, Actor("ben"), now_us))


async def test_message_waits_for_the_morning_of_its_recipient(app: Application) -> None:
    """The zone on record wins over the number; an urgent message does not wait."""
    mind = Mind(app, quiet={"sms": NIGHT})
    record = await a_text(app, zone="Europe/Berlin")

    found = await mind.check(record, "2026-01-15T22:00:00Z")

    assert isinstance(found, Wait)
    assert to_datetime(found.until_us).isoformat() == "2026-01-16T07:00:00+00:00"
    assert await mind.check(record, "2026-01-16T07:00:00Z") is None
    urgent = msgspec.structs.replace(record, priority="high")
    assert await mind.check(urgent, "2026-01-15T22:00:00Z") is None


async def test_quiet_hours_are_of_their_channel(app: Application) -> None:
    """And an email to somebody whose zone nobody knows has the zones that are set."""
    mind = Mind(app, quiet={"email": NIGHT}, zones=["America/New_York"])
    record = await an_email(app)

    found = await mind.check(record, "2026-01-15T11:00:00Z")

    assert isinstance(found, Wait)
    assert to_datetime(found.until_us).isoformat() == "2026-01-15T13:00:00+00:00"
    text = msgspec.structs.replace(record, channel="sms", recipient=NUMBER)
    assert await mind.check(text, "2026-01-15T11:00:00Z") is None


async def test_where_no_hour_suits_all_zones_the_largest_decides(app: Application) -> None:
    """Better a good guess than never."""
    mind = Mind(app, quiet={"sms": read_quiet_hours("12:00-10:00")})

    found = await mind.check(await a_text(app), "2026-01-15T22:00:00Z")

    assert isinstance(found, Wait)
    assert to_datetime(found.until_us).isoformat() == "2026-01-16T15:00:00+00:00"


async def test_template_says_how_long_doubt_may_last(mind: Mind) -> None:
    """Also to a worker that has not looked at the message before."""
    new = NewTemplate(
        template_id="code", channel="email", subject="Code", content="1", uncertain_wait_seconds=30
    )
    await mind.do(lambda t, now_us: Templates().create(t, new, Actor("ben"), now_us))
    record = msgspec.structs.replace(await an_email(mind.app), template="code", template_version=1)

    other = msgspec.structs.replace(record, template=None)
    assert await mind.do(lambda t, now_us: mind.of.wait_seconds(t, record)) == 30
    assert await mind.do(lambda t, now_us: mind.of.wait_seconds(t, other)) is None


# In the whole application.


async def suppress(app: Application, address: str, topic: str | None = None) -> None:
    ledger, now_us = Suppressions(app.records.vault), app.clock.now_us()
    await app.store.write(
        lambda t: ledger.suppress(
            t, channel_of(address), address, topic, Source.UNSUBSCRIBE, actor=Actor("x"), now_us=now_us
        )
    )


async def test_suppressed_person_gets_nothing(open_app: Open, clock: VirtualClock) -> None:
    """Though it was approved before; other topics still come."""
    provider = Scripted()
    async with open_app([Route(provider, True)]) as app, app.queues.running():
        await approved(app, "m-1", topic="news")
        await approved(app, "m-2", topic="offers")
        await suppress(app, ADDRESS, "news")

        await clock.advance(10)

        refused, sent = await record_of(app, "m-1"), await record_of(app, "m-2")
    assert [call.message_id for call in provider.calls] == ["m-2"]
    assert (refused.status, refused.code) == ("failed", "suppressed:unsubscribe")
    assert sent.status == "sent"


async def test_person_who_opts_out_meanwhile_gets_nothing_from_the_next_provider(
    open_app: Open, clock: VirtualClock
) -> None:
    """The ledger is asked before every failover."""

    class Slow(Scripted):
        async def send(self, envelope: Envelope) -> Outcome:
            await suppress(app, ADDRESS)
            return await super().send(envelope)

    first, second = Slow(DOWN, name="first"), Scripted(name="second")
    async with open_app([Route(first, True), Route(second, True)]) as app, app.queues.running():
        await approved(app)

        await clock.advance(10)

        assert (await record_of(app)).status == "failed"
    assert (len(first.calls), len(second.calls)) == (1, 0)


async def test_message_about_a_topic_has_a_way_out(open_app: Open, clock: VirtualClock) -> None:
    """What is no subscription has none."""
    provider = Scripted()
    async with (
        open_app([Route(provider, True)], public_url="https://postroom.example.com") as app,
        app.queues.running(),
    ):
        await approved(app, "m-1", topic="news")
        await approved(app, "m-2")

        await clock.advance(10)

        with_topic, without = sorted(provider.taken, key=lambda envelope: envelope.message_id)
        assert isinstance(with_topic, Email)
        assert isinstance(without, Email)
        url = with_topic.headers["List-Unsubscribe"].strip("<>")
        found = app.unsubscribing.read(url.removeprefix("https://postroom.example.com/u/"))
    assert found is not None
    assert (found.topic, found.message_id, found.channel) == ("news", "m-1", "email")
    assert with_topic.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert without.headers == {}
