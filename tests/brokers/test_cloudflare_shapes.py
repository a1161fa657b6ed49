"""The Cloudflare broker against answers in the documented shapes, written down here and not made by our own server."""

import functools
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from postroom.kit.clock import SystemClock
from postroom.kit.cloudflare import CloudflareClient, CloudflareRefused, client
from postroom.queues import BrokerUnavailable, ConfigurationError, QueuePaused, StorageFull, connect

ACCOUNT, QUEUE_ID = "ab" * 16, "cd" * 16
URL = f"cloudflare://t0ken@{ACCOUNT}"
LEASE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0..ab_c.d-ef.g"
"""As the service's are: a compact JWE, with dots."""
METRICS = {"backlog_count": 3.0, "backlog_bytes": 120.0, "oldest_message_timestamp_ms": 0.0}
QUEUE = {
    "queue_id": QUEUE_ID, "queue_name": "work", "created_on": "2022-10-30T16:05:14.966372Z",
    "modified_on": "2022-10-30T16:05:14.966372Z", "producers_total_count": 0, "producers": [],
    "consumers_total_count": 1, "consumers": [{"consumer_id": "ef" * 16, "type": "http_pull", "settings": {}}],
    "settings": {"delivery_delay": 0, "delivery_paused": False, "message_retention_period": 345600},
}  # fmt: skip
MESSAGE = {
    "id": "1ad27d24c83de78953da635dc2ea208f", "body": b64encode(b'{"a": 1}').decode(), "timestamp_ms": 1689615013586,
    "attempts": 2, "lease_id": LEASE,
    "metadata": {"CF-sourceMessageSource": "dash", "CF-Content-Type": "json"},
}  # fmt: skip

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


def ok(result: Any, **more: Any) -> Answer:
    return 200, {"success": True, "errors": [], "messages": [], "result": result, **more}


def failed(status: int, code: int, message: str, **headers: str) -> Answer:
    body = {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


class Service:
    """Answers by the end of the path; the last answer of a path is repeated."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: dict[str, list[Answer]] = {
            "GET /queues": [ok([QUEUE], result_info={"page": 1, "per_page": 100, "count": 1, "total_count": 1})],
            "POST /messages/batch": [ok({"metadata": {"metrics": METRICS}})],
            "POST /messages/pull": [
                ok({"message_backlog_count": 3.0, "messages": [MESSAGE], "metadata": {"metrics": METRICS}})
            ],
            "POST /messages/ack": [ok({"ackCount": 1, "retryCount": 0, "warnings": {}})],
            "GET /metrics": [ok(METRICS)],
        }

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        whole = request.url.path
        assert whole.startswith(f"/client/v4/accounts/{ACCOUNT}/queues"), whole
        path = whole.removeprefix(f"/client/v4/accounts/{ACCOUNT}").removeprefix(f"/queues/{QUEUE_ID}")
        content = request.read()
        self.asked.append((request.method, path, json.loads(content) if content else None))
        self.keys.append(request.headers.get("idempotency-key"))
        answers = self.answers[f"{request.method} {path}"]
        status, body, *headers = answers.pop(0) if len(answers) > 1 else answers[0]
        return httpx2.Response(status, json=body, headers=headers[0] if headers else None)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()
    make: Callable[..., httpx2.AsyncClient] = functools.partial(
        httpx2.AsyncClient, transport=httpx2.MockTransport(made)
    )
    monkeypatch.setattr(client.httpx2, "AsyncClient", make)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.0)
    return made


async def test_push_has_the_documented_shape(service: Service) -> None:
    """A batch of items with a body, a content type and whole seconds; figures may come as floats."""
    async with connect(URL) as queues:
        sent = await queues["work"].send({"a": 1}, delay_seconds=1.5)

    (item,) = next(body for method, path, body in service.asked if path == "/messages/batch")["messages"]
    assert (item["content_type"], item["delay_seconds"], item["body"]["body"]) == ("json", 2, {"a": 1})
    assert item["body"]["$postroom"]["id"] == sent.id
    assert (sent.metrics.backlog_count, sent.metrics.oldest_message_timestamp) == (3, None)


async def test_body_may_go_bare(service: Service) -> None:
    """For consumers that are Workers."""
    async with connect(f"{URL}?envelope=needed") as queues:
        await queues["work"].send({"a": 1})
        await queues["work"].send("plain", content_type="text")

    items = [body["messages"][0] for _, path, body in service.asked if path == "/messages/batch"]
    assert items == [{"body": {"a": 1}, "content_type": "json"}, {"body": "plain", "content_type": "text"}]


async def test_message_of_a_foreign_producer_is_understood(service: Service) -> None:
    """Its id, time and attempts are the service's; its lease, with dots in it, is acknowledged as it came."""
    async with connect(URL) as queues:
        pulled = await queues["work"].pull(batch_size=5)
        (message,) = pulled.messages
        settled = await queues["work"].settle(acks=[message.lease_id])

    assert (message.id, message.body, message.attempts) == (MESSAGE["id"], {"a": 1}, 2)
    assert message.timestamp.timestamp() == 1689615013.586
    assert service.asked[-1][2] == {"acks": [{"lease_id": LEASE}], "retries": []}
    assert (settled.ack_count, settled.warnings) == (1, {})


async def test_puller_is_added_where_there_is_none(service: Service) -> None:
    """To a queue that is made; the service's own retries are no bound."""
    service.answers["GET /queues"] = [ok([])]
    service.answers["POST /queues"] = [ok({**QUEUE, "consumers": []})]
    service.answers["POST /consumers"] = [ok({"consumer_id": "x"})]
    async with connect(URL) as queues:
        assert await queues.create("work")

    kind = service.asked[-1][2]
    assert (kind["type"], kind["settings"]["max_retries"]) == ("http_pull", 100)


async def test_paused_queue(service: Service) -> None:
    """409, whatever its number."""
    service.answers["POST /messages/pull"] = [failed(409, 1, "queue_delivery_paused")]
    paused = {**QUEUE, "settings": {**QUEUE["settings"], "delivery_paused": True}}
    service.answers["GET /queues"] = [ok([paused])]
    async with connect(URL) as queues:
        with pytest.raises(QueuePaused):
            await queues["work"].pull()


@pytest.mark.parametrize(
    "trouble", [failed(429, 10250, "Queue is overloaded", retry_after="0"), failed(502, 0, "bad gateway")]
)
async def test_trouble_is_outlasted(service: Service, trouble: Answer) -> None:
    """With the same key at each try."""
    service.answers["POST /messages/batch"] = [trouble, trouble, *service.answers["POST /messages/batch"]]
    async with connect(URL) as queues:
        await queues["work"].send(1)

    keys = [key for key, (_, path, _) in zip(service.keys, service.asked, strict=True) if path == "/messages/batch"]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(429, 10251, "Storage Limit Exceeded", retry_after="3600"), StorageFull),
        (failed(503, 15000, "Unknown Internal Error", retry_after="3600"), BrokerUnavailable),
        (failed(403, 10000, "Authentication error"), ConfigurationError),
    ],
)
async def test_errors_are_ours(service: Service, answer: Answer, error: type[Exception]) -> None:
    """One that asks for more patience than there is, is told at once; no text has the token in it."""
    service.answers["POST /messages/batch"] = [answer]
    async with connect(URL) as queues:
        with pytest.raises(error) as caught:
            await queues["work"].send(1)

    assert sum(path == "/messages/batch" for _, path, _ in service.asked) == 1
    assert "t0ken" not in str(caught.value)


async def test_client_tells_status_code_and_message(service: Service) -> None:
    service.answers["GET /queues"] = [failed(404, 7003, "Could not route")]
    async with CloudflareClient(ACCOUNT, "t0ken", SystemClock()) as asking:
        with pytest.raises(CloudflareRefused, match="404, code 7003: Could not route"):
            await asking.ask("GET", "queues")


@pytest.mark.parametrize(
    "url",
    [
        f"cloudflare://{ACCOUNT}", "cloudflare://t0ken@", f"{URL}/path", f"{URL}?what=1", f"{URL}?poll=0",
        f"{URL}?base_url=ftp://x", f"{URL}?database=postgresql://x", f"{URL}?envelope=no",
    ],
)  # fmt: skip
def test_url_that_says_too_little_or_too_much(url: str) -> None:
    """The text says what is wrong, without the token."""
    with pytest.raises(ConfigurationError) as caught:
        connect(url)

    assert "t0ken" not in str(caught.value)
