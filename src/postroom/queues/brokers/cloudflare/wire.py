"""From a message to what the service takes, and back.

The service keeps a body, its content type and nothing else, and over HTTP it takes text and JSON only. So a message
goes in an envelope: `{"$postroom": {"id", "sent", "type", ...}, "body": ...}`. One without is
understood as well: it comes from a producer that is not a Postroom, and has the service's id.
"""

import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from postroom.kit.clock import MICROSECOND
from postroom.queues.broker import NORMAL, Browsed, Leased, Outgoing
from postroom.queues.errors import MessageTooLarge
from postroom.queues.limits import BATCH_BYTES_MAX, BATCH_COUNT_MAX, MESSAGE_BYTES_MAX

CONTENT_TYPE: Final = "CF-Content-Type"
MARK: Final = b'{"$postroom":'
ROOM: Final = 1_000
"""Bytes of a batch that are left for what the service counts too."""


class _Head(msgspec.Struct, omit_defaults=True):
    id: str
    sent: int
    type: str = "json"
    priority: int = NORMAL
    attempts: int = 0
    """Deliveries before it was sent anew."""
    due: int = 0
    """When it is to be delivered, if it was delayed."""
    meta: Any = None


class _Enveloped(msgspec.Struct):
    head: _Head = msgspec.field(name="$postroom")
    body: msgspec.Raw


_read = msgspec.json.Decoder(_Enveloped).decode
_read_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class Parcel(msgspec.Struct, frozen=True):
    """A message as it is pushed."""

    item: Mapping[str, Any]
    size: int


def pack(message: Outgoing, *, enveloped: bool, delay_us: int | None = None, attempts: int = 0) -> Parcel:
    """A message for the service; raises MessageTooLarge. `delay_us` goes before the message's own."""
    kind = message.content_type
    if enveloped or message.meta is not None or attempts or kind == "bytes":
        meta = None if message.meta is None else msgspec.Raw(message.meta)
        wait_us = message.delay_us if delay_us is None else delay_us
        due_us = message.sent_us + wait_us if wait_us else 0
        head = _Head(message.id, message.sent_us, kind, message.priority, attempts, due_us, meta)
        inner = msgspec.Raw(message.body) if kind == "json" else msgspec.Raw(_encode(_as_text(message)))
        body = _encode(_Enveloped(head, inner))
        kind = "json"
    else:
        body = message.body
    if len(body) > MESSAGE_BYTES_MAX:
        raise MessageTooLarge(
            f"message length of {len(body)} bytes, as it goes to Cloudflare, exceeds limit of {MESSAGE_BYTES_MAX}",
            size=len(body), limit=MESSAGE_BYTES_MAX,
        )  # fmt: skip
    item: dict[str, Any] = {
        "body": msgspec.Raw(body) if kind == "json" else body.decode(),
        "content_type": kind,
    }
    delay_us = message.delay_us if delay_us is None else delay_us
    if delay_us is not None:
        # The service counts whole seconds, and too late is better than too early.
        item["delay_seconds"] = -(-delay_us // MICROSECOND)
    return Parcel(item, len(body))


def batches(parcels: Sequence[Parcel]) -> Iterator[list[Mapping[str, Any]]]:
    """In as few requests as the service allows."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for parcel in parcels:
        if batch and (len(batch) == BATCH_COUNT_MAX or size + parcel.size > BATCH_BYTES_MAX - ROOM):
            yield batch
            batch, size = [], 0
        batch.append(parcel.item)
        size += parcel.size
    if batch:
        yield batch


def leased(message: Mapping[str, Any], token: int) -> Leased:
    """A pulled message. Whether a delivery before it lapsed or was a retry, the service does not tell."""
    kind, data, head = _unpack(message)
    attempts = int(message["attempts"])
    if head is None:
        return Leased(
            message["lease_id"], token, message["id"], data, kind, NORMAL, int(message["timestamp_ms"]) * 1000,
            attempts, None,
        )  # fmt: skip
    meta = None if head.meta is None else _encode(head.meta)
    return Leased(
        message["lease_id"], token, head.id, data, kind, head.priority, head.sent, attempts + head.attempts, meta,
    )  # fmt: skip


def ready_us(message: Mapping[str, Any]) -> int:
    """Since when a pulled message is there, as far as it tells; of a retried one nobody knows."""
    _, _, head = _unpack(message)
    if head is None or int(message["attempts"]) > 1:
        return sys.maxsize
    return head.due or head.sent


def browsed(message: Mapping[str, Any]) -> Browsed:
    """A peeked message."""
    kind, data, head = _unpack(message)
    attempts, sent_us = int(message["attempts"]), int(message["timestamp_ms"]) * 1000
    if head is None:
        return Browsed(
            message["ref"], message["id"], data, kind, NORMAL, sent_us, attempts, sent_us, False, None
        )
    meta = None if head.meta is None else _encode(head.meta)
    return Browsed(
        message["ref"],
        head.id,
        data,
        kind,
        head.priority,
        head.sent,
        attempts + head.attempts,
        sent_us,
        False,
        meta,
    )


def _unpack(message: Mapping[str, Any]) -> tuple[str, bytes, _Head | None]:
    kind = (message.get("metadata") or {}).get(CONTENT_TYPE, "json")
    data = message["body"].encode() if kind == "text" else b64decode(message["body"])
    if not data.startswith(MARK):
        return kind, data, None
    try:
        found = _read(data)
        if found.head.type == "json":
            return "json", bytes(found.body), found.head
        text = _read_text(found.body)
    except msgspec.DecodeError:
        # It only looks like ours.
        return kind, data, None
    return found.head.type, b64decode(text) if found.head.type == "bytes" else text.encode(), found.head


def _as_text(message: Outgoing) -> str:
    return b64encode(message.body).decode() if message.content_type == "bytes" else message.body.decode()
