"""The ledger of who wants what (messages/suppressions.py; delivery 2.5 and 6.6)."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from workflow_support import trail

from postroom.kit.actor import Actor
from postroom.messages.suppressions import (
    BY_THE_PERSON,
    LATEST,
    OF_THE_PERSON,
    SOFT_BOUNCE_SECONDS,
    AddressInvalid,
    Entry,
    NoSuchEntry,
    OnlyThePerson,
    Source,
    Suppressed,
    Suppressions,
    check,
    normal_form,
)
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.store.vault import MasterKey, NoVault, Vault
from postroom.wiring import Application
from support.refusals import refused

T = TypeVar("T")

ANNA, NUMBER = "Anna@Example.com", "+12125551234"
STAFF = Actor("ben", "reviewer", "192.0.2.7", "request-1")
SUPPRESSING = [source for source in Source if source not in (Source.START_KEYWORD, Source.OPT_IN)]


class Ledger:
    """The ledger in a database of the test's own."""

    def __init__(self, app: Application, suppressions: Suppressions | None = None) -> None:
        self.app = app
        self.of = suppressions or Suppressions(NoVault())

    async def write(self, act: Callable[[StoreTransaction, int], T]) -> T:
        now_us = self.app.clock.now_us()
        return await self.app.store.write(lambda transaction: act(transaction, now_us))

    async def suppress(
        self, address: str, source: Source, topic: str | None = None, channel: str = "email", **facts: str
    ) -> bool:
        return await self.write(
            lambda t, now_us: self.of.suppress(
                t, channel, address, topic, source, actor=STAFF, now_us=now_us, **facts
            )
        )

    async def allow(
        self, address: str, source: Source, topic: str | None = None, channel: str = "email", **facts: str
    ) -> bool:
        return await self.write(
            lambda t, now_us: self.of.allow(
                t, channel, address, topic, source, actor=STAFF, now_us=now_us, **facts
            )
        )

    async def lift(self, entry_id: str, source: Source, **facts: str) -> Entry:
        return await self.write(
            lambda t, now_us: self.of.lift(t, entry_id, source, actor=STAFF, now_us=now_us, **facts)
        )

    async def check(
        self, address: str, topic: str | None = None, channel: str = "email"
    ) -> Suppressed | None:
        return await self.app.store.read(lambda t: self.of.check(t, channel, address, topic))

    async def page(self, *, history: bool = False, **filters: str) -> list[Entry]:
        return await self.app.store.read(lambda t: self.of.page(t, LATEST, 100, history=history, **filters))


@pytest.fixture
def ledger(app: Application) -> Ledger:
    return Ledger(app)


async def test_nobody_is_suppressed_at_first(ledger: Ledger) -> None:
    """On any channel."""
    assert await ledger.check(ANNA) is None
    assert await ledger.check(NUMBER, "news", channel="sms") is None


async def test_suppressed_address_is_found_however_it_is_written(ledger: Ledger) -> None:
    """And only that address, on that channel."""
    await ledger.suppress(ANNA, Source.HARD_BOUNCE, evidence="event-1")
    await ledger.suppress("+1 (212) 555-1234", Source.STOP_KEYWORD, channel="sms")
    await ledger.suppress("x@exämple.com", Source.STAFF)

    for address in (ANNA, "anna@EXAMPLE.com", " anna@example.com"):
        found = await ledger.check(address, "news")
        assert found is not None
        assert (found.source, found.topic) == (Source.HARD_BOUNCE, "*")
    assert await ledger.check(NUMBER, channel="sms") is not None
    assert await ledger.check("x@xn--exmple-cua.com") is not None
    assert await ledger.check("ben@example.com") is None
    assert await ledger.check("+12125551235", channel="sms") is None


async def test_topic_is_suppressed_alone(ledger: Ledger) -> None:
    """Other topics and what is no subscription still come."""
    await ledger.suppress(ANNA, Source.UNSUBSCRIBE, "news")

    assert await ledger.check(ANNA, "news") is not None
    assert await ledger.check(ANNA, "offers") is None
    assert await ledger.check(ANNA) is None


async def test_stop_is_for_everything_until_start(ledger: Ledger) -> None:
    """Also for what is no subscription."""
    await ledger.suppress(NUMBER, Source.STOP_KEYWORD, channel="sms")
    assert await ledger.check(NUMBER, "news", channel="sms") is not None
    assert await ledger.check(NUMBER, channel="sms") is not None

    assert await ledger.allow(NUMBER, Source.START_KEYWORD, channel="sms")

    assert await ledger.check(NUMBER, "news", channel="sms") is None
    assert await ledger.check(NUMBER, channel="sms") is None


async def test_consent_to_one_topic_after_stop_is_for_that_topic(ledger: Ledger) -> None:
    """The rest stays stopped, and a bad address stays bad."""
    await ledger.suppress(NUMBER, Source.STOP_KEYWORD, channel="sms")
    await ledger.suppress(ANNA, Source.HARD_BOUNCE)
    for address, channel in ((NUMBER, "sms"), (ANNA, "email")):
        await ledger.allow(address, Source.OPT_IN, "news", channel, evidence="form-7", wording="2026-03")

    assert await ledger.check(NUMBER, "news", channel="sms") is None
    assert await ledger.check(NUMBER, "offers", channel="sms") is not None
    assert await ledger.check(NUMBER, channel="sms") is not None
    assert await ledger.check(ANNA, "news") is not None


async def test_consent_from_before_a_stop_counts_no_more(ledger: Ledger) -> None:
    """The later of the two does."""
    await ledger.allow(NUMBER, Source.OPT_IN, "news", "sms", evidence="form-7")
    await ledger.suppress(NUMBER, Source.STOP_KEYWORD, channel="sms")

    assert await ledger.check(NUMBER, "news", channel="sms") is not None


@pytest.mark.parametrize("source", SUPPRESSING)
async def test_staff_lift_all_but_what_the_person_said(ledger: Ledger, source: Source) -> None:
    """Complaints and STOP are taken back by START or by consent with evidence."""
    await ledger.suppress(ANNA, source)
    (entry,) = await ledger.page()

    if source in OF_THE_PERSON:
        with pytest.raises(OnlyThePerson):
            await ledger.lift(entry.id, Source.STAFF, reason="they rang up")
        assert await ledger.check(ANNA) is not None
        await ledger.lift(entry.id, Source.OPT_IN, evidence="form-7", reason="they rang up")
    else:
        await ledger.lift(entry.id, Source.STAFF, reason="they rang up")

    assert await ledger.check(ANNA) is None


@pytest.mark.parametrize("source", sorted(set(Source) - BY_THE_PERSON))
async def test_stop_is_not_lifted_by_way_of_a_later_entry(ledger: Ledger, source: Source) -> None:
    """Whatever was written over it since."""
    await ledger.suppress(NUMBER, Source.STOP_KEYWORD, channel="sms")
    await ledger.suppress(NUMBER, source, channel="sms")
    newest = (await ledger.page())[0]

    with pytest.raises(OnlyThePerson):
        await ledger.lift(newest.id, Source.STAFF, reason="it was a mistake")
    with pytest.raises(OnlyThePerson):
        await ledger.allow(NUMBER, Source.IMPORT, channel="sms")

    assert await ledger.check(NUMBER, channel="sms") is not None


async def test_consent_needs_evidence(ledger: Ledger) -> None:
    """Otherwise anybody's word would do."""
    await ledger.suppress(ANNA, Source.COMPLAINT)

    with pytest.raises(ValueError, match="evidence"):
        await ledger.allow(ANNA, Source.OPT_IN)


async def test_same_thing_again_adds_nothing(ledger: Ledger) -> None:
    """Providers tell things twice."""
    assert await ledger.suppress(ANNA, Source.COMPLAINT, evidence="1")
    assert not await ledger.suppress(ANNA, Source.COMPLAINT, evidence="2")
    assert await ledger.suppress(ANNA, Source.HARD_BOUNCE, evidence="3")
    assert not await ledger.allow("ben@example.com", Source.START_KEYWORD)

    assert len(await ledger.page(history=True)) == 2


async def test_lifted_entry_cannot_be_lifted_again(ledger: Ledger) -> None:
    """Nor one that there never was."""
    await ledger.suppress(ANNA, Source.STAFF)
    (entry,) = await ledger.page()
    lifting = await ledger.lift(entry.id, Source.STAFF, reason="done")

    assert (lifting.state, lifting.reason) == ("allowed", "done")
    for entry_id in (entry.id, lifting.id, "nope"):
        with pytest.raises(NoSuchEntry):
            await ledger.lift(entry_id, Source.STAFF, reason="again")


async def test_suppressed_again_after_it_was_lifted(ledger: Ledger) -> None:
    """The last entry counts."""
    await ledger.suppress(ANNA, Source.STAFF)
    await ledger.lift((await ledger.page())[0].id, Source.STAFF, reason="done")
    await ledger.suppress(ANNA, Source.STAFF)

    assert await ledger.check(ANNA) is not None
    assert len(await ledger.page()) == 1
    assert [one.state for one in await ledger.page(history=True)] == ["suppressed", "allowed", "suppressed"]


async def test_third_soft_bounce_in_a_week_suppresses(ledger: Ledger, clock: VirtualClock) -> None:
    """The same event counts once, and what is older than a week not at all."""

    async def bounce(evidence: str) -> bool:
        return await ledger.write(
            lambda t, now_us: ledger.of.note_soft_bounce(
                t, "email", ANNA, evidence=evidence, actor=STAFF, now_us=now_us
            )
        )

    assert [await bounce("1"), await bounce("2"), await bounce("2"), await bounce("1")] == [False] * 4
    await clock.advance(SOFT_BOUNCE_SECONDS)
    assert [await bounce("3"), await bounce("4")] == [False, False]
    assert await ledger.check(ANNA) is None

    assert await bounce("5")

    found = await ledger.check(ANNA)
    assert found is not None
    assert found.source is Source.SOFT_BOUNCES


async def test_page_is_filtered_and_goes_on(ledger: Ledger) -> None:
    """Newest first."""
    await ledger.suppress(ANNA, Source.COMPLAINT, "news")
    await ledger.suppress(NUMBER, Source.STOP_KEYWORD, channel="sms")
    await ledger.suppress("ben@example.com", Source.STAFF)
    key = ledger.of.key("email", ANNA)

    assert [one.address for one in await ledger.page()] == ["ben@example.com", NUMBER, ANNA]
    assert [one.address for one in await ledger.page(channel="sms")] == [NUMBER]
    assert [one.address for one in await ledger.page(topic="news")] == [ANNA]
    assert [one.address for one in await ledger.page(source="staff")] == ["ben@example.com"]
    assert [one.address for one in await ledger.page(key=key)] == [ANNA]
    first = await ledger.app.store.read(lambda t: ledger.of.page(t, LATEST, 1))
    rest = await ledger.app.store.read(lambda t: ledger.of.page(t, first[0].seq, 10))
    assert [one.address for one in rest] == [NUMBER, ANNA]


async def test_database_refuses_to_change_the_past(ledger: Ledger) -> None:
    """Whoever asks."""
    await ledger.suppress(ANNA, Source.STAFF)

    for statement in ("UPDATE suppressions SET state = 'allowed'", "DELETE FROM suppressions"):
        with refused("append-only"):
            await ledger.app.store.write(lambda t, statement=statement: t.connection.execute(statement))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_check_is_an_indexed_read(ledger: Ledger) -> None:
    """It is asked before every call to a provider."""

    def plan(transaction: StoreTransaction) -> list[str]:
        from postroom.store.sqlite import TEXTS

        values = {"address_key": "k", "channel": "email", "topic": "news"}
        rows = transaction.connection.execute(f"EXPLAIN QUERY PLAN {TEXTS['last_wishes']}", values)
        return [row[3] for row in rows]

    steps = await ledger.app.store.read(plan)

    assert not any(step.startswith("SCAN suppressions") for step in steps), steps


async def test_address_is_sealed_with_a_key(app: Application) -> None:
    """Address and reason are not in the file; the index finds them all the same."""
    ledger = Ledger(app, Suppressions(Vault([MasterKey("1", b"k" * 32)])))
    await ledger.suppress(ANNA, Source.STAFF, reason="they rang up")

    rows = await app.store.read(
        lambda t: t.all(
            "list_suppression_history", before=LATEST, limit=10, channel=None, topic=None, source=None
        )
    )
    assert "anna" not in str(rows).lower()
    assert "rang" not in str(rows)
    assert await ledger.check("anna@example.com") is not None
    (entry,) = await ledger.page()
    assert (entry.address, entry.reason) == (ANNA, "they rang up")
    assert ANNA not in repr(entry)


async def test_every_entry_is_in_the_audit_trail(ledger: Ledger) -> None:
    """Without the address."""
    await ledger.suppress(ANNA, Source.STAFF, "news", reason="they rang up")
    await ledger.lift((await ledger.page())[0].id, Source.STAFF, reason="they changed their mind")

    entries = await trail(ledger.app)
    assert [(row["action"], row["actor"]) for row in entries] == [
        ("wish.suppressed", "ben"),
        ("wish.allowed", "ben"),
    ]
    assert "anna" not in str(entries).lower()
    assert "rang" not in str(entries)


@pytest.mark.parametrize(
    ("channel", "address"),
    [("email", "nobody"), ("email", "a@b\nc@d"), ("email", ""), ("sms", "12125551234"), ("sms", "+12"), ("sms", "+1212555x234"),
     ("sms", "anna@example.com"), ("sms", "+１２１２５５５１２３４"), ("sms", "+" + "1" * 16)],
)  # fmt: skip
def test_what_is_no_address_is_refused(channel: str, address: str) -> None:
    """Without repeating it."""
    with pytest.raises(AddressInvalid) as caught:
        normal_form(channel, address)

    assert not address or address not in str(caught.value)


async def test_check_takes_any_index(app: Application) -> None:
    """The index is the caller's."""
    seen = []

    def index(value: str) -> str:
        seen.append(value)
        return "k"

    assert await app.store.read(lambda t: check(t, "email", ANNA, None, index)) is None
    assert seen == ["anna@example.com"]
