"""Calls to HTTP providers: one pooled client, explicit timeouts, no retries of its own, and losses as values.

What matters to the caller is how far a call had come when it was lost: before the request's bytes left it is
certainly unsent, after that nobody knows.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import httpx2
import msgspec

from postroom.delivery.outcome import Failover, Outcome, Verdict
from postroom.kit.clock import MICROSECOND, to_us

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0
"""For the answer once the request is sent; a short one makes duplicates."""
CONNECTIONS_MAX: Final = 50

Stage: TypeAlias = Literal["connect", "exchange"]


class Reply(NamedTuple):
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> object:
        """The body as JSON; None where it is none, since proxies answer in HTML."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Loss(NamedTuple):
    """No answer."""

    stage: Stage
    """connect: nothing was sent; exchange: the request may have arrived."""
    timeout: bool = False

    def outcome(self) -> Outcome:
        """What it means for a call that sends a message."""
        if self.stage == "connect":
            detail = "the provider cannot be reached"
            return Outcome(Verdict.REJECTED_TEMPORARY, detail=detail, elsewhere=Failover.NOW)
        why = "no answer came in time" if self.timeout else "the connection was lost"
        return Outcome(
            Verdict.UNKNOWN, detail=f"{why} after the request was sent, so it may have been accepted"
        )


class HttpClient:
    """A pooled client; open it in the loop that uses it. It follows no redirects and reads no environment."""

    def __init__(
        self,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        connections: int = CONNECTIONS_MAX,
    ) -> None:
        self._timeout = httpx2.Timeout(
            connect=connect_seconds, read=read_seconds, write=read_seconds, pool=read_seconds
        )
        self._limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client: httpx2.AsyncClient | None = None

    async def open(self) -> None:
        """Get ready; a second call changes nothing."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                timeout=self._timeout, limits=self._limits, trust_env=False, follow_redirects=False
            )

    async def close(self) -> None:
        """Close what is open; a second call changes nothing."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply | Loss:
        """One request, once. Raises RuntimeError when it is not open."""
        if self._client is None:
            raise RuntimeError("the HTTP client is not open; await open() first")
        try:
            reply = await self._client.request(method, url, headers=headers, content=content, auth=auth)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol):
            return Loss("connect")
        except httpx2.TimeoutException:
            return Loss("exchange", timeout=True)
        except httpx2.HTTPError:
            return Loss("exchange")
        return Reply(reply.status_code, reply.headers, reply.content)


def retry_after_seconds(headers: Mapping[str, str], now_us: int) -> float | None:
    """What a Retry-After asks for, as seconds or as an HTTP date (RFC 9110 10.2.3), clamped to a day; else None."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit() and len(given) < 10:
        return float(min(int(given), 86_400))
    try:
        seconds = (to_us(parsedate_to_datetime(given)) - now_us) / MICROSECOND
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), 86_400.0)
