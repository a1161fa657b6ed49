"""The processor of `webhook_post`: one signed request to one subscriber (Standard Webhooks 1.0)."""

from typing import Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from postroom.delivery.http import retry_after_seconds
from postroom.delivery.webhooks.standard import secret_of, sign
from postroom.jobs.outcome import Done, Failed, JobContext, Outcome, RetryAfter
from postroom.kit.clock import MICROSECOND
from postroom.store import Store
from postroom.subscribers.addresses import AddressRefused, checked_addresses
from postroom.subscribers.announcing import WebhookJob
from postroom.subscribers.subscriptions import Subscriptions

TIMEOUT_SECONDS: Final = 15.0
GONE: Final = 410


class Poster:
    """Posts. `allow_local` lets http and loopback in, for the local environment."""

    def __init__(self, store: Store, subscriptions: Subscriptions, *, allow_local: bool = False) -> None:
        self._store = store
        self._subscriptions = subscriptions
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
            answer = await _post(found.url, addresses[0], headers, body)
        except AddressRefused as error:
            return await self._end(job, "refused", now_us, Failed(str(error), "address"))
        except httpx2.HTTPError as error:
            kind = type(error).__name__
            return await self._end(
                job, kind, now_us, RetryAfter(None, "the subscriber cannot be reached", kind)
            )
        code = str(answer.status_code)
        if 200 <= answer.status_code < 300:
            return await self._end(job, code, now_us, Done(code))
        if answer.status_code == GONE:
            await self._store.write(lambda t: self._subscriptions.activate(t, job.subscription_id, False))
            return await self._end(job, code, now_us, Failed("the subscriber wants no more", code))
        wait = retry_after_seconds(answer.headers, now_us)
        return await self._end(job, code, now_us, RetryAfter(wait, "the subscriber did not take it", code))

    async def _end(self, job: WebhookJob, code: str, now_us: int, outcome: Outcome) -> Outcome:
        ok = isinstance(outcome, Done)
        await self._store.write(lambda t: self._subscriptions.note(t, job.subscription_id, code, ok, now_us))
        return outcome


async def _post(url: str, address: str, headers: dict[str, str], body: bytes) -> httpx2.Response:
    """A request to the address that was checked, under the name that the URL has."""
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    target = parts._replace(netloc=f"{host}{port}").geturl()
    name = parts.hostname or ""
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        return await client.post(
            target,
            content=body,
            headers={**headers, "host": f"{name}{port}"},
            extensions={"sni_hostname": name},
        )
