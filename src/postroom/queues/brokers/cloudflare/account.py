"""The account's queues as the broker needs them: ids by name, made where they may be, with a puller each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from postroom.kit.clock import to_us
from postroom.kit.cloudflare import CloudflareClient, CloudflareRefused, CloudflareUnreachable, Page
from postroom.queues.broker import Backlog, QueueInfo
from postroom.queues.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    QueueError,
    QueueNotFound,
    StorageFull,
)
from postroom.queues.limits import RETRIES_MAX, VISIBILITY_MS_DEFAULT
from postroom.queues.options import QueueOptions

NOT_FOUND: Final = frozenset({10104, 11000})
STORAGE_FULL: Final = 10251
AUTHENTICATION: Final = frozenset({9106, 9109, 10000, 10023, 10106})
EXISTS: Final = frozenset({11004, 11009})
PULLER: Final = {
    "type": "http_pull",
    # Retries are counted by the consumer in Python; the service must not give up before it.
    "settings": {
        "batch_size": 100,
        "max_retries": RETRIES_MAX,
        "visibility_timeout_ms": VISIBILITY_MS_DEFAULT,
    },
}


class Directory:
    """Finds and makes queues; remembers their ids until one is not found."""

    def __init__(self, client: CloudflareClient, *, create_queues: bool) -> None:
        self._client = client
        self._create_queues = create_queues
        self._ids: dict[str, str] = {}
        self.delays: dict[str, int] = {}
        """The queues' own delays in seconds, as they were last seen."""

    async def ask(self, queue: str, method: str, path: str, body: Any = None, *, create: bool = False) -> Any:
        """A request about a queue; `path` is below it. Raises QueueError."""
        for fresh in (False, True):
            queue_id = await self.id(queue, create=create)
            try:
                return (await self._client.ask(method, f"queues/{queue_id}{path}", body)).result
            except (CloudflareRefused, CloudflareUnreachable) as error:
                gone = isinstance(error, CloudflareRefused) and error.code in NOT_FOUND
                if not gone or fresh:
                    raise in_our_words(error, queue) from error
                # Deleted, perhaps made anew under the same name.
                self.forget(queue)
        raise AssertionError("unreachable")

    async def id(self, queue: str, *, create: bool = False) -> str:
        """The queue's id; raises QueueNotFound, unless it may be made."""
        known = self._ids.get(queue)
        if known is not None:
            return known
        found = await self.find(queue)
        if found is None:
            if not (create or self._create_queues):
                raise QueueNotFound(queue, tuple(await self.names()))
            await self.create(queue)
            return self._ids[queue]
        self._ids[queue] = found["queue_id"]
        self.delays[queue] = info_of(found, Backlog(0, 0, None)).options.delivery_delay
        return self._ids[queue]

    def forget(self, queue: str) -> None:
        """Ask anew."""
        self._ids.pop(queue, None)

    async def find(self, queue: str) -> Mapping[str, Any] | None:
        """The queue of that name, as the service shows it."""
        page = await self._request("GET", "queues", query={"name": queue, "page": 1})
        return next((one for one in page.result or [] if one["queue_name"] == queue), None)

    async def names(self) -> list[str]:
        """Every queue's, sorted."""
        try:
            found = await self._client.all("queues")
        except (CloudflareRefused, CloudflareUnreachable) as error:
            raise in_our_words(error, "") from error
        return sorted(one["queue_name"] for one in found)

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue that is pulled, or change its settings; True when it is new."""
        found, new = await self.find(queue), False
        if found is None:
            body = {"queue_name": queue, "settings": settings_of(options or QueueOptions())}
            try:
                found, new = (await self._client.ask("POST", "queues", body)).result, True
            except CloudflareRefused as error:
                # Somebody else was quicker.
                found = await self.find(queue) if error.code in EXISTS else None
                if found is None:
                    raise in_our_words(error, queue) from error
            except CloudflareUnreachable as error:
                raise in_our_words(error, queue) from error
        elif options is not None:
            body = {"queue_name": queue, "settings": settings_of(options)}
            await self._request("PATCH", f"queues/{found['queue_id']}", body)
        self._ids[queue] = found["queue_id"]
        if options is not None:
            self.delays[queue] = options.delivery_delay
        if not found.get("consumers"):
            try:
                await self._client.ask("POST", f"queues/{found['queue_id']}/consumers", PULLER)
            except (CloudflareRefused, CloudflareUnreachable) as error:
                if not (isinstance(error, CloudflareRefused) and error.code in EXISTS):
                    raise in_our_words(error, queue) from error
        return new

    async def delete(self, queue: str) -> bool:
        """Remove a queue; False when there was none."""
        found = await self.find(queue)
        if found is None:
            return False
        await self._request("DELETE", f"queues/{found['queue_id']}")
        self.forget(queue)
        return True

    async def _request(self, method: str, path: str, body: Any = None, **options: Any) -> Page:
        try:
            return await self._client.ask(method, path, body, **options)
        except (CloudflareRefused, CloudflareUnreachable) as error:
            raise in_our_words(error, "") from error


def settings_of(options: QueueOptions) -> dict[str, int]:
    """A queue's settings as the service has them."""
    return {
        "delivery_delay": options.delivery_delay,
        "message_retention_period": options.message_retention_period,
    }


def info_of(found: Mapping[str, Any], backlog: Backlog) -> QueueInfo:
    """A queue as the service shows it; it does not tell what is ready from what is delayed or in flight."""
    settings = found.get("settings") or {}
    options = QueueOptions(
        delivery_delay=int(settings.get("delivery_delay") or 0),
        message_retention_period=int(
            settings.get("message_retention_period") or QueueOptions().message_retention_period
        ),
    )
    created = msgspec.convert(found["created_on"], datetime)
    return QueueInfo(
        found["queue_name"], options, bool(settings.get("delivery_paused")), to_us(created), backlog,
        ready=backlog.messages, delayed=0, in_flight=0,
    )  # fmt: skip


def backlog_of(metrics: Mapping[str, Any] | None) -> Backlog:
    """The service's figures; it counts what is not acknowledged, best effort."""
    if not metrics:
        return Backlog(0, 0, None)
    oldest_ms = int(metrics.get("oldest_message_timestamp_ms") or 0)
    return Backlog(
        int(metrics["backlog_count"]), int(metrics["backlog_bytes"]), oldest_ms * 1000 if oldest_ms else None
    )


def in_our_words(error: CloudflareRefused | CloudflareUnreachable, queue: str) -> QueueError:
    """An error of the service as one of ours."""
    if isinstance(error, CloudflareUnreachable):
        return BrokerUnavailable(str(error))
    if error.code in NOT_FOUND:
        return QueueNotFound(queue)
    if error.code == STORAGE_FULL:
        return StorageFull(str(error))
    if error.code in AUTHENTICATION:
        return ConfigurationError(
            f"{error}; check the token and its permissions with `postroom cloudflare check`", key="token"
        )
    return BrokerUnavailable(str(error)) if error.status >= 429 else BrokerError(str(error))
