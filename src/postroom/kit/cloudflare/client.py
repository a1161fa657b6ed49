"""The client: requests, their retries, and what came back.

A request that was certainly not carried out (no connection, 429, 503) is tried again, and so is one whose outcome is
unknown (a lost answer, 5xx): a push may then be there twice at Cloudflare, which promises at-least-once anyway; a
Postroom on the other side knows it again by its `Idempotency-Key`. A 409 is not tried again: a paused queue stays paused.
https://developers.cloudflare.com/fundamentals/api/reference/limits/
"""

import random
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import httpx2
import msgspec

from postroom.kit.clock import Clock
from postroom.kit.ids import new_id

BASE_URL: Final = "https://api.cloudflare.com/client/v4"
TRIES_MAX: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 30.0
"""Also the longest Retry-After that is waited for; a longer one is told to the caller."""
TIMEOUT_SECONDS: Final = 30.0
CONNECTIONS_MAX: Final = 20
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500


class CloudflareError(Exception):
    """A request failed for good."""


class CloudflareRefused(CloudflareError):
    """It was answered with an error: HTTP status, Cloudflare's code, its message."""

    def __init__(self, status: int, code: int, message: str, what: str) -> None:
        super().__init__(f"{what} was answered {status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class CloudflareUnreachable(CloudflareError):
    """No answer came, or none that makes sense."""


class Page(NamedTuple):
    """A result, and how many there are in all."""

    result: Any
    total: int | None


class _Notice(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Info(msgspec.Struct):
    total_count: int | None = None


class _Envelope(msgspec.Struct):
    success: bool
    errors: list[_Notice] | None = None
    result: Any = None
    result_info: _Info | None = None


_decode = msgspec.json.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode


class CloudflareClient:
    """Requests to one account. Open and close it, or use it in `async with`."""

    def __init__(self, account_id: str, token: str, clock: Clock, *, base_url: str = BASE_URL) -> None:
        self.account_id = account_id
        self.base_url = base_url.rstrip("/")
        self._clock = clock
        self._token = token
        self._http: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"CloudflareClient({self.account_id!r}, {self.base_url!r})"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Make the pool; connections are made when they are needed."""
        limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        self._http = httpx2.AsyncClient(
            limits=limits, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def ask(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | None = None
    ) -> Page:
        """One request, tried again where that may help; `path` is below the account unless it begins with a slash.

        Raises CloudflareRefused and CloudflareUnreachable.
        """
        url = f"{self.base_url}{path if path.startswith('/') else f'/accounts/{self.account_id}/{path}'}"
        content = None if body is None else _encode(body)
        # Every try of a request has the same key, and every request another.
        headers = {"idempotency-key": new_id()} if method == "POST" else {}
        pause = FIRST_PAUSE_SECONDS
        for last in (*[False] * (TRIES_MAX - 1), True):
            wait: float | None = None
            try:
                with self._clock.working():
                    answer = await self._client().request(
                        method, url, content=content, headers=headers, params=query
                    )
            except httpx2.HTTPError as error:
                if last:
                    raise CloudflareUnreachable(
                        f"{method} {path} got no answer from {self.base_url}: {type(error).__name__}"
                    ) from error
            else:
                if answer.status_code != TOO_MANY and answer.status_code < SERVER_ERRORS:
                    return _read(answer, f"{method} {path}")
                wait = _seconds(answer.headers.get("retry-after"))
                if last or (wait is not None and wait > PAUSE_SECONDS_MAX):
                    return _read(answer, f"{method} {path}")
            # Full jitter, so that those who were refused together do not come back together.
            await self._clock.sleep(max(wait or 0.0, random.uniform(0, pause)))
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
        raise AssertionError("unreachable")

    async def all(self, path: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        """Every page of a list."""
        found: list[Any] = []
        number = 1
        while True:
            page = await self.ask("GET", path, query={**(query or {}), "page": number})
            found += page.result or []
            if not page.result or page.total is None or len(found) >= page.total:
                return found
            number += 1

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            raise CloudflareUnreachable("the client is closed")
        return self._http


def _read(answer: httpx2.Response, what: str) -> Page:
    if not answer.content and answer.is_success:
        return Page(None, None)
    try:
        envelope = _decode(answer.content)
    except msgspec.DecodeError as error:
        raise CloudflareUnreachable(
            f"{what} was answered {answer.status_code} with something that is not Cloudflare's"
        ) from error
    if not envelope.success:
        first = (envelope.errors or [_Notice()])[0]
        raise CloudflareRefused(answer.status_code, first.code, first.message, what)
    info = envelope.result_info
    return Page(envelope.result, None if info is None else info.total_count)


def _seconds(given: str | None) -> float | None:
    return float(given) if given and given.isascii() and given.isdigit() and len(given) < 7 else None
