"""One message as the API and the pages read it: its record, its timeline, and what it said before each edit."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from postroom.kit.clock import to_datetime
from postroom.messages import MessageRecord, Reading
from postroom.store import StoreTransaction
from postroom.web.api.message_views import Timeline, delivery_view, event_view
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices


class EarlierView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a message said until it was edited."""

    version: int
    replaced_at: datetime
    editor: str
    """Who replaced it."""
    recipient: str
    subject: str | None
    content: str
    html: str | None


class EarlierViews(msgspec.Struct, frozen=True):
    """What it said before each edit, oldest first."""

    versions: Sequence[EarlierView]


def earlier_views(reading: Reading) -> EarlierViews:
    """The earlier texts as the API shows them."""
    return EarlierViews(
        [
            EarlierView(
                version=one.version, replaced_at=to_datetime(one.at_us), editor=one.editor, recipient=one.recipient,
                subject=one.subject, content=one.content, html=one.html,
            )
            for one in reading.earlier
        ]
    )  # fmt: skip


async def find_message(services: WebServices, message_id: str) -> MessageRecord:
    """The record; raises Refusal when there is none."""
    record = await services.store.read(lambda transaction: services.records.find(transaction, message_id))
    if record is None:
        raise Refusal(NOT_FOUND, "There is no message with that id.")
    return record


async def find_timeline(services: WebServices, message_id: str, after: int, count: int) -> Timeline:
    """What happened to a message, oldest first; raises Refusal when there is none."""

    def look(transaction: StoreTransaction) -> Timeline | None:
        if transaction.one("find_message_state", id=message_id) is None:
            return None
        rows = transaction.all("list_message_events", message_id=message_id, after=after, limit=count + 1)
        calls = transaction.all("list_deliveries", message_id=message_id)
        return Timeline(
            events=[event_view(row) for row in rows[:count]], deliveries=[delivery_view(row) for row in calls],
            next=str(rows[count - 1]["seq"]) if len(rows) > count else None,
        )  # fmt: skip

    found = await services.store.read(look)
    if found is None:
        raise Refusal(NOT_FOUND, "There is no message with that id.")
    return found
