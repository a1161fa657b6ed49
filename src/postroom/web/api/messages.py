"""`GET /api/messages/{id}`: where a message is. Its recipient is masked; its content does not leave the store."""

from datetime import datetime

import msgspec
from litestar import get
from litestar.params import FromPath

from postroom.kit.clock import to_datetime
from postroom.kit.redact import mask
from postroom.web.dependencies import Services
from postroom.web.problems import NOT_FOUND, Refusal


class MessageView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message's record."""

    message_id: str
    channel: str
    """`email` or `sms`."""
    recipient: str
    """Masked."""
    status: str
    job_id: str
    """The job that is sending it, or did."""
    provider: str | None
    provider_id: str | None
    """What the provider calls it."""
    created_at: datetime
    updated_at: datetime


@get(
    "/api/messages/{message_id:str}",
    operation_id="getMessage",
    tags=["messages"],
    summary="Where a message is",
)
async def get_message(message_id: FromPath[str], services: Services) -> MessageView:
    """The message's status, by the messageId it was enqueued with."""
    row = await services.store.read(lambda transaction: transaction.one("find_message", id=message_id))
    if row is None:
        raise Refusal(NOT_FOUND, "There is no message with that id.")
    return MessageView(
        message_id=row["id"],
        channel=row["channel"],
        recipient=mask(row["recipient"]),
        status=row["status"],
        job_id=row["job_id"],
        provider=row["provider"],
        provider_id=row["provider_id"],
        created_at=to_datetime(row["created_us"]),
        updated_at=to_datetime(row["updated_us"]),
    )
