"""The processor of `webhook_post`: one signed request to one subscriber (Standard Webhooks 1.0).

One that does not take it is tried again over more than a day, as that standard advises; each try is a job of its own.
"""

import random
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2
import msgspec

from postroom.delivery.http import retry_after_seconds
from postroom.delivery.webhooks.standard import secret_of, sign
from postroom.jobs.outcome import Done, Failed, JobContext, Outcome
from postroom.kit.clock import MICROSECOND
from postroom.store import Store, StoreTransaction
from postroom.subscribers.addresses import AddressRefused, checked_addresses
from postroom.subscribers.announcing import Announcer, WebhookJob
from postroom.subscribers.subscriptions import Subscriptions

TIMEOUT_SECONDS: Final = 15.0
GONE: Final = 410
AGAIN_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
"""How long after each try the next one follows, at least."""
SPREAD: Final = 0.2
"""Share by which a wait may be longer, so that many failures do not return together."""


class _Answer(NamedTuple):
    """What a subscriber says; its body is not read."""

    status: int
    retry_after: float | None


class Poster:
    """Posts. `allow_local` lets http and loopback in, for the local environment."""

    def __init__(
        self, store: Store, subscriptions: Subscriptions, announcer: Announcer, *, allow_local: bool = False
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._announcer = announcer
        self._allow_local = allow_local

    async def __call__(self, job: WebhookJob, context: JobContext) -> Outcome:
        """2xx is done, 410 ends the subscription, everything else is tried again."""
        found = await self._store.read(lambda t: self._subscriptions.find(t, job.subscription_id))
        if found is None or not found.active:
            return Done("the subscription has ended")
        now_us = context.clock.now_us()
        body = msgspec.json.encode(job.payload, order="sorted")
        stamp = str(now_us // MICROSECOND)
        headers = {
            "content-type": "application/json", "webhook-id": job.event_id, "webhook-timestamp": stamp,
            "webhook-signature": sign(secret_of(found.secret), job.event_id, stamp, body), "user-agent": "Postroom",
        }  # fmt: skip
        try:
            addresses = await checked_addresses(found.url, allow_local=self._allow_local)
            answer = await _post(found.url, addresses[0], headers, body, now_us)
        except AddressRefused as error:
            return await self._end(job, "refused", now_us, Failed(str(error), "address"))
        except httpx2.HTTPError as error:
            kind = type(error).__name__
            return await self._again(job, kind, now_us, "the subscriber cannot be reached")
        code = str(answer.status)
        if 200 <= answer.status < 300:
            return await self._end(job, code, now_us, Done(code))
        if answer.status == GONE:
            await self._store.write(lambda t: self._subscriptions.activate(t, job.subscription_id, False))
            return await self._end(job, code, now_us, Failed("the subscriber wants no more", code))
        return await self._again(job, code, now_us, "the subscriber did not take it", answer.retry_after)

    async def _again(
        self, job: WebhookJob, code: str, now_us: int, reason: str, wait: float | None = None
    ) -> Outcome:
        """Note the failure and enqueue the next try; after the last one the event is a dead letter."""
        if job.tries > len(AGAIN_SECONDS):
            return await self._end(
                job, code, now_us, Failed(f"gave up after {job.tries} tries; {reason}", code)
            )
        usual = AGAIN_SECONDS[job.tries - 1] * random.uniform(1, 1 + SPREAD)
        seconds = max(usual, wait or 0.0)

        def note(transaction: StoreTransaction) -> None:
            self._subscriptions.note(transaction, job.subscription_id, code, False, now_us)
            self._announcer.tell_again(transaction, job, now_us, seconds)

        await self._store.write(note)
        return Done(f"{reason} ({code}); try {job.tries + 1} follows")

    async def _end(self, job: WebhookJob, code: str, now_us: int, outcome: Outcome) -> Outcome:
        ok = isinstance(outcome, Done)
        await self._store.write(lambda t: self._subscriptions.note(t, job.subscription_id, code, ok, now_us))
        return outcome


async def _post(url: str, address: str, headers: dict[str, str], body: bytes, now_us: int) -> _Answer:
    """A request to the address that was checked, under the name that the URL has."""
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    target = parts._replace(netloc=f"{host}{port}").geturl()
    name = parts.hostname or ""
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        request = client.build_request(
            "POST",
            target,
            content=body,
            headers={**headers, "host": f"{name}{port}"},
            extensions={"sni_hostname": name},
        )
        answer = await client.send(request, stream=True)
        # What a subscriber has to say may have no end.
        await answer.aclose()
        return _Answer(answer.status_code, retry_after_seconds(answer.headers, now_us))
