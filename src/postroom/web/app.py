"""The ASGI application: a thin path to the two hottest endpoints, Litestar for all the rest.

    request ─┬► where from? ─► how often? ─► who is it? ─┬─ POST /api/enqueue-job, -batch ─► Intake
             │       │              │             │      └─ everything else ───────────────► Litestar
             │       └──────────────┴─────────────┴─► problem details for whatever went wrong
             └► /client/v4/ ─► CloudflareApi, which asks the same questions and answers in Cloudflare's words

The thin path takes 14 µs of Python where Litestar takes 51 (measured on the 2-core test machine without server
and store). Both go through the same gate, the same `Intake` and the same `problem_of`, so that their answers
differ in nothing.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, Response
from litestar.di import Provide

from postroom.accounts import Permission
from postroom.kit.tracing import NoTracer
from postroom.web import portal, unsubscribe
from postroom.web.api import (
    alerts,
    audit,
    enqueue,
    events,
    exports,
    jobs,
    message_lists,
    messages,
    monitoring,
    operations,
    queues,
    redrive,
    schedules,
    session,
    suppressions,
    templates,
    unclear,
    users,
    webhooks,
)
from postroom.web.asgi import Application, Receive, Scope, Send
from postroom.web.auth import (
    IDEMPOTENCY_KEY,
    NOBODY,
    SAFE,
    Gate,
    Headers,
    Identity,
    is_loopback,
    read_headers,
    require,
)
from postroom.web.bodies import BODY_BYTES_MAX, Disconnected, read_body
from postroom.web.cloudflare_v4 import PREFIX as CLOUDFLARE
from postroom.web.cloudflare_v4 import CloudflareApi
from postroom.web.cloudflare_v4 import refuse as refuse_cloudflare
from postroom.web.cloudflare_v4.errors import error_of
from postroom.web.cors import answer_headers, preflight
from postroom.web.dashboard import assets, live, operating, preferences, signing_in
from postroom.web.dashboard.forms import check_token, read_form
from postroom.web.dashboard.live import Feed
from postroom.web.dashboard.paths import SIGN_IN as PAGE_SIGN_IN
from postroom.web.dashboard.paths import STATIC, is_open, is_page
from postroom.web.dashboard.refusing import is_redirect, refuse_page
from postroom.web.dashboard.rendering import template_config
from postroom.web.dashboard.reviewers import inbox, review
from postroom.web.dashboard.staff import composing, message, mine
from postroom.web.debug import delivery, sending, status
from postroom.web.dependencies import Asked
from postroom.web.envelope import Envelope, request_id
from postroom.web.events import RequestDenied, RequestFailed
from postroom.web.health import OPEN_PATHS, health, ready
from postroom.web.idempotency import Recorder, replay, request_digest, send_kept
from postroom.web.openapi.document import openapi_config
from postroom.web.path_classes import PathClasses
from postroom.web.people import refusal_of
from postroom.web.problems import MEDIA_TYPE, UNAVAILABLE, Refusal, encode, problem_of
from postroom.web.services import WebServices
from postroom.web.webhooks import PREFIX as WEBHOOKS
from postroom.web.webhooks import Inlet

REQUESTS_MAX: Final = 1000
"""Requests answered at once; more are told to come again, so that memory has a bound."""
DENIED: Final = (401, 403, 429)
FAILED_FROM: Final = 500

SIGN_IN: Final = "/api/session"
PUBLIC: Final = ("/webhooks/", "/u/", "/p/")
"""Paths that show who they are for by a signature of their own: callbacks, unsubscribing, the portal."""

PARTS: Final = (
    exports, schedules, monitoring, operations, alerts, message_lists, messages, templates, suppressions, webhooks,
    unclear, events, users, session, audit, delivery, unsubscribe, portal, assets, preferences, signing_in,
    live, composing, mine, message, inbox, review, operating,
)  # fmt: skip
"""Modules whose `HANDLERS` are served."""

_encode = msgspec.json.Encoder().encode


def create_app(services: WebServices) -> Application:
    """The ASGI application; it opens and closes nothing of what it is given."""
    return App(services, _litestar(services))


class App:
    """See the module."""

    def __init__(self, services: WebServices, litestar: Litestar) -> None:
        intake = enqueue.Intake(services)
        self._thin = {enqueue.ENQUEUE_JOB: intake.job, enqueue.ENQUEUE_BATCH: intake.batch}
        self._litestar = cast(Application, litestar)
        self._services = services
        self._inlet = Inlet(services)
        patterns = (route.path for route in litestar.routes)
        self._classes = PathClasses(patterns, services.inbox.receivers)
        self._gate = services.gate or Gate(services)
        self._cloudflare = CloudflareApi(services, self._gate)
        self._door = services.door
        self._events = services.queues.events
        self._local = services.local
        tracer = services.store.tracer
        self._tracer = None if isinstance(tracer, NoTracer) else tracer
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._litestar(scope, receive, send)
            return
        headers = read_headers(scope, self._gate.issuer_header)
        id_ = request_id(headers.get(b"x-request-id"))
        scope["request_id"] = id_
        envelope = Envelope(send, id_, answer_headers(headers, self._door.cors_origins), hsts=self._door.hsts)
        self._running += 1
        try:
            if self._tracer is None:
                await self._answer(scope, headers, receive, envelope)
            else:
                await self._traced(scope, headers, receive, envelope)
        except Disconnected:
            return
        except Exception as error:
            refusal = refusal_in(scope, error)
            page = is_page(scope["path"])
            if not (page and is_redirect(scope, refusal)):
                self._announce(refusal, error, id_, scope)
            if not envelope.started:
                if page:
                    await refuse_page(envelope, scope, self._services, refusal, id_)
                else:
                    await refuse_in(scope, envelope, refusal)
        finally:
            self._running -= 1

    async def _traced(self, scope: Scope, headers: Headers, receive: Receive, send: Envelope) -> None:
        """Answer within a span by the class of path; the client's own trace goes on."""
        assert self._tracer is not None
        trace = {name: value.decode("latin-1") for name, value in _trace_headers(scope)}
        name = f"{scope['method']} {self._classes.of(scope['path'])}"
        with self._tracer.request(name, trace) as span:
            try:
                await self._answer(scope, headers, receive, send)
            except Exception as error:
                refusal = refusal_in(scope, error)
                span.note({"status": refusal.kind.status})
                if refusal.kind.status >= FAILED_FROM:
                    span.fail(type(error).__name__, error)
                raise

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Envelope) -> None:
        if self._running > REQUESTS_MAX:
            raise Refusal(UNAVAILABLE, "Too many requests at once.", headers={"retry-after": "1"})
        if self._door.cors_origins:
            allowed = preflight(scope, headers, self._door.cors_origins)
            if allowed is not None:
                await send({"type": "http.response.start", "status": 204, "headers": list(allowed)})
                await send({"type": "http.response.body", "body": b""})
                return
        path, post = scope["path"], scope["method"] == "POST"
        if path.startswith(CLOUDFLARE):
            await self._cloudflare(scope, headers, receive, send)
            return
        thin = self._thin.get(path) if post else None
        identity = scope["user"] = await self._admit(scope, headers, path, thin is not None)
        if is_page(path):
            await self._page(scope, headers, receive, send, identity)
        elif post and IDEMPOTENCY_KEY in headers and not path.startswith(PUBLIC):
            await self._once(scope, headers, receive, send, identity)
        elif thin is not None:
            body = await read_body(receive, headers.get(b"content-length"))
            await _send_answer(send, await thin(body, identity.actor))
        elif path.startswith(WEBHOOKS):
            await self._inlet(scope, receive, send)
        else:
            await self._litestar(scope, receive, send)

    async def _page(
        self, scope: Scope, headers: Headers, receive: Receive, send: Envelope, identity: Identity
    ) -> None:
        """Answer with a page; what changes something has to be a form of ours."""
        if scope["method"] not in SAFE:
            body = await read_body(receive, headers.get(b"content-length"))
            scope["form"] = form = read_form(dict(scope["headers"]), body)
            check_token(identity, headers, form)
            receive = replay(body)
        await self._litestar(scope, receive, send)

    async def _admit(self, scope: Scope, headers: Headers, path: str, thin: bool) -> Identity:
        """Who asks, if they may come (again); raises Refusal."""
        if path in OPEN_PATHS or path.startswith(STATIC):
            return NOBODY._replace(request_id=scope["request_id"])
        address = self._door.client.of(scope, headers)
        free = self._local and address is not None and is_loopback(address)
        nobody = scope["user"] = NOBODY._replace(address=address, request_id=scope["request_id"])
        limits, who = self._door.limits, address or "unknown"
        if path.startswith(PUBLIC):
            if not free:
                limits.take("webhook", who)
            return nobody
        if path == SIGN_IN and scope["method"] == "POST":
            limits.take("sign_in", who)
            return nobody
        if is_open(path):
            if path == PAGE_SIGN_IN and scope["method"] == "POST":
                limits.take("sign_in", who)
            found = await self._gate.visit(scope, headers, address)
            return found._replace(request_id=nobody.request_id)
        identity = (await self._gate.admit(scope, headers, address))._replace(request_id=nobody.request_id)
        if not free:
            limits.take("enqueue" if thin else "other", identity.name)
        if thin:
            require(identity, Permission.ENQUEUE)
        return identity

    async def _once(
        self, scope: Scope, headers: Headers, receive: Receive, send: Envelope, identity: Identity
    ) -> None:
        """Answer a POST that must be done once however often it comes."""
        idempotency, path = self._door.idempotency, scope["path"]
        key = idempotency.key(headers[IDEMPOTENCY_KEY], path, identity.name)
        body = await read_body(receive, headers.get(b"content-length"))
        known = await idempotency.claim(key, request_digest(path, scope.get("query_string", b""), body))
        if known is not None:
            await send_kept(send, known)
            return
        recorder = Recorder(send)
        try:
            thin = self._thin.get(path)
            if thin is not None:
                await _send_answer(recorder, await thin(body, identity.actor))
            else:
                await self._litestar(scope, replay(body), recorder)
        except Exception as error:
            refusal = refusal_of(error) or problem_of(error)
            self._announce(refusal, error, scope["request_id"], scope)
            await refuse(recorder, refusal, scope["request_id"])
        await idempotency.keep(key, path, recorder.kept)

    def _announce(self, refusal: Refusal, error: Exception, id_: str, scope: Scope) -> None:
        status, method = refusal.kind.status, scope["method"]
        if status in DENIED:
            because = refusal.detail or refusal.kind.title
            self._events.emit(RequestDenied(id=id_, method=method, status=status, because=because))
            identity: Identity = scope.get("user") or NOBODY
            self._door.refusals.add(identity.actor, method, self._classes.of(scope["path"]), status)
        elif status >= FAILED_FROM:
            kind = type(error).__name__
            self._events.emit(
                RequestFailed(id=id_, method=method, status=status, error=kind, because=place_of(error))
            )


def _trace_headers(scope: Scope) -> Iterator[tuple[str, bytes]]:
    for name, value in scope["headers"]:
        if name in (b"traceparent", b"tracestate", b"sentry-trace", b"baggage"):
            yield name.decode(), value


async def _send_answer(send: Send, answer: enqueue.Answer) -> None:
    body = _encode(answer.result)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if answer.location is not None:
        headers.append((b"location", answer.location.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal_in(scope: Scope, error: Exception) -> Refusal:
    """What an exception is to the client of that path."""
    if scope["path"].startswith(CLOUDFLARE):
        return error_of(error)
    return refusal_of(error) or problem_of(error)


async def refuse_in(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer with a problem, in the words of that path."""
    if scope["path"].startswith(CLOUDFLARE):
        await refuse_cloudflare(send, refusal)
    else:
        await refuse(send, refusal, scope["request_id"])


async def refuse(send: Send, refusal: Refusal, id_: str) -> None:
    """Answer with a problem."""
    body = encode(refusal, id_)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.kind.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def place_of(error: BaseException) -> str:
    """File and line that raised it; unlike its text, these hold no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


def _litestar(services: WebServices) -> Litestar:
    feed = Feed(services)
    return Litestar(
        [
            enqueue.enqueue_job, enqueue.enqueue_batch, jobs.list_jobs, jobs.get_job, jobs.job_timeline,
            queues.list_queues, queues.get_queue, queues.pause_queue, queues.drain_queue, queues.resume_queue,
            queues.purge_queue, queues.change_queue, queues.peek_queue,
            redrive.redrive_queue, status.queue_status, sending.enqueue_test, sending.enqueue_one, health, ready,
            *(handler for part in PARTS for handler in part.HANDLERS),
        ],
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False),
            "feed": Provide(lambda: feed, sync_to_thread=False),
        },
        exception_handlers={Exception: _pass_on},
        openapi_config=openapi_config(services),
        template_config=template_config(),
        logging_config=None,
        request_max_body_size=BODY_BYTES_MAX,
    )  # fmt: skip


def _pass_on(request: Asked, error: Exception) -> Response[Any]:
    """Litestar would answer by itself; `App` does it for all alike."""
    raise error
