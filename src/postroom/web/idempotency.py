"""`Idempotency-Key`: the same POST again is answered as the first one was, and done once.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ . Answers to who asked and which key are kept
for a day; failures of ours and refusals for being too many are not. A key whose request never came to an end (the process
died) may be used again after `CLAIM_SECONDS`.
"""

import hashlib
import re
from typing import Any, Final, NamedTuple

import msgspec

from postroom.kit.clock import MICROSECOND, Clock
from postroom.store import Store, StoreTransaction
from postroom.store.vault import Sealing
from postroom.web.asgi import Header, Message, Receive, Send
from postroom.web.problems import PARAMETER_INVALID, FieldProblem, Kind, Refusal

KEPT_SECONDS: Final = 86_400
CLAIM_SECONDS: Final = 60
SWEPT_MAX: Final = 100
"""Old keys removed with each new one, at most."""
BODY_BYTES_MAX: Final = 64 * 1024
KEPT_HEADERS: Final = frozenset({b"content-type", b"location", b"etag"})
SECRET_PATHS: Final = ("/api/session",)
"""What they do is not for a second time: a session is the browser's that began it."""
SHOWN_ONCE: Final = frozenset({"token", "secret"})
"""Fields of answers that are shown once and never stored: the second answer is without them."""
SHOWS_ONCE: Final = ("/api/tokens", "/api/webhooks")
_KEY: Final = re.compile(rb"[!-~]{1,255}")

IN_PROGRESS: Final = Kind("idempotency-in-progress", 409, "The first request with this key is being answered")
KEY_REUSED: Final = Kind("idempotency-key-reused", 422, "The key was used for another request")


class Kept(NamedTuple):
    """An answer that was given."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Idempotency:
    """Keeps answers by key."""

    def __init__(self, store: Store, clock: Clock, vault: Sealing) -> None:
        """`vault` seals the answers: a preview may be one."""
        self._store = store
        self._clock = clock
        self._vault = vault

    def key(self, given: bytes, path: str, who: str) -> str:
        """What the store knows it by; raises Refusal for a key that cannot be one."""
        if _KEY.fullmatch(given) is None:
            raise Refusal(
                PARAMETER_INVALID,
                errors=[FieldProblem("Idempotency-Key", "must have 1 to 255 visible ASCII characters")],
            )
        if path.startswith(SECRET_PATHS):
            reason = "cannot be used here: signing in again begins another session"
            raise Refusal(PARAMETER_INVALID, errors=[FieldProblem("Idempotency-Key", reason)])
        return hashlib.sha256(who.encode() + b"\0" + given).hexdigest()

    async def claim(self, key: str, request_sha256: str) -> Kept | None:
        """Begin to answer, or the answer that was given. Raises Refusal."""
        now_us = self._clock.now_us()
        known = await self._store.write(lambda t: _claim(t, key, request_sha256, now_us))
        return None if known is None else known._replace(body=self._vault.open_body(known.body))

    async def keep(self, key: str, path: str, kept: Kept) -> None:
        """Remember the answer; one that should be tried again gives the key free."""
        if path.startswith(SHOWS_ONCE):
            kept = kept._replace(body=_without_secrets(kept.body))
        if kept.status >= 500 or kept.status == 429 or len(kept.body) > BODY_BYTES_MAX:
            await self._store.write(lambda t: t.run("release_idempotency_key", key=key))
            return
        headers = msgspec.json.encode(
            [(name.decode(), value.decode("latin-1")) for name, value in kept.headers]
        )
        await self._store.write(
            lambda t: t.run(
                "keep_idempotency_answer",
                key=key,
                status=kept.status,
                headers=headers.decode(),
                body=self._vault.seal_body(kept.body),
            )
        )


class Recorder:
    """Passes an answer on and keeps a copy."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 500
        self._headers: tuple[Header, ...] = ()
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """Pass an ASGI message on."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple(pair for pair in message["headers"] if pair[0].lower() in KEPT_HEADERS)
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
        await self._send(message)

    @property
    def kept(self) -> Kept:
        """The answer."""
        return Kept(self._status, self._headers, b"".join(self._parts))


def _without_secrets(body: bytes) -> bytes:
    found = msgspec.json.decode(body) if body else None
    if not isinstance(found, dict) or SHOWN_ONCE.isdisjoint(found):
        return body
    return msgspec.json.encode({name: value for name, value in found.items() if name not in SHOWN_ONCE})


def request_digest(path: str, query: bytes, body: bytes) -> str:
    """What makes two requests the same."""
    return hashlib.sha256(b"\0".join((path.encode(), query, body))).hexdigest()


def replay(body: bytes) -> Receive:
    """A body that was read already, to be read again."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def send_kept(send: Send, kept: Kept) -> None:
    """Give the answer again."""
    headers = [*kept.headers, (b"content-length", b"%d" % len(kept.body)), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body})


def _claim(transaction: StoreTransaction, key: str, request_sha256: str, now_us: int) -> Kept | None:
    transaction.lock(f"idempotency/{key}")
    row: dict[str, Any] | None = transaction.one("find_idempotency_key", key=key)
    if row is not None and now_us - row["claimed_us"] > KEPT_SECONDS * MICROSECOND:
        row = None
    if row is not None and row["request_sha256"] != request_sha256:
        raise Refusal(KEY_REUSED, "Give each request a key of its own.")
    if row is not None and row["status"] is not None:
        headers = tuple(
            (name.encode(), value.encode("latin-1")) for name, value in msgspec.json.decode(row["headers"])
        )
        return Kept(row["status"], headers, bytes(row["body"]))
    if row is not None and now_us - row["claimed_us"] < CLAIM_SECONDS * MICROSECOND:
        raise Refusal(IN_PROGRESS, "Try again in a moment.", headers={"retry-after": "1"})
    transaction.run("claim_idempotency_key", key=key, request_sha256=request_sha256, now_us=now_us)
    transaction.run("forget_idempotency_keys", oldest_us=now_us - KEPT_SECONDS * MICROSECOND, limit=SWEPT_MAX)
    return None
