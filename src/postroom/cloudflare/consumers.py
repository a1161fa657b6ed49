"""Who consumes a queue, where the API has said so: the Python consumer with other settings, a puller, or nobody."""

from typing import Any, Final

import msgspec

from postroom.kit.ids import new_id
from postroom.queues import ConsumerOptions
from postroom.store import StoreTransaction

WORKER: Final = "worker"
HTTP_PULL: Final = "http_pull"
NONE: Final = "none"
"""The consumer of the code was taken away."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer of a queue."""

    queue_id: str
    consumer_id: str
    kind: str
    environment: str
    options: ConsumerOptions
    created_us: int


class Consumers:
    """The table; every method runs inside a transaction of the caller's, who audits."""

    def find(self, transaction: StoreTransaction, queue_id: str) -> Attachment | None:
        """What the API said about the queue; None: nothing."""
        row = transaction.one("find_cloudflare_consumer", queue_id=queue_id)
        return None if row is None else _attachment(row)

    def all(self, transaction: StoreTransaction) -> dict[str, Attachment]:
        """Everything that it said, by queue id."""
        found = (_attachment(row) for row in transaction.all("list_cloudflare_consumers"))
        return {one.queue_id: one for one in found}

    def put(
        self,
        transaction: StoreTransaction,
        queue_id: str,
        kind: str,
        options: ConsumerOptions,
        now_us: int,
        *,
        environment: str = "",
    ) -> str:
        """Attach a new consumer in place of any other; returns its id."""
        consumer_id = new_id()
        transaction.run(
            "put_cloudflare_consumer", queue_id=queue_id, consumer_id=consumer_id, kind=kind, environment=environment,
            settings=msgspec.json.encode(options).decode(), now_us=now_us,
        )  # fmt: skip
        return consumer_id

    def change(
        self,
        transaction: StoreTransaction,
        queue_id: str,
        kind: str,
        options: ConsumerOptions,
        environment: str,
    ) -> bool:
        """Give the attached consumer other settings, its id staying; False when there is none."""
        settings = msgspec.json.encode(options).decode()
        return bool(
            transaction.run(
                "change_cloudflare_consumer",
                queue_id=queue_id,
                kind=kind,
                environment=environment,
                settings=settings,
            )
        )

    def forget(self, transaction: StoreTransaction, queue_id: str) -> None:
        """As if the API had said nothing."""
        transaction.run("delete_cloudflare_consumer", queue_id=queue_id)


def _attachment(row: dict[str, Any]) -> Attachment:
    options = msgspec.json.decode(row["settings"], type=ConsumerOptions)
    return Attachment(
        queue_id=row["queue_id"], consumer_id=row["consumer_id"], kind=row["kind"], environment=row["environment"],
        options=options, created_us=row["created_us"],
    )  # fmt: skip
