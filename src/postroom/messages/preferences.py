"""`Wishes` with people in it: asks the ledger and the clock on their wall, and learns from answers, events and words."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Final

from postroom.delivery import DeliveryEvent, EventKind, Outcome, Verdict
from postroom.kit.actor import WEBHOOK, WORKER, Actor
from postroom.kit.clock import to_datetime, to_us
from postroom.messages.answers import Answers
from postroom.messages.keywords import Wish as Word
from postroom.messages.keywords import wish_of
from postroom.messages.quiet_hours import NoCommonHour, QuietHours, next_allowed, zones_of
from postroom.messages.records import MessageRecord
from postroom.messages.suppressions import (
    EVIDENCE_CHARS_MAX,
    AddressInvalid,
    Source,
    Suppressions,
    channel_of,
)
from postroom.messages.template_versions import NoSuchTemplate, Templates
from postroom.messages.unclear import UnclearWishes
from postroom.messages.wishes import Refused, Wait, Wish
from postroom.store import StoreTransaction

URGENT: Final = "high"
"""Messages of this priority are not put off at night: somebody waits for them, for example for a code."""
WAITS_REMEMBERED: Final = 1_000

_POLICY: Final = re.compile(r"\b5\.7\.(?!1[378]\b)\d{1,3}|\b30007\b")
"""Refused by a policy or a carrier's filter, which says nothing about the person. 5.7.13, 17 and 18 are about the
mailbox: disabled, or somebody else's now."""

_NOT_COUNTED: Final = re.compile(r"3(?!0004$)\d{4}")
"""Twilio's codes of carriers. Of the soft ones only 30004 (blocked), when it repeats, is about the person; the others are
a telephone that is off, a carrier in trouble, or a sender of ours."""

REFUSALS: Final[Mapping[Source, str]] = {
    Source.HARD_BOUNCE: "the address is known to be bad",
    Source.SOFT_BOUNCES: "messages to the address came back too often",
    Source.COMPLAINT: "the person complained about earlier messages",
    Source.STOP_KEYWORD: "the person wrote STOP",
    Source.UNSUBSCRIBE: "the person has unsubscribed",
    Source.PROVIDER: "the person has opted out at the provider",
    Source.STAFF: "a colleague has suppressed the address",
    Source.IMPORT: "the address was suppressed by an import",
}


class Preferences:
    """See the module and the protocol `Wishes`. `quiet` is by channel, `zones` where a number tells nothing."""

    def __init__(
        self,
        suppressions: Suppressions,
        unclear: UnclearWishes,
        templates: Templates,
        *,
        quiet: Mapping[str, QuietHours] | None = None,
        zones: Sequence[str] = (),
        answers: Answers | None = None,
    ) -> None:
        self._suppressions = suppressions
        self._unclear = unclear
        self._templates = templates
        self._quiet = quiet or {}
        self._zones = tuple(zones)
        self._answers = answers
        self._waits: dict[tuple[str, int], float | None] = {}

    def check(self, transaction: StoreTransaction, record: MessageRecord, now_us: int) -> Wish | None:
        """Whether anything speaks against sending it now."""
        self._remember_wait(transaction, record)
        if record.answers is not None:
            # They wrote to us just now, and wait for it.
            return None
        channel = channel_of(record.recipient)
        found = self._suppressions.check(transaction, channel, record.recipient, record.topic)
        if found is not None:
            return Refused(
                REFUSALS.get(found.source, "the address is suppressed"), f"suppressed:{found.source}"
            )
        hours = self._quiet.get(channel)
        if hours is None or record.priority == URGENT:
            return None
        until = self._next_allowed(to_datetime(now_us), record, channel, hours)
        return None if until is None else Wait(to_us(until), "quiet hours where the recipient lives")

    def wait_seconds(self, transaction: StoreTransaction, record: MessageRecord) -> float | None:
        """How long its template can wait for news of a call in doubt."""
        self._remember_wait(transaction, record)
        if record.template is None or record.template_version is None:
            return None
        return self._waits.get((record.template, record.template_version))

    def learn(
        self,
        transaction: StoreTransaction,
        record: MessageRecord,
        outcome: Outcome,
        evidence: str,
        now_us: int,
    ) -> None:
        """A bad address and an opt-out, as a provider's answer tells them."""
        if outcome.verdict is Verdict.OPTED_OUT:
            self._suppress(transaction, record.recipient, None, Source.PROVIDER, WORKER, evidence, now_us)
        elif outcome.suppress and not _POLICY.search(outcome.code):
            self._suppress(transaction, record.recipient, None, Source.HARD_BOUNCE, WORKER, evidence, now_us)

    def learn_event(
        self,
        transaction: StoreTransaction,
        recipient: str,
        record: MessageRecord | None,
        event: DeliveryEvent,
        now_us: int,
    ) -> None:
        """Bounces, complaints and what people did at the provider."""
        topic = record.topic if record is not None else None
        evidence = _evidence(event)
        match event.kind:
            case EventKind.COMPLAINED:
                self._suppress(transaction, recipient, topic, Source.COMPLAINT, WEBHOOK, evidence, now_us)
            case EventKind.UNSUBSCRIBED:
                # By SMS it is a STOP, which is for everything.
                about = topic if channel_of(recipient) == "email" else None
                self._suppress(transaction, recipient, about, Source.PROVIDER, WEBHOOK, evidence, now_us)
            case EventKind.RESUBSCRIBED:
                about = topic if channel_of(recipient) == "email" else None
                self._allow(transaction, recipient, about, Source.PROVIDER, evidence, now_us)
            case EventKind.BOUNCED | EventKind.REJECTED | EventKind.FAILED:
                self._learn_bounce(transaction, recipient, event, now_us)
            case _:
                pass

    def hear(self, transaction: StoreTransaction, event: DeliveryEvent, now_us: int) -> None:
        """STOP and START at once; what may be a wish goes to a colleague. Answers are given where they are configured."""
        if event.recipient is None or not event.text:
            return
        address, evidence = _international(event.recipient), _evidence(event)
        word = wish_of(event.text)
        heard = False
        match word:
            case Word.STOP:
                heard = self._suppress(
                    transaction, address, None, Source.STOP_KEYWORD, WEBHOOK, evidence, now_us
                )
            case Word.START:
                heard = self._allow(transaction, address, None, Source.START_KEYWORD, evidence, now_us)
            case Word.HELP | Word.NONE:
                heard = True
            case Word.UNCLEAR:
                pass
        if heard and self._answers is not None and channel_of(address) == "sms":
            self._answers.give(transaction, word, address, evidence, now_us)
        if not heard:
            # Also a STOP of somebody whose address we cannot read.
            self._unclear.add(transaction, channel_of(address), address, event.text, evidence, now_us)

    def _learn_bounce(
        self, transaction: StoreTransaction, recipient: str, event: DeliveryEvent, now_us: int
    ) -> None:
        if event.code is not None and _POLICY.search(event.code):
            return
        evidence = _evidence(event)
        if event.suppress or event.bounce == "hard":
            self._suppress(transaction, recipient, None, Source.HARD_BOUNCE, WEBHOOK, evidence, now_us)
        elif event.bounce == "soft" and not _NOT_COUNTED.fullmatch(event.code or ""):
            address = _international(recipient)
            try:
                self._suppressions.note_soft_bounce(
                    transaction, channel_of(address), address, evidence=evidence, actor=WEBHOOK, now_us=now_us
                )
            except AddressInvalid:
                return

    def _suppress(
        self, transaction: StoreTransaction, address: str, topic: str | None, source: Source, actor: Actor,
        evidence: str, now_us: int,
    ) -> bool:  # fmt: skip
        """Whether it is suppressed now; False where the address is none."""
        address = _international(address)
        try:
            self._suppressions.suppress(
                transaction, channel_of(address), address, topic, source, actor=actor, now_us=now_us,
                evidence=evidence[:EVIDENCE_CHARS_MAX],
            )  # fmt: skip
        except AddressInvalid:
            return False
        return True

    def _allow(
        self, transaction: StoreTransaction, address: str, topic: str | None, source: Source, evidence: str,
        now_us: int,
    ) -> bool:  # fmt: skip
        address = _international(address)
        try:
            self._suppressions.allow(
                transaction, channel_of(address), address, topic, source, actor=WEBHOOK, now_us=now_us,
                evidence=evidence,
            )  # fmt: skip
        except AddressInvalid:
            return False
        return True

    def _next_allowed(
        self, now: dt.datetime, record: MessageRecord, channel: str, hours: QuietHours
    ) -> dt.datetime | None:
        if channel == "sms":
            zones = zones_of(record.recipient, record.zone, fallback=self._zones)
        else:
            zones = (record.zone,) if record.zone is not None else self._zones
        try:
            return next_allowed(now, zones, hours)
        except NoCommonHour:
            # Better a good guess than never: the first is where most people of the country live.
            return next_allowed(now, zones[:1], hours)

    def _remember_wait(self, transaction: StoreTransaction, record: MessageRecord) -> None:
        if record.template is None or record.template_version is None:
            return
        key = (record.template, record.template_version)
        if key in self._waits:
            return
        if len(self._waits) >= WAITS_REMEMBERED:
            self._waits.clear()
        try:
            found = self._templates.find(transaction, *key)
        except NoSuchTemplate:
            return
        # A version never changes, so neither does this.
        self._waits[key] = found.text.uncertain_wait_seconds


def _evidence(event: DeliveryEvent) -> str:
    return f"{event.provider}:{event.event_id}"[:EVIDENCE_CHARS_MAX]


def _international(address: str) -> str:
    """A number with its plus: some providers leave it out."""
    return f"+{address}" if address.isascii() and address.isdigit() and len(address) > 7 else address
