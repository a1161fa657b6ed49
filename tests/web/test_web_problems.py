"""Every error is a problem of RFC 9457, tells field and reason, and repeats no value (web/problems.py)."""

import json
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest
from web_support import CANARY, CURL_BODY, LITESTAR, THIN, Api, FailingLedger, an_email, errors_of

from postroom.jobs import JobProducer
from postroom.queues import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    QueueClosed,
    QueuePaused,
    StorageFull,
)
from postroom.web import app
from postroom.web.bodies import BODY_BYTES_MAX
from postroom.web.events import RequestFailed
from postroom.web.problems import Refusal, problem_of

ways = pytest.mark.parametrize("path", [THIN, LITESTAR], ids=["thin", "litestar"])

WRONG: dict[str, tuple[object, int, set[str]]] = {
    "empty": (b"", 400, set()),
    "blank": (b" \n", 400, set()),
    "not-json": (f"recipient={CANARY}", 400, set()),
    "cut-off": (json.dumps(an_email())[:-1], 400, set()),
    "trailing": (json.dumps(an_email()) + CANARY, 400, set()),
    "not-utf-8": (b'{"type":"email_send","subject":"\xff"}', 400, set()),
    "array": ([CANARY], 422, {"$"}),
    "deep": ("[" * 5000 + "]" * 5000, 422, {"$"}),
    "no-type": ({"recipient": CANARY}, 422, {"type"}),
    "type-no-text": ({"type": 7, "subject": CANARY}, 422, {"type"}),
    "unknown-type": ({"type": f"fax {CANARY}"}, 422, {"type"}),
    "missing": ({"type": "email_send", "content": CANARY}, 422, {"messageId", "recipient", "subject"}),
    "unknown-field": (an_email(bcc=CANARY), 422, {"bcc"}),
    "unknown-strange": (an_email(**{f"{CANARY}@example.com": 1}), 422, {"$"}),
    "wrong-kind": (an_email(subject=[CANARY]), 422, {"subject"}),
    "wrong-choice": (an_email(priority=CANARY), 422, {"priority"}),
    "address": (an_email(recipient=f"{CANARY} <{CANARY}@example.com>"), 422, {"recipient"}),
    "injection": (an_email(subject=f"{CANARY}\r\nBcc: {CANARY}@example.com"), 422, {"subject"}),
    "long-id": (an_email(messageId=CANARY * 99), 422, {"messageId"}),
    "long-content": (an_email(content=CANARY * 15_000), 422, {"content"}),
    "phone": (
        {"type": "sms_send", "messageId": "m", "recipient": CANARY, "content": CANARY},
        422,
        {"recipient"},
    ),
    "date": ({"type": "cleanup", "target": "temp_files", "olderThan": CANARY}, 422, {"olderThan"}),
    "future": ({"type": "cleanup", "target": "temp_files", "olderThan": "2099-01-01"}, 422, {"olderThan"}),
    "filters-too-large": (
        {
            "type": "export_generation",
            "exportId": "e",
            "userId": "u",
            "format": "csv",
            "filters": {"a": CANARY * 20_000},
        },
        413,
        {"$"},
    ),
    "escapes-too-large": (an_email(content='"' * 70_000), 413, {"$"}),
    "body-too-large": (b" " * BODY_BYTES_MAX + CURL_BODY.encode(), 413, set()),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_job_is_refused_without_its_values(api: Api, name: str) -> None:
    """Status, media type, the fields at fault, and nothing of what was sent; the same on both ways."""
    body, status, fields = WRONG[name]

    for path in (THIN, LITESTAR):
        response = await api.post(path, body)

        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert set(errors_of(response)) == fields
        assert CANARY.lower() not in response.text.lower()
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 0


@ways
async def test_problem_has_the_members_of_rfc_9457(api: Api, path: str) -> None:
    """`type`, `title`, `status`, `instance` with the request's id, and `errors`."""
    response = await api.post(path, an_email(subject=""), headers={"X-Request-Id": "trace-1"})

    assert response.json() == {
        "type": "urn:postroom:problem:job-invalid",
        "title": "The job cannot be accepted",
        "status": 422,
        "instance": "urn:postroom:request:trace-1",
        "errors": [{"field": "subject", "reason": "must not be empty"}],
    }


async def test_unknown_type_lists_the_known_ones(api: Api) -> None:
    """A typing error is easily mended."""
    reason = errors_of(await api.post(THIN, {"type": "email_sent"}))["type"]

    assert 'did you mean "email_send"' in reason
    assert "cleanup, email_send, export_generation, sms_send" in reason


@ways
@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (StorageFull("no room"), 507, "60"),
        (BrokerUnavailable("locked"), 503, "5"),
        (BrokerError("p.db: broken"), 503, "5"),
        (QueueClosed(), 503, "5"),
        (RuntimeError(CANARY), 500, None),
    ],
    ids=["full", "busy", "broken", "closed", "bug"],
)
async def test_failing_store_is_told_from_a_wrong_job(
    api: Api, path: str, error: Exception, status: int, retry_after: str | None
) -> None:
    """The client learns whether and when to try again; the operator gets an event without any text of the error."""
    producer = JobProducer(api.app.queues["message-delivery"], api.app.registry, ledger=FailingLedger(error))
    failing = Api(api.app, producer=producer)

    response = await failing.post(path, an_email())

    assert (response.status_code, response.headers.get("retry-after")) == (status, retry_after)
    assert response.headers["content-type"] == "application/problem+json"
    assert CANARY not in response.text
    (event,) = (one for one in failing.announced if isinstance(one, RequestFailed))
    assert (event.status, event.error, event.method) == (status, type(error).__name__, "POST")
    assert event.because.startswith("web_support.py:")
    assert CANARY not in repr(event)


@ways
async def test_too_many_requests_at_once_are_told_to_come_again(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read, so that memory has a bound."""
    monkeypatch.setattr(app, "REQUESTS_MAX", 0)

    response = await api.post(path, CURL_BODY)

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "path", ["/nope", "/nope/", f"/api/messages/{CANARY}/x", "/schema/nope", "/api/jobs/nope"]
)
async def test_unknown_path_is_a_problem_without_the_path(api: Api, path: str) -> None:
    """404, and what was asked for is not repeated."""
    response = await api.get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert CANARY not in response.text
    assert "nope" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/enqueue-job", "POST"),
        ("PUT", "/api/enqueue-job/", "POST"),
        ("DELETE", "/api/enqueue-batch", "POST"),
        ("POST", "/debug/queue-status", "GET"),
        ("PATCH", "/api/jobs", "GET"),
    ],
)
async def test_wrong_method_names_the_right_one(api: Api, method: str, path: str, allowed: str) -> None:
    """405 with Allow."""
    response = await api(method, path)

    assert response.status_code == 405
    assert allowed in response.headers["allow"]
    assert response.json()["type"] == "urn:postroom:problem:method-not-allowed"


@ways
async def test_declared_length_over_the_limit_is_refused_unread(api: Api, path: str) -> None:
    """The body is not waited for, and the connection is closed after the answer."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await api.asgi(a_scope(path, [(b"content-length", b"9999999")]), receive, send)

    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


@ways
async def test_client_that_goes_away_gets_nothing(api: Api, path: str) -> None:
    """Half a body is no job: nothing is stored, answered or announced."""
    sent: list[MutableMapping[str, Any]] = []
    arriving = [
        {"type": "http.request", "body": CURL_BODY.encode(), "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return arriving.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await api.asgi(a_scope(path, []), receive, send)

    assert sent == []
    assert api.announced == []
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 0


async def test_body_in_pieces_is_put_together(api: Api) -> None:
    """As it comes from a slow client."""
    sent: list[MutableMapping[str, Any]] = []
    whole = CURL_BODY.encode()
    arriving = [
        {"type": "http.request", "body": whole[:20], "more_body": True},
        {"type": "http.request", "body": whole[20:], "more_body": False},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return arriving.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await api.asgi(a_scope(THIN, []), receive, send)

    assert sent[0]["status"] == 202


def test_exceptions_of_the_queue_have_their_status() -> None:
    """Those that no endpoint provokes on purpose too; a value in a text is not passed on."""
    refusals = {
        409: problem_of(QueuePaused("q")),
        422: problem_of(ConfigurationError.out_of_range("rate", CANARY, "more than 0")),
        500: problem_of(ValueError(CANARY)),
    }

    for status, refusal in refusals.items():
        assert isinstance(refusal, Refusal)
        assert refusal.kind.status == status
        assert CANARY not in msgspec.json.encode([refusal.detail, refusal.errors]).decode()


async def test_sane_request_id_comes_back(api: Api) -> None:
    """A client may name its requests."""
    for given in ("abc-1.2_3", "x" * 64):
        assert (await api.get("/health", headers={"X-Request-Id": given})).headers["x-request-id"] == given


async def test_strange_request_id_is_replaced(api: Api) -> None:
    """What could be anything is not echoed."""
    for given in ("", "a b", f"{CANARY}@example.com", "x" * 65):
        answered = (await api.get("/health", headers={"X-Request-Id": given})).headers["x-request-id"]

        assert len(answered) == 32
        assert answered != given


async def test_every_answer_has_security_headers(api: Api) -> None:
    """Whoever made it."""
    for path in ("/health", "/nope", "/api/jobs", "/schema", THIN):
        headers = (await api.post(path, CURL_BODY) if path == THIN else await api.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers.get_list("content-security-policy") == [headers["content-security-policy"]]
        assert "server" not in headers


def a_scope(path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
        "headers": [(b"host", b"localhost:5173"), *headers], "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 5173),
    }  # fmt: skip
