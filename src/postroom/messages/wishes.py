"""What people wish, asked at the last moment: do they want it, and may it reach them at this hour."""

from typing import NamedTuple, Protocol, TypeAlias

from postroom.delivery import DeliveryEvent, Outcome
from postroom.messages.records import MessageRecord
from postroom.store import StoreTransaction


class Refused(NamedTuple):
    """They do not want it, or their address is known to be bad."""

    reason: str
    code: str


class Wait(NamedTuple):
    """Not at this hour."""

    until_us: int
    reason: str


Wish: TypeAlias = Refused | Wait


class Wishes(Protocol):
    """Asks and learns; every method runs inside a transaction of the caller's."""

    def check(self, transaction: StoreTransaction, record: MessageRecord, now_us: int) -> Wish | None:
        """Whether anything speaks against sending it now."""

    def wait_seconds(self, transaction: StoreTransaction, record: MessageRecord) -> float | None:
        """How long its kind of message can wait for news of a call in doubt; None: as long as the provider needs."""

    def learn(
        self,
        transaction: StoreTransaction,
        record: MessageRecord,
        outcome: Outcome,
        evidence: str,
        now_us: int,
    ) -> None:
        """Take note of what a provider's answer says of the person or the address."""

    def learn_event(
        self,
        transaction: StoreTransaction,
        recipient: str,
        record: MessageRecord | None,
        event: DeliveryEvent,
        now_us: int,
    ) -> None:
        """The same of an event."""

    def hear(self, transaction: StoreTransaction, event: DeliveryEvent, now_us: int) -> None:
        """Take in what a person wrote to us: STOP, START, HELP, or something for a colleague."""
