"""One request of the API: routed, admitted, counted, answered. Errors are raised; `app` announces and sends them."""

from typing import Final
from urllib.parse import parse_qs

from postroom.cloudflare import Catalogue
from postroom.cloudflare.account import is_account_id
from postroom.web.asgi import Receive, Scope, Send
from postroom.web.auth import IDEMPOTENCY_KEY, NOBODY, Gate, Headers, Identity, is_loopback, require
from postroom.web.bodies import read_body
from postroom.web.cloudflare_v4.call import Call
from postroom.web.cloudflare_v4.envelope import refuse, respond
from postroom.web.cloudflare_v4.errors import AUTHENTICATION, NO_CREDENTIALS, NO_ROUTE, ApiError
from postroom.web.cloudflare_v4.routes import Route, Table
from postroom.web.idempotency import Recorder, request_digest, send_kept
from postroom.web.problems import UNAUTHENTICATED, Refusal
from postroom.web.services import WebServices

PREFIX: Final = "/client/v4/"
BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""A batch has at most 256,000 bytes, of which JSON may write each as six (`\\u0041`)."""
EMAIL: Final = b"x-auth-email"
KEY: Final = b"x-auth-key"
OURS: Final = b"bearer pr_"


class CloudflareApi:
    """See the package."""

    def __init__(self, services: WebServices, gate: Gate) -> None:
        self._services = services
        self._gate = gate
        self._table = Table()
        self._catalogue = Catalogue(services.store, services.queues, services.account)

    async def __call__(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Answer one request; raises what `errors.error_of` understands."""
        route, places = self._table.find(scope["method"], scope["path"][len(PREFIX) :])
        await self.admit(scope, headers, route)
        if "account" in places:
            self._check_account(places["account"])
        body = b""
        if scope["method"] not in ("GET", "DELETE"):
            body = await read_body(receive, headers.get(b"content-length"), limit=BODY_BYTES_MAX)
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        call = Call(self._services, self._catalogue, places, query, body, scope["user"])
        if route.once and IDEMPOTENCY_KEY in headers:
            await self._once(headers[IDEMPOTENCY_KEY], scope, route, call, send)
        else:
            await respond(send, await route.handler(call))

    async def _once(self, given: bytes, scope: Scope, route: Route, call: Call, send: Send) -> None:
        """Of our own: a push with an `Idempotency-Key` is done once, so that a client may send it again."""
        idempotency, path = self._services.door.idempotency, scope["path"]
        key = idempotency.key(given, path, call.identity.name)
        known = await idempotency.claim(key, request_digest(path, b"", call.body))
        if known is not None:
            await send_kept(send, known)
            return
        recorder = Recorder(send)
        try:
            await respond(recorder, await route.handler(call))
        except Exception as error:
            await refuse(recorder, error)
            raise
        finally:
            await idempotency.keep(key, path, recorder.kept)

    async def admit(self, scope: Scope, headers: Headers, route: Route) -> None:
        """Who asks, if they may, and not too often; raises Refusal. Leaves them in the scope."""
        identity = await self.identify(scope, headers)
        self._count(identity, route)
        if route.permission is not None:
            require(identity, route.permission)

    async def identify(self, scope: Scope, headers: Headers) -> Identity:
        """Who asks; raises Refusal."""
        address = self._services.door.client.of(scope, headers)
        scope["user"] = NOBODY._replace(address=address, request_id=scope["request_id"])
        if b"authorization" not in headers and KEY in headers and EMAIL in headers:
            # The older way: an email and a key. A key is a token here; it has to be its owner's email.
            headers = {**headers, b"authorization": b"Bearer " + headers[KEY]}
        try:
            identity = await self._gate.admit(scope, headers, address)
        except Refusal as refusal:
            if refusal.kind == UNAUTHENTICATED and b"authorization" not in headers:
                raise ApiError(
                    400, NO_CREDENTIALS, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"
                ) from None
            if not (refusal.kind == UNAUTHENTICATED and self._anybody(headers)):
                raise
            # Whoever sits at a developer's machine needs no token; clients of Cloudflare cannot be without one.
            without = {name: value for name, value in headers.items() if name != b"authorization"}
            identity = await self._gate.admit(scope, without, address)
        await self._check_email(headers, identity)
        identity = identity._replace(request_id=scope["request_id"])
        scope["user"] = identity
        return identity

    def _anybody(self, headers: Headers) -> bool:
        """Locally, a token that cannot be one of ours stands for none."""
        return self._services.local and not headers.get(b"authorization", b"").lower().startswith(OURS)

    async def _check_email(self, headers: Headers, identity: Identity) -> None:
        if KEY not in headers or EMAIL not in headers or identity.user_id is None:
            return
        users, given = self._services.accounts.users, headers[EMAIL].decode("latin-1")
        owner = await self._services.store.read(lambda t: users.by_email(t, given))
        if owner is None or owner.id != identity.user_id:
            raise ApiError(403, AUTHENTICATION, "Authentication error: X-Auth-Email is not that of the key")

    def _count(self, identity: Identity, route: Route) -> None:
        address = identity.address
        if not route.counted or (self._services.local and address is not None and is_loopback(address)):
            return
        self._services.door.limits.take("cloudflare", identity.name)

    def _check_account(self, given: str) -> None:
        account = self._services.account
        if account.owns(given):
            return
        if not is_account_id(given):
            raise ApiError(
                404, NO_ROUTE, "Could not route to that path, perhaps your object identifier is invalid?"
            )
        raise ApiError(
            403, AUTHENTICATION, f"Authentication error: this Postroom has one account, {account.id}"
        )
