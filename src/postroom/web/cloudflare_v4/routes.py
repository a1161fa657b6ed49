"""The table of endpoints: method, path, who may, whether it counts for the rate limit, and who answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from postroom.accounts import Permission
from postroom.web.cloudflare_v4 import (
    account,
    consumers,
    messages,
    peeking,
    pulling,
    purging,
    queues,
    scripts,
    subscriptions,
)
from postroom.web.cloudflare_v4.call import Call
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import NO_METHOD, NO_ROUTE, ApiError

Handler = Callable[[Call], Awaitable[Answer]]
P = Permission

ACCOUNT: Final = "accounts/{account}"
QUEUES: Final = f"{ACCOUNT}/queues"
QUEUE: Final = f"{QUEUES}/{{queue}}"
CONSUMERS: Final = f"{QUEUE}/consumers"
MESSAGES: Final = f"{QUEUE}/messages"
SUBSCRIPTIONS: Final = f"{ACCOUNT}/event_subscriptions/subscriptions"


class Route(NamedTuple):
    """One endpoint."""

    method: str
    path: str
    handler: Handler
    permission: Permission | None = None
    """None: for everybody who is let in."""
    counted: bool = True
    once: bool = False
    """Whether an `Idempotency-Key` is honoured: what is answered holds no contents."""


ROUTES: Final = (
    Route("POST", MESSAGES, messages.push, P.ENQUEUE, once=True),
    Route("POST", f"{MESSAGES}/batch", messages.push_batch, P.ENQUEUE, once=True),
    # Since April 2025 these two are not rate limited.
    Route("POST", f"{MESSAGES}/pull", pulling.pull, P.CONSUME, counted=False),
    Route("POST", f"{MESSAGES}/ack", pulling.ack, P.CONSUME, counted=False),
    Route("POST", f"{MESSAGES}/peek", peeking.peek, P.CONSUME),
    Route("POST", f"{MESSAGES}/preview", peeking.preview, P.CONSUME),
    Route("POST", f"{MESSAGES}/purge", peeking.purge, P.MANAGE_QUEUES),
    Route("GET", f"{QUEUE}/metrics", queues.metrics, P.SEE_STATUS),
    Route("GET", QUEUES, queues.page_of_queues, P.SEE_STATUS),
    Route("POST", QUEUES, queues.create, P.MANAGE_QUEUES),
    Route("GET", QUEUE, queues.get, P.SEE_STATUS),
    Route("PUT", QUEUE, queues.replace, P.MANAGE_QUEUES),
    Route("PATCH", QUEUE, queues.change, P.MANAGE_QUEUES),
    Route("DELETE", QUEUE, queues.delete, P.MANAGE_QUEUES),
    Route("POST", f"{QUEUE}/purge", purging.start, P.MANAGE_QUEUES),
    Route("GET", f"{QUEUE}/purge", purging.status, P.SEE_STATUS),
    Route("GET", CONSUMERS, consumers.list_all, P.SEE_STATUS),
    Route("POST", CONSUMERS, consumers.create, P.MANAGE_QUEUES),
    Route("GET", f"{CONSUMERS}/{{consumer}}", consumers.get, P.SEE_STATUS),
    Route("PUT", f"{CONSUMERS}/{{consumer}}", consumers.replace, P.MANAGE_QUEUES),
    Route("DELETE", f"{CONSUMERS}/{{consumer}}", consumers.delete, P.MANAGE_QUEUES),
    Route("GET", SUBSCRIPTIONS, subscriptions.page_of_subscriptions, P.SEE_STATUS),
    Route("POST", SUBSCRIPTIONS, subscriptions.create, P.MANAGE_QUEUES),
    Route("GET", f"{SUBSCRIPTIONS}/{{subscription}}", subscriptions.get, P.SEE_STATUS),
    Route("PATCH", f"{SUBSCRIPTIONS}/{{subscription}}", subscriptions.change, P.MANAGE_QUEUES),
    Route("DELETE", f"{SUBSCRIPTIONS}/{{subscription}}", subscriptions.delete, P.MANAGE_QUEUES),
    Route("GET", "user", account.user),
    Route("GET", "user/tokens/verify", account.verify),
    Route("GET", f"{ACCOUNT}/tokens/verify", account.verify),
    Route("GET", "memberships", account.memberships),
    Route("GET", "accounts", account.accounts),
    Route("GET", ACCOUNT, account.one),
    Route("GET", f"{ACCOUNT}/workers/services/{{script}}", scripts.service),
    Route("GET", f"{ACCOUNT}/workers/scripts", scripts.scripts),
    Route("GET", f"{ACCOUNT}/workers/scripts/{{script}}", scripts.refuse_code),
    Route("PUT", f"{ACCOUNT}/workers/scripts/{{script}}", scripts.refuse_upload),
    Route("POST", f"{ACCOUNT}/workers/scripts/{{script}}/versions", scripts.refuse_upload),
)
"""The hot ones first."""


class Table:
    """Finds the endpoint of a path."""

    def __init__(self, routes: Sequence[Route] = ROUTES) -> None:
        self._shapes: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            parts = tuple(route.path.split("/"))
            shapes = self._shapes.setdefault(len(parts), [])
            known = next((found for shape, found in shapes if shape == parts), None)
            if known is None:
                known = {}
                shapes.append((parts, known))
            known[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The endpoint, and what stands in its places; raises ApiError. `path` has no prefix."""
        given = path.strip("/").split("/")
        for shape, routes in self._shapes.get(len(given), ()):
            places: dict[str, str] = {}
            for want, part in zip(shape, given, strict=True):
                if want[0] == "{" and part:
                    places[want[1:-1]] = unquote(part)
                elif want != part:
                    break
            else:
                route = routes.get(method)
                if route is None:
                    allow = {"allow": ", ".join(sorted(routes))}
                    raise ApiError(
                        405, NO_METHOD, f"Method {method} not available for that URI.", headers=allow
                    )
                return route, places
        raise ApiError(
            404,
            NO_ROUTE,
            "Could not route to that path: it is not offered, or an identifier in it is invalid",
        )
