"""The ledger of who wants what: opt-outs, bad addresses, complaints, and consent given anew. One, for all providers.

Append-only: how an address stands for a channel and a topic is what its last entry says. An entry for everything (`*`)
weighs on every topic. Addresses are sealed and found by a blind index of their normal form. Providers have lists of their
own; ours is the authority and is asked at send time and before every failover.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from postroom.audit import record as audit
from postroom.delivery.address import parse_address
from postroom.delivery.errors import Unsendable
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND
from postroom.kit.ids import new_id
from postroom.messages.templates import EVERYTHING
from postroom.store import StoreTransaction
from postroom.store.vault import Sealing

WishChannel: TypeAlias = Literal["email", "sms"]
SOFT_BOUNCES: Final = 3
SOFT_BOUNCE_SECONDS: Final = 7 * 86_400
"""So many soft bounces in such a time suppress an address."""
LATEST: Final = 1 << 62
"""A page before this begins with the last entry."""
REASON_CHARS_MAX: Final = 500
EVIDENCE_CHARS_MAX: Final = 200


class Source(StrEnum):
    """Why an entry was made."""

    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCES = "soft_bounces"
    COMPLAINT = "complaint"
    STOP_KEYWORD = "stop_keyword"
    UNSUBSCRIBE = "unsubscribe"
    """By the link in a message."""
    PROVIDER = "provider"
    """The provider says that the person opted out or in there."""
    STAFF = "staff"
    IMPORT = "import"
    START_KEYWORD = "start_keyword"
    OPT_IN = "opt_in"
    """Consent given anew, with evidence of it."""


OF_THE_PERSON: Final = frozenset({Source.COMPLAINT, Source.STOP_KEYWORD, Source.PROVIDER})
"""Nobody but the person takes these back."""
BY_THE_PERSON: Final = frozenset({Source.START_KEYWORD, Source.OPT_IN, Source.PROVIDER})
"""What lifts anything."""
OPT_OUTS: Final = OF_THE_PERSON | {Source.UNSUBSCRIBE, Source.STAFF, Source.IMPORT}
"""Suppressions of everything that later consent to one topic overrides; a bad address stays bad."""


class Suppressed(NamedTuple):
    """The entry that speaks against a message."""

    id: str
    topic: str
    source: Source
    at_us: int


class Entry(NamedTuple):
    """One entry of the ledger, opened."""

    seq: int
    id: str
    channel: str
    address: str | None
    """None where only the index is known."""
    topic: str
    state: Literal["suppressed", "allowed"]
    source: Source
    evidence: str | None
    wording: str | None
    reason: str | None
    actor: str
    at_us: int

    def __repr__(self) -> str:
        return f"Entry({self.id!r}, {self.channel!r}, {self.state!r}, {self.source!r})"


class OnlyThePerson(PermissionError):
    """A complaint or a STOP is taken back by nobody but the person: by START, or by consent with evidence of it."""


class NoSuchEntry(LookupError):
    """The ledger has no such entry, or it is no longer in force."""


class AddressInvalid(ValueError):
    """It is no address of that channel; the text never repeats it."""


def normal_form(channel: str, address: str) -> str:
    """What is the same for the same person: an address in lower case with its domain in ASCII, a number in E.164.

    Raises AddressInvalid. The part before the @ is taken without regard to case: servers may tell `A@` from `a@`
    (RFC 5321 2.4), people do not.
    """
    if channel == "sms":
        digits = "".join(char for char in address if char not in " -.()/")
        if not (
            digits.startswith("+")
            and digits[1:].isascii()
            and digits[1:].isdigit()
            and 8 <= len(digits) <= 16
        ):
            raise AddressInvalid("must be an E.164 number: + and country code, 7 to 15 digits in all")
        return digits
    try:
        return parse_address(address.strip(), "address").spec.casefold()
    except Unsendable:
        raise AddressInvalid("must be an email address") from None


def channel_of(address: str) -> WishChannel:
    """The channel that an address is of."""
    return "email" if "@" in address else "sms"


def check(
    transaction: StoreTransaction, channel: str, address: str, topic: str | None, index: Callable[[str], str]
) -> Suppressed | None:
    """What speaks against writing to the address about the topic (None: no subscription); one indexed read.

    An entry for everything speaks against all topics, unless it is an opt-out and the person has consented to this very
    topic since. Raises AddressInvalid.
    """
    key = index(normal_form(channel, address))
    rows = {
        row["topic"]: row
        for row in transaction.all("last_wishes", address_key=key, channel=channel, topic=topic)
    }
    everything, one = rows.get(EVERYTHING), rows.get(topic) if topic is not None else None
    if one is not None and one["state"] == "suppressed":
        return _suppressed(one)
    if everything is None or everything["state"] != "suppressed":
        return None
    consented = one is not None and one["seq"] > everything["seq"] and one["source"] in BY_THE_PERSON
    return None if consented and everything["source"] in OPT_OUTS else _suppressed(everything)


class Suppressions:
    """The ledger; every method runs inside a transaction of the caller's and writes its own audit entry."""

    def __init__(self, vault: Sealing) -> None:
        self._vault = vault

    def key(self, channel: str, address: str) -> str:
        """The blind index of an address. Raises AddressInvalid."""
        return self._vault.index(normal_form(channel, address))

    def check(
        self, transaction: StoreTransaction, channel: str, address: str, topic: str | None
    ) -> Suppressed | None:
        """See the function `check`."""
        return check(transaction, channel, address, topic, self._vault.index)

    def suppress(
        self, transaction: StoreTransaction, channel: str, address: str | None, topic: str | None, source: Source,
        *, actor: Actor, now_us: int, key: str | None = None, **facts: str | None,
    ) -> bool:  # fmt: skip
        """Write to them no more; None for the topic is everything. False when it stood so already, for that reason.

        `facts`: evidence (an id), reason (a colleague's words). `key` stands in for an address that is not known.
        Raises AddressInvalid.
        """
        key = key or self.key(channel, address or "")
        where = {"address_key": key, "channel": channel, "topic": topic or EVERYTHING}
        transaction.lock(_address(key))
        standing = transaction.all("standing_suppressions", **where)
        if any(row["source"] == source for row in standing):
            return False
        self._append(transaction, where, address, "suppressed", source, actor, now_us, facts)
        return True

    def allow(
        self, transaction: StoreTransaction, channel: str, address: str | None, topic: str | None, source: Source,
        *, actor: Actor, now_us: int, key: str | None = None, **facts: str | None,
    ) -> bool:  # fmt: skip
        """They may be written to (again). False when nothing stood against it; consent is recorded all the same.

        `facts`: evidence, wording (the version of the words agreed to), reason. Raises AddressInvalid, and
        OnlyThePerson when somebody else would take back a complaint or a STOP, and ValueError for consent without
        evidence.
        """
        key = key or self.key(channel, address or "")
        if source is Source.OPT_IN and not facts.get("evidence"):
            raise ValueError(
                "consent needs evidence: what was signed, ticked or said, and where that is kept"
            )
        where = {"address_key": key, "channel": channel, "topic": topic or EVERYTHING}
        transaction.lock(_address(key))
        standing = transaction.all("standing_suppressions", **where)
        if source not in BY_THE_PERSON and any(row["source"] in OF_THE_PERSON for row in standing):
            raise OnlyThePerson(
                "they complained or said STOP: only they take that back, by START or by consent with evidence"
            )
        if standing or source is Source.OPT_IN:
            self._append(transaction, where, address, "allowed", source, actor, now_us, facts)
        return bool(standing)

    def lift(
        self, transaction: StoreTransaction, entry_id: str, source: Source, *, actor: Actor, now_us: int,
        **facts: str | None,
    ) -> Entry:  # fmt: skip
        """Take back what an entry says; returns the entry that does. Raises NoSuchEntry and as `allow` does."""
        row = transaction.one("find_suppression", id=entry_id)
        where = None if row is None else {name: row[name] for name in ("address_key", "channel", "topic")}
        standing = [] if where is None else transaction.all("standing_suppressions", **where)
        if row is None or all(one["id"] != entry_id for one in standing):
            raise NoSuchEntry("there is no such entry, or it has been lifted already")
        self.allow(
            transaction, row["channel"], self.opened(transaction, row).address, row["topic"], source, actor=actor,
            now_us=now_us, key=row["address_key"], **facts,
        )  # fmt: skip
        return self.page(
            transaction,
            LATEST,
            1,
            channel=row["channel"],
            topic=row["topic"],
            key=row["address_key"],
            history=True,
        )[0]

    def note_soft_bounce(
        self, transaction: StoreTransaction, channel: str, address: str, *, evidence: str, actor: Actor, now_us: int
    ) -> bool:  # fmt: skip
        """Count a soft bounce; True when it was one too many and the address is suppressed now."""
        key = self.key(channel, address)
        transaction.lock(_address(key))
        since_us = now_us - SOFT_BOUNCE_SECONDS * MICROSECOND
        transaction.run("forget_soft_bounces", address_key=key, channel=channel, until_us=since_us)
        transaction.run(
            "insert_soft_bounce", address_key=key, channel=channel, evidence=evidence, at_us=now_us
        )
        found = transaction.one("count_soft_bounces", address_key=key, channel=channel, after_us=since_us)
        if found is None or found["count"] < SOFT_BOUNCES:
            return False
        return self.suppress(
            transaction,
            channel,
            address,
            None,
            Source.SOFT_BOUNCES,
            actor=actor,
            now_us=now_us,
            evidence=evidence,
        )

    def find(self, transaction: StoreTransaction, entry_id: str) -> Entry:
        """An entry. Raises NoSuchEntry."""
        row = transaction.one("find_suppression", id=entry_id)
        if row is None:
            raise NoSuchEntry("there is no such entry")
        return self.opened(transaction, row)

    def page(
        self, transaction: StoreTransaction, before: int, limit: int, *, channel: str | None = None,
        topic: str | None = None, source: str | None = None, key: str | None = None, history: bool = False,
    ) -> list[Entry]:  # fmt: skip
        """Suppressions in force, newest first; with `history` every entry. `key` is an address's index."""
        values = {"before": before, "limit": limit, "channel": channel, "topic": topic, "source": source}
        if key is not None:
            rows = transaction.all("list_wishes_of_address", **values, address_key=key, history=history)
        else:
            rows = transaction.all("list_suppression_history" if history else "list_suppressions", **values)
        return [self.opened(transaction, row) for row in rows]

    def opened(self, transaction: StoreTransaction, row: Mapping[str, Any]) -> Entry:
        """A row of the table as an entry."""
        sealed = {name: row[name] for name in ("address", "reason") if row[name] is not None}
        known = {**row, **self._vault.open_all(transaction, _owner(row["id"]), sealed)}
        return Entry(
            **{name: known[name] for name in Entry._fields if name != "source"}, source=Source(row["source"])
        )

    def _append(
        self, transaction: StoreTransaction, where: Mapping[str, str], address: str | None, state: str,
        source: Source, actor: Actor, now_us: int, facts: Mapping[str, str | None],
    ) -> None:  # fmt: skip
        id_ = new_id()
        secret = {
            name: text for name, text in (("address", address), ("reason", facts.get("reason"))) if text
        }
        sealed = {"address": None, "reason": None, **self._vault.seal_all(transaction, _owner(id_), secret)}
        transaction.run(
            "insert_suppression", id=id_, **where, **sealed, state=state, source=source, actor=actor.name,
            evidence=facts.get("evidence"), wording=facts.get("wording"), at_us=now_us,
        )  # fmt: skip
        details = {"channel": where["channel"], "topic": where["topic"], "source": source}
        action = f"wish.{state}"
        audit(
            transaction,
            at_us=now_us,
            actor=actor,
            action=action,
            object_type="wish",
            object_id=id_,
            details=details,
        )


def _address(key: str) -> str:
    """What the wishes of an address are locked by: there may be none yet."""
    return f"wishes/{key}"


def _owner(entry_id: str) -> str:
    """What an entry's data key is filed under; no message can have such an id."""
    return f"wish/{entry_id}"


def _suppressed(row: Mapping[str, Any]) -> Suppressed:
    return Suppressed(row["id"], row["topic"], Source(row["source"]), row["at_us"])
