"""Who gets in: this machine's user locally, tokens with roles elsewhere (web/auth.py)."""

import re
from typing import Any

import pytest
from web_support import CURL_BODY, LITESTAR, OPERATOR_TOKEN, PRODUCER_TOKEN, THIN, Api

from postroom.accounts import MATRIX, Permission, Role
from postroom.store import StoreTransaction
from postroom.web import Token
from postroom.web.auth import is_loopback
from postroom.web.events import RequestDenied

P = Permission
OPERATIONS: dict[tuple[str, str], Permission | None] = {
    ("POST", THIN): P.ENQUEUE, ("POST", LITESTAR): P.ENQUEUE, ("POST", "/api/enqueue-batch"): P.ENQUEUE,
    ("GET", "/api/jobs"): P.LOOK_UP, ("GET", "/api/jobs/nope"): P.LOOK_UP, ("GET", "/api/exports/nope"): P.LOOK_UP,
    ("GET", "/debug/queue-metrics"): P.SEE_STATUS, ("GET", "/monitoring/health"): P.SEE_STATUS,
    ("GET", "/monitoring/alerts"): P.SEE_STATUS, ("GET", "/monitoring/performance"): P.SEE_STATUS,
    ("GET", "/api/messages/nope/why"): P.LOOK_UP, ("GET", "/api/schedules"): P.SEE_STATUS, ("POST", "/api/schedules/dlq/run"): P.MANAGE_QUEUES,
    ("POST", "/api/schedules/dlq/pause"): P.MANAGE_QUEUES, ("POST", "/api/schedules/dlq/resume"): P.MANAGE_QUEUES,
    ("POST", "/api/exports"): P.EXPORT, ("GET", "/api/exports"): P.EXPORT, ("GET", "/api/exports/datasets"): P.EXPORT,
    ("GET", "/api/exports/nope/events"): P.LOOK_UP, ("POST", "/api/exports/nope/cancel"): P.EXPORT,
    ("POST", "/api/exports/nope/link"): P.EXPORT, ("GET", "/api/exports/nope/file"): P.EXPORT,
    ("POST", "/api/messages/search"): P.LOOK_UP, ("POST", "/api/suppressions/search"): P.MANAGE_SUPPRESSIONS,
    ("GET", "/api/messages"): P.LOOK_UP, ("GET", "/api/messages/nope"): P.LOOK_UP,
    ("GET", "/api/messages/nope/content"): P.LOOK_UP, ("GET", "/api/messages/nope/versions"): P.LOOK_UP,
    ("GET", "/api/messages/nope/events"): P.LOOK_UP,
    ("GET", "/api/reviews"): P.LOOK_UP,
    ("GET", "/debug/queue-status"): P.SEE_STATUS, ("GET", "/debug/enqueue-test"): P.MANAGE_QUEUES,
    ("GET", "/debug/enqueue"): P.MANAGE_QUEUES, ("GET", "/api/queues"): P.SEE_STATUS,
    ("GET", "/api/queues/dlq"): P.SEE_STATUS, ("GET", "/api/queues/dlq/peek"): P.SEE_STATUS,
    ("POST", "/api/queues/dlq/pause"): P.MANAGE_QUEUES, ("POST", "/api/queues/dlq/resume"): P.MANAGE_QUEUES,
    ("POST", "/api/queues/dlq/redrive"): P.MANAGE_QUEUES,
    ("POST", "/api/queues/dlq/drain"): P.MANAGE_QUEUES, ("POST", "/api/queues/dlq/purge"): P.MANAGE_QUEUES,
    ("PATCH", "/api/queues/dlq"): P.MANAGE_QUEUES,
    ("GET", "/api/redrives"): P.SEE_STATUS, ("POST", "/api/redrives"): P.MANAGE_QUEUES,
    ("GET", "/api/redrives/nope"): P.SEE_STATUS, ("PATCH", "/api/redrives/nope"): P.MANAGE_QUEUES,
    ("POST", "/api/redrives/nope/stop"): P.MANAGE_QUEUES, ("POST", "/api/redrives/nope/resume"): P.MANAGE_QUEUES,
    ("GET", "/api/failures"): P.LOOK_UP, ("GET", "/api/jobs/search"): P.LOOK_UP,
    ("GET", "/api/jobs/nope/timeline"): P.LOOK_UP,
    ("GET", "/api/workers"): P.SEE_STATUS, ("POST", "/api/workers/nope/stop"): P.MANAGE_QUEUES,
    ("GET", "/monitoring/series"): P.SEE_STATUS, ("GET", "/monitoring/standing"): P.SEE_STATUS,
    ("GET", "/monitoring/storage"): P.SEE_STATUS,
    ("GET", "/api/alerts"): P.SEE_STATUS, ("PUT", "/api/alerts/nope"): P.MANAGE_QUEUES,
    ("POST", "/api/alerts/test"): P.MANAGE_QUEUES,
    ("GET", "/api/users"): P.MANAGE_USERS, ("POST", "/api/users"): P.MANAGE_USERS,
    ("GET", "/api/users/nope"): P.MANAGE_USERS, ("PATCH", "/api/users/nope"): P.MANAGE_USERS,
    ("GET", "/api/templates"): P.LOOK_UP,
    ("POST", "/api/templates"): P.MANAGE_TEMPLATES,
    ("GET", "/api/templates/nope"): P.LOOK_UP,
    ("GET", "/api/templates/nope/versions"): P.LOOK_UP,
    ("PUT", "/api/templates/nope"): P.MANAGE_TEMPLATES,
    ("PATCH", "/api/templates/nope"): P.MANAGE_TEMPLATES,
    ("POST", "/api/templates/nope/preview"): None,
    ("GET", "/api/suppressions"): P.MANAGE_SUPPRESSIONS,
    ("POST", "/api/suppressions"): P.MANAGE_SUPPRESSIONS,
    ("GET", "/api/suppressions/nope"): P.MANAGE_SUPPRESSIONS,
    ("DELETE", "/api/suppressions/nope"): P.MANAGE_SUPPRESSIONS,
    ("GET", "/api/unclear-wishes"): None,
    ("POST", "/api/unclear-wishes/nope/decide"): None,
    ("GET", "/api/events"): None,
    ("GET", "/api/providers"): P.SEE_STATUS,
    ("GET", "/debug/delivery-status"): P.DEBUG,
    ("POST", "/debug/delivery-test"): P.DEBUG, ("GET", "/debug/delivery-test"): P.DEBUG,
    ("POST", "/debug/webhook-test"): P.DEBUG, ("GET", "/debug/webhook-test"): P.DEBUG,
    ("GET", "/debug/sentry"): P.DEBUG,
    ("GET", "/metrics"): P.SEE_STATUS,
    ("GET", "/api/webhooks"): P.MANAGE_WEBHOOKS,
    ("POST", "/api/webhooks"): P.MANAGE_WEBHOOKS,
    ("PATCH", "/api/webhooks/nope"): P.MANAGE_WEBHOOKS,
    ("DELETE", "/api/webhooks/nope"): P.MANAGE_WEBHOOKS,
    ("POST", "/api/webhooks/nope/test"): P.MANAGE_WEBHOOKS,
    ("GET", "/api/audit"): P.SEE_AUDIT,
    ("GET", "/api/audit/verify"): P.SEE_AUDIT,
    ("GET", "/debug/audit-trail"): P.DEBUG,
    # Who may do these is decided by what they are done to.
    ("POST", "/api/messages"): None, ("PATCH", "/api/messages/nope"): None,
    **{("POST", f"/api/messages/nope/{act}"): None
       for act in ("submit", "approve", "reject", "send", "schedule", "cancel", "resend", "resolve")},
    ("GET", "/api/tokens"): None, ("POST", "/api/tokens"): None, ("DELETE", "/api/tokens/nope"): None,
    ("GET", "/api/session"): None, ("DELETE", "/api/session"): None,
    ("GET", "/schema"): None, ("GET", "/schema/openapi.json"): None, ("GET", "/nope"): None, ("PUT", THIN): None,
}  # fmt: skip
"""Every operation that needs to know who asks, and the permission without which it is refused."""
EVERYBODY = [("GET", "/health"), ("GET", "/ready")]
SIGN_IN = ("POST", "/api/session")


def token_of(role: str) -> str:
    return role.ljust(32, "t")


@pytest.fixture
def roles(production: Api) -> Api:
    """Production with a token for each role."""
    return Api(production.app, tokens=[Token(role, role, token_of(role)) for role in Role])


async def test_every_operation_is_in_the_table(production: Api) -> None:
    """A new endpoint has to be put into the table above."""
    paths = (await production.get("/schema/openapi.json", token=OPERATOR_TOKEN)).json()["paths"]

    known = {path.rstrip("/").replace("dlq", "{name}") for _, path in [*OPERATIONS, *EVERYBODY, SIGN_IN]}
    assert {re.sub("{[a-z]+_id}", "nope", path) for path in paths} <= known


async def test_without_a_token_nobody_gets_in(production: Api) -> None:
    """401 with a challenge, also for paths there are not; loopback changes nothing."""
    for method, path in OPERATIONS:
        response = await production(method, path)

        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", [str(role) for role in Role])
async def test_role_gets_in_where_its_permissions_let_it(roles: Api, role: str) -> None:
    """Each cell: 403 with the standard's word for it without the permission, anything else with it."""
    allowed = MATRIX[Role(role)]
    for (method, path), permission in OPERATIONS.items():
        if permission is None:
            continue
        response = await roles(method, path, token=token_of(role), peer="203.0.113.7")

        assert (response.status_code == 403) == (permission not in allowed), (role, path)
        if response.status_code == 403:
            assert "insufficient_scope" in response.headers["www-authenticate"]


async def test_health_needs_no_token(production: Api) -> None:
    """A load balancer has none; it learns no details."""
    for method, path in EVERYBODY:
        response = await production(method, path, peer="203.0.113.7", headers={"Host": "10.0.0.7"})

        assert response.status_code == 200
        assert list(response.json()) == ["status"]


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        f"Bearer {PRODUCER_TOKEN}x",
        f"Bearer {PRODUCER_TOKEN[:-1]}",
        f"Basic {PRODUCER_TOKEN}",
        PRODUCER_TOKEN,
        f"Bearer {PRODUCER_TOKEN} {OPERATOR_TOKEN}",
        f"Bearer {'x' * 2000}",
    ],
    ids=["bare", "empty", "longer", "shorter", "basic", "no-scheme", "two", "endless"],
)
async def test_what_is_no_known_token_is_refused(production: Api, value: str) -> None:
    """401, with the standard's word for it."""
    response = await production.post(THIN, CURL_BODY, headers={"Authorization": value})

    assert (response.status_code, response.headers["www-authenticate"]) == (
        401,
        'Bearer error="invalid_token"',
    )
    assert PRODUCER_TOKEN[:-1] not in response.text


async def test_scheme_is_read_in_any_case(production: Api) -> None:
    """RFC 9110: the scheme is case-insensitive."""
    response = await production.post(THIN, CURL_BODY, headers={"Authorization": f"bearer {PRODUCER_TOKEN}"})

    assert response.status_code == 202


async def test_environment_without_tokens_lets_nobody_in(production: Api) -> None:
    """Nothing configured is nothing allowed."""
    closed = Api(production.app, tokens=[])

    assert (await closed.get("/api/jobs", token=OPERATOR_TOKEN)).status_code == 401


async def test_token_s_owner_is_the_actor(production: Api) -> None:
    """The audit trail names who enqueued and who operated."""
    await production.post(THIN, CURL_BODY, token=PRODUCER_TOKEN)
    await production.post(LITESTAR, CURL_BODY.replace("test-123", "test-124"), token=OPERATOR_TOKEN)
    await production.post("/api/queues/dlq/pause", token=OPERATOR_TOKEN)

    def look(transaction: StoreTransaction) -> list[tuple[str, str]]:
        values = {
            "after": 0,
            "limit": 9,
        }
        return [(row["actor"], row["action"]) for row in transaction.all("scan_audit", **values)]

    assert await production.app.store.read(look) == [
        ("shop", "job.enqueued"),
        ("anna", "job.enqueued"),
        ("anna", "queue.paused"),
    ]


async def test_refusals_are_announced_without_secrets(production: Api) -> None:
    """An operator sees them by reason; neither the token nor the path is in the event."""
    await production.get("/api/jobs?type=secret", token="s" * 40)
    await production.get("/api/queues", token=PRODUCER_TOKEN)

    events = [one for one in production.announced if isinstance(one, RequestDenied)]
    assert [event.status for event in events] == [401, 403]
    assert "s" * 40 not in repr(events)
    assert "secret" not in repr(events)


# The local environment.


async def test_this_machine_s_user_needs_no_token(api: Api) -> None:
    """Whatever it calls itself."""
    for peer in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        for host in ("localhost:5173", "LOCALHOST", "127.0.0.1:80", "[::1]:5173"):
            assert (await api.get("/api/jobs", peer=peer, headers={"Host": host})).status_code == 200


STRANGERS: dict[str, dict[str, Any]] = {
    "other-machine": {"peer": "192.168.1.20"},
    "other-machine-6": {"peer": "2001:db8::1"},
    "mapped": {"peer": "::ffff:192.168.1.20"},
    "no-address": {"peer": "unix"},
    "rebound-name": {"headers": {"Host": "evil.example:5173"}},
    "name-ending-alike": {"headers": {"Host": "localhost.evil.example"}},
    "name-beginning-alike": {"headers": {"Host": "evil-localhost"}},
    "no-name": {"headers": {"Host": ""}},
    "other-site": {"headers": {"Origin": "https://evil.example"}},
    "other-port": {"headers": {"Origin": "http://localhost:3000"}},
    "other-scheme": {"headers": {"Origin": "https://localhost:5173"}},
    "hidden-site": {"headers": {"Origin": "null"}},
    "image-of-other-site": {"headers": {"Sec-Fetch-Site": "cross-site"}},
    "image-of-other-port": {"headers": {"Sec-Fetch-Site": "same-site"}},
    "proxied": {"headers": {"X-Forwarded-For": "203.0.113.7"}},
    "proxied-standard": {"headers": {"Forwarded": "for=203.0.113.7"}},
}


@pytest.mark.parametrize("case", STRANGERS)
async def test_nobody_else_gets_into_the_local_environment(api: Api, case: str) -> None:
    """403 for other machines, other sites in this machine's browser, rebound names and proxies."""
    for method, path in (
        ("POST", THIN),
        ("POST", LITESTAR),
        ("GET", "/debug/enqueue-test"),
        ("GET", "/schema"),
    ):
        response = await api(method, path, CURL_BODY, **STRANGERS[case])

        assert (response.status_code, response.json()["type"]) == (403, "urn:postroom:problem:forbidden")
        assert "evil" not in response.text
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 0


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://localhost:5173"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
    ids=["origin", "same-origin", "address-bar"],
)
async def test_own_pages_get_in(api: Api, headers: dict[str, str]) -> None:
    """A page served from here, and what is typed into the address bar."""
    assert (await api.get("/debug/queue-status", headers=headers)).status_code == 200


async def test_two_hosts_are_none(api: Api) -> None:
    """A second Host header cannot stand behind a good one."""
    scope = {
        "type": "http", "method": "GET", "path": "/api/jobs", "raw_path": b"/api/jobs", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"host", b"evil.example")], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5173), "scheme": "http", "http_version": "1.1", "root_path": "", "state": {},
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await api.asgi(scope, receive, send)

    assert sent[0]["status"] == 403


def test_loopback_is_told_from_names() -> None:
    """Only addresses are addresses."""
    assert not is_loopback("localhost")
    assert not is_loopback("")


def test_token_keeps_its_secret_and_checks_its_role() -> None:
    """It is never printed; a role that is none is a mistake in the configuration."""
    assert "s3cret" not in repr(Token("anna", "operator", "s3cret"))
    with pytest.raises(ValueError, match="staff, reviewer"):
        Token("anna", "boss", "s3cret")
    with pytest.raises(ValueError, match="empty"):
        Token("anna", "operator", "")
