"""Refusals as pages: what was refused, why, and what to do now."""

from typing import Final
from urllib.parse import urlencode

from postroom.accounts import Permission
from postroom.accounts.roles import MATRIX
from postroom.web.asgi import Scope, Send
from postroom.web.auth import NOBODY, SAFE, Identity
from postroom.web.dashboard.paths import HOME, SIGN_IN, safe_next
from postroom.web.dashboard.rendering import HEADERS, rendered
from postroom.web.problems import UNAUTHENTICATED, Refusal
from postroom.web.services import WebServices

BACKGROUND: Final = b"hx-request"


def is_redirect(scope: Scope, refusal: Refusal) -> bool:
    """Whether the answer is merely the way to the sign-in page: nobody was refused anything."""
    return refusal.kind is UNAUTHENTICATED and scope["method"] in SAFE


async def refuse_page(send: Send, scope: Scope, services: WebServices, refusal: Refusal, id_: str) -> None:
    """Answer with a page, or with the way to the sign-in page."""
    if refusal.kind is UNAUTHENTICATED and scope["path"] != SIGN_IN:
        await _to_sign_in(send, scope)
        return
    body = _body(scope, services, refusal, id_)
    headers = {**HEADERS, "content-type": "text/html; charset=utf-8", "content-length": str(len(body))}
    headers |= {name: value for name, value in refusal.headers.items() if name != "www-authenticate"}
    await send(
        {
            "type": "http.response.start",
            "status": refusal.kind.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _body(scope: Scope, services: WebServices, refusal: Refusal, id_: str) -> bytes:
    identity: Identity = scope.get("user") or NOBODY
    if _has(scope, BACKGROUND):
        return rendered(scope, services, "refused_part.html", identity, refusal=refusal)
    form = scope.get("form")
    if scope["path"] == SIGN_IN and form is not None:
        return rendered(
            scope, services, "sign_in.html", identity, people=[], refusal=refusal, name=form.raw("name"),
            next=safe_next(form.raw("next")),
        )  # fmt: skip
    holders = [role.value for role, may in MATRIX.items() if refusal.permission in may]
    return rendered(
        scope, services, "refused.html", identity, refusal=refusal, request_id=id_, holders=holders,
        method=scope["method"], meaning=_meaning(refusal.permission),
    )  # fmt: skip


def _meaning(permission: str | None) -> str | None:
    return next((meaning for one, meaning in MEANINGS.items() if one == permission), None)


MEANINGS: Final = {
    Permission.DRAFT: "write and edit messages of your own",
    Permission.SUBMIT: "ask for a review",
    Permission.REVIEW: "approve, reject and edit messages under review",
    Permission.SEND_DIRECTLY: "send without a review",
    Permission.READ_BODIES: "read recipients and contents of others' messages",
    Permission.LOOK_UP: "see records of jobs, messages and exports, masked",
    Permission.ENQUEUE: "enqueue jobs as a program does",
    Permission.CONSUME: "take messages out of queues as a program does",
    Permission.EXPORT: "ask for exports and fetch them",
    Permission.SEE_AUDIT: "read the audit trail",
    Permission.SEE_STATUS: "see how queues and providers are doing",
    Permission.MANAGE_QUEUES: "pause, resume, purge and redrive",
    Permission.MANAGE_TEMPLATES: "write templates",
    Permission.MANAGE_SUPPRESSIONS: "see and change who is not to be written to",
    Permission.MANAGE_WEBHOOKS: "subscribe others to what happens",
    Permission.DEBUG: "try the way out and back under /debug",
    Permission.MANAGE_USERS: "make users, give roles and issue tokens",
}
"""What a permission lets one do, to complete "lets one …"."""


async def _to_sign_in(send: Send, scope: Scope) -> None:
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = f"{scope['path']}?{query}" if query else scope["path"]
    next_ = safe_next(wanted) if scope["method"] in SAFE else HOME
    location = SIGN_IN if next_ == HOME else f"{SIGN_IN}?{urlencode({'next': next_})}"
    headers = [(b"content-length", b"0")]
    if _has(scope, BACKGROUND):
        status, name = 401, b"hx-redirect"
    else:
        status, name = 303, b"location"
    headers.append((name, location.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _has(scope: Scope, name: bytes) -> bool:
    return any(header == name for header, _ in scope["headers"])
