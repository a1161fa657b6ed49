"""What the workflow's tests share: people of each role, drafts, and shorthands for acts."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from msgspec.structs import replace

from postroom.delivery import Channel, DeliveryEvent, Envelope, EventKind, Failover, Outcome, Sought, Verdict
from postroom.delivery.routing import Route
from postroom.kit.actor import Actor
from postroom.kit.ids import new_id
from postroom.messages import Draft, MessageRecord, Person
from postroom.store import StoreTransaction
from postroom.wiring import Application

STAFF = {"draft", "submit", "look_up"}
REVIEWER = STAFF | {"review", "send_directly", "read_bodies"}


class Open(Protocol):
    """Opens an application with settings of the test's own."""

    def __call__(
        self, routes: Sequence[Route] | None = None, **settings: str
    ) -> AbstractAsyncContextManager[Application]: ...


def person(name: str, permissions: set[str]) -> Person:
    return Person(Actor(name, "role", "192.0.2.7", "request-1"), permissions)


ANNA = person("anna", STAFF)
BEN = person("ben", REVIEWER)
CARA = person("cara", REVIEWER)


def a_draft(message_id: str = "m-1", **values: Any) -> Draft:
    given = {
        "channel": "email", "recipient": "Patient@Example.com", "subject": "Your appointment",
        "content": "It is tomorrow at 2 pm.",
    }  # fmt: skip
    return Draft(message_id=message_id, **{**given, **values})


def nothing(transaction: StoreTransaction, row: dict[str, Any]) -> dict[str, Any]:
    """No template."""
    return row


async def drafted(
    app: Application, message_id: str = "m-1", by: Person = ANNA, **values: Any
) -> MessageRecord:
    return await app.desk.draft(by, a_draft(message_id, **values), nothing)


async def submitted(
    app: Application, message_id: str = "m-1", by: Person = ANNA, **values: Any
) -> MessageRecord:
    await drafted(app, message_id, by, **values)
    return await app.desk.submit(by, message_id)


async def approved(app: Application, message_id: str = "m-1", **values: Any) -> MessageRecord:
    found = await submitted(app, message_id, **values)
    return await app.desk.approve(BEN, message_id, found.version)


async def record_of(app: Application, message_id: str = "m-1") -> MessageRecord:
    found = await app.store.read(lambda transaction: app.records.find(transaction, message_id))
    assert found is not None
    return found


async def status_of(app: Application, message_id: str = "m-1") -> str:
    return (await record_of(app, message_id)).status


async def timeline(app: Application, message_id: str = "m-1") -> list[dict[str, Any]]:
    return await app.store.read(
        lambda t: t.all("list_message_events", message_id=message_id, after=0, limit=1000)
    )


async def deliveries_of(app: Application, message_id: str = "m-1") -> list[dict[str, Any]]:
    return await app.store.read(lambda transaction: transaction.all("list_deliveries", message_id=message_id))


async def trail(app: Application) -> list[dict[str, Any]]:
    values = {"after": 0}
    return await app.store.read(lambda transaction: transaction.all("scan_audit", limit=1000, **values))


class Scripted:
    """A provider whose answers are written down beforehand; what it accepted is in `taken`."""

    def __init__(
        self, *answers: Outcome | BaseException, name: str = "one", channel: Channel = "email"
    ) -> None:
        self.name = name
        self.channel = channel
        self.answers = list(answers)
        self.calls: list[Envelope] = []
        self.taken: list[Envelope] = []

    async def open(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to free."""

    async def send(self, envelope: Envelope) -> Outcome:
        self.calls.append(envelope)
        answer = self.answers.pop(0) if self.answers else ACCEPTED
        if isinstance(answer, BaseException):
            raise answer
        if answer.verdict is Verdict.ACCEPTED:
            self.taken.append(envelope)
        return replace(answer, provider=self.name)


class Asked(Scripted):
    """The same, and it can be asked: `known` is what it says."""

    def __init__(self, *answers: Outcome, known: DeliveryEvent | Exception | None, **options: Any) -> None:
        super().__init__(*answers, **options)
        self.known = known
        self.asked = 0

    async def find(self, sought: Sought) -> DeliveryEvent | None:
        self.asked += 1
        if isinstance(self.known, Exception):
            raise self.known
        return self.known


class Keyed(Scripted):
    """The same, with idempotency keys that it remembers for a day."""

    idempotency_seconds = 86_400.0


ACCEPTED = Outcome(Verdict.ACCEPTED, "250", provider_message_id="theirs")
UNKNOWN = Outcome(Verdict.UNKNOWN, detail="the connection was lost after the message was handed over")
DOWN = Outcome(Verdict.REJECTED_TEMPORARY, "421", "not available", elsewhere=Failover.NOW)
LATER = Outcome(Verdict.REJECTED_TEMPORARY, "451 4.3.0", "try again later")
BAD_ADDRESS = Outcome(Verdict.REJECTED_PERMANENT, "550 5.1.1", "the mailbox does not exist", suppress=True)
REFUSED = Outcome(Verdict.REJECTED_PERMANENT, "554 5.6.0", "the server cannot take the message's form")
OPTED_OUT = Outcome(Verdict.OPTED_OUT, "21610", "the person has opted out")
BROKEN = Outcome(Verdict.CONFIG_ERROR, "535 5.7.8", "the server does not accept our login")


def an_event(kind: str, delivery: dict[str, Any] | None = None, **values: Any) -> DeliveryEvent:
    """An event about a delivery; each has an id of its own unless given."""
    known = {"attempt_id": delivery["id"]} if delivery is not None else {}
    given = {"provider": "one", "event_id": new_id(), **known, **values}
    return DeliveryEvent(kind=EventKind(kind), **given)


async def report(app: Application, event: DeliveryEvent) -> bool:
    return await app.store.write(lambda t: app.tracking.apply(t, event, app.clock.now_us()))
