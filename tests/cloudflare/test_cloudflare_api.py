"""`/client/v4`: the shapes, statuses and codes of Cloudflare's API for Queues."""

import base64
import json
import re
from typing import Any

import pytest
from cloudflare_support import ACCOUNT, CONSUMER_TOKEN, OPERATOR_TOKEN, PRODUCER_TOKEN, Api, Refused

from postroom.kit.actor import Actor
from postroom.messages import Draft, Person
from postroom.queues.testing import VirtualClock
from postroom.web.events import RequestDenied

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def decoded(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))


# Queues.


async def test_queue_has_the_fields_of_the_original(api: Api) -> None:
    """As it is created, listed and read."""
    settings = {"delivery_delay": 5, "message_retention_period": 3600}
    made = await api.whole("POST", "queues", {"queue_name": "orders", "settings": settings})
    queue = made["result"]

    assert (made["success"], made["errors"], made["messages"]) == (True, [], [])
    assert re.fullmatch(r"[0-9a-f]{32}", queue["queue_id"])
    assert MOMENT.fullmatch(queue["created_on"])
    assert MOMENT.fullmatch(queue["modified_on"])
    assert queue["queue_name"] == "orders"
    assert queue["settings"] == {**settings, "delivery_paused": False}
    assert (queue["producers_total_count"], queue["producers"]) == (0, [])
    assert (queue["consumers_total_count"], queue["consumers"]) == (0, [])
    assert await api("GET", f"queues/{queue['queue_id']}") == queue
    listed = await api.whole("GET", "queues?page=1&name=orders")
    assert listed["result"] == [queue]
    assert listed["result_info"] == {
        "page": 1,
        "per_page": 100,
        "count": 1,
        "total_count": 1,
        "total_pages": 1,
    }


async def test_list_is_paged_and_names_are_exact(api: Api) -> None:
    """`name` may be repeated."""
    for name in ("a", "ab", "b"):
        await api.queue(name, pulled=False)

    found = await api("GET", "queues?name=a&name=b")
    second = await api.whole("GET", "queues?page=2&per_page=2&name=a&name=ab&name=b")

    assert [one["queue_name"] for one in found] == ["a", "b"]
    assert [one["queue_name"] for one in second["result"]] == ["b"]
    assert second["result_info"]["total_pages"] == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"queue_name": "No_Good"}, 400, 11003),
        ({"queue_name": "-"}, 400, 11003),
        ({}, 400, 11003),
        ({"queue_name": "ok", "settings": {"delivery_delay": 86_401}}, 400, 100128),
        ({"queue_name": "ok", "settings": {"message_retention_period": 59}}, 400, 100128),
        ({"queue_name": "ok", "settings": {"delivery_delay": "5"}}, 400, 100128),
        ({"queue_name": "ok", "jurisdiction": "eu"}, 400, 100128),
        ({"queue_name": "dlq"}, 409, 11009),
        (b"{", 400, 10208),
    ],
)
async def test_queue_that_cannot_be_is_refused(api: Api, body: Any, status: int, code: int) -> None:
    """With the original's codes."""
    with pytest.raises(Refused) as caught:
        await api("POST", "queues", body)

    assert (caught.value.status, caught.value.code) == (status, code)


async def test_patch_merges_and_put_replaces(api: Api) -> None:
    """Pausing sends only `delivery_paused`."""
    path = await api.queue(pulled=False)
    await api("PATCH", path, {"settings": {"delivery_delay": 7, "message_retention_period": 600}})

    paused = await api("PATCH", path, {"queue_name": "work", "settings": {"delivery_paused": True}})
    replaced = await api("PUT", path, {"queue_name": "work", "settings": {"delivery_delay": 3}})

    assert paused["settings"] == {
        "delivery_delay": 7,
        "delivery_paused": True,
        "message_retention_period": 600,
    }
    assert replaced["settings"] == {
        "delivery_delay": 3,
        "delivery_paused": False,
        "message_retention_period": 345_600,
    }
    with pytest.raises(Refused, match="11003 queue_name cannot be changed"):
        await api("PUT", path, {"queue_name": "other"})


async def test_deleted_queue_is_gone_and_its_successor_is_another(api: Api, clock: VirtualClock) -> None:
    """A queue made anew has a new id; the old one is not found."""
    path = await api.queue()
    await api("DELETE", path)

    with pytest.raises(Refused, match="404 11000"):
        await api("GET", path)
    with pytest.raises(Refused, match="404 10104"):
        await api("POST", f"{path}/messages", {"body": 1})
    await clock.advance(1)
    assert await api.queue() != path


async def test_queue_that_the_application_needs_is_not_deleted(api: Api) -> None:
    """As one that is bound to a Worker."""
    (jobs,) = await api("GET", "queues?name=message-delivery")

    with pytest.raises(Refused, match="409 11005"):
        await api("DELETE", f"queues/{jobs['queue_id']}")
    assert jobs["producers"] == [{"type": "worker", "script": "postroom"}]


# Consumers.


async def test_python_consumer_stands_for_a_worker(api: Api) -> None:
    """With its settings, which may be changed, and it may be taken away and given back."""
    (jobs,) = await api("GET", "queues?name=message-delivery")
    path = f"queues/{jobs['queue_id']}"
    (consumer,) = jobs["consumers"]
    running = next(one for one in api.app.queues.consumers if one.options.queue == "message-delivery")

    assert (consumer["type"], consumer["script"], consumer["script_name"]) == (
        "worker",
        "postroom",
        "postroom",
    )
    assert consumer["dead_letter_queue"] == "dlq"
    assert consumer["settings"] == {
        "batch_size": 10, "max_retries": 5, "max_wait_time_ms": 1000, "max_concurrency": None, "retry_delay": 0,
    }  # fmt: skip
    body = {
        "type": "worker",
        "script_name": "postroom",
        "settings": {"batch_size": 50, "max_wait_time_ms": 0},
    }
    changed = await api("PUT", f"{path}/consumers/{consumer['consumer_id']}", body)
    assert running.options.max_batch_size == 50
    assert running.options.max_batch_timeout == 0
    assert running.options.dead_letter_queue is None
    await api("DELETE", f"{path}/consumers/{changed['consumer_id']}")
    assert await api("GET", f"{path}/consumers") == []
    await api("POST", f"{path}/consumers", {"type": "http_pull"})
    with pytest.raises(Refused, match="409 11004"):
        await api("POST", f"{path}/consumers", body)


async def test_consumer_that_was_taken_away_takes_nothing(api: Api, clock: VirtualClock) -> None:
    """Until it is given back."""
    (events,) = await api("GET", "queues?name=delivery-events")
    path = f"queues/{events['queue_id']}"
    handled: list[int] = []
    consumer = next(one for one in api.app.queues.consumers if one.options.queue == "delivery-events")

    async def handle(batch: Any) -> None:
        handled.append(len(batch))

    consumer._handler = handle
    async with api.app.queues.running():
        await api("DELETE", f"{path}/consumers/{events['consumers'][0]['consumer_id']}")
        await api("POST", f"{path}/messages", {"body": 1})
        await clock.advance(60)
        assert handled == []
        await api("POST", f"{path}/consumers", {"type": "worker", "script_name": "postroom"})
        await clock.advance(60)
        assert handled == [1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 10026),
        ({"type": "email"}, 400, 10026),
        ({"type": "worker"}, 400, 10026),
        ({"type": "worker", "script_name": "nobody"}, 404, 10007),
        ({"type": "worker", "script_name": "postroom"}, 400, 11001),
        ({"type": "http_pull", "settings": {"batch_size": 101}}, 400, 100127),
        ({"type": "http_pull", "settings": {"max_retries": -1}}, 400, 100127),
        ({"type": "http_pull", "dead_letter_queue": "work"}, 400, 100127),
    ],
)
async def test_consumer_that_cannot_be_is_refused(api: Api, body: Any, status: int, code: int) -> None:
    """With the original's codes."""
    path = await api.queue(pulled=False)

    with pytest.raises(Refused) as caught:
        await api("POST", f"{path}/consumers", body)

    assert (caught.value.status, caught.value.code) == (status, code)


async def test_puller_has_its_own_settings(api: Api) -> None:
    """As they are given, defaults else; its dead letter queue is made."""
    path = await api.queue(batch_size=3, visibility_timeout_ms=9000, dead_letter_queue="graves")

    (consumer,) = await api("GET", f"{path}/consumers")

    assert consumer["settings"] == {
        "batch_size": 3,
        "max_retries": 3,
        "retry_delay": 0,
        "visibility_timeout_ms": 9000,
    }
    assert consumer["dead_letter_queue"] == "graves"
    assert await api("GET", f"{path}/consumers/{consumer['consumer_id']}") == consumer
    assert len(await api("GET", "queues?name=graves")) == 1
    with pytest.raises(Refused, match="404 11006"):
        await api("GET", f"{path}/consumers/{'0' * 32}")


# Messages.


async def test_message_goes_through(api: Api) -> None:
    """Pushed without a content type it is JSON; JSON is pulled in Base64, text as it is."""
    path = await api.queue()
    first = await api("POST", f"{path}/messages", {"body": {"a": "ü"}})
    second = await api(
        "POST",
        f"{path}/messages/batch",
        {"messages": [{"body": "<p>", "content_type": "text"}, {"body": None}]},
    )

    pulled = await api("POST", f"{path}/messages/pull", {"batch_size": 10, "visibility_timeout_ms": 5000})

    assert first["metadata"]["metrics"] == {
        "backlog_count": 0,
        "backlog_bytes": 0,
        "oldest_message_timestamp_ms": 0,
    }
    assert second["metadata"]["metrics"]["backlog_count"] == 1
    assert second["metadata"]["metrics"]["oldest_message_timestamp_ms"] > 0
    one, two, three = pulled["messages"]
    assert (decoded(one), two["body"], decoded(three)) == ({"a": "ü"}, "<p>", None)
    assert [m["metadata"]["CF-Content-Type"] for m in pulled["messages"]] == ["json", "text", "json"]
    assert (one["attempts"], pulled["message_backlog_count"]) == (1, 3)
    assert pulled["metadata"]["metrics"]["backlog_count"] == 3
    assert set(one) == {"id", "body", "timestamp_ms", "attempts", "lease_id", "metadata"}
    acks = {
        "acks": [{"lease_id": one["lease_id"]}],
        "retries": [{"lease_id": two["lease_id"], "delay_seconds": 9}],
    }
    assert await api("POST", f"{path}/messages/ack", acks) == {"ackCount": 1, "retryCount": 1, "warnings": {}}
    assert (await api("GET", f"{path}/metrics"))["backlog_count"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("messages", b"{", 400, 10208),
        ("messages", b'{"body": "\\ud800"}', 400, 10208),
        ("messages", b'{"body": "\xff"}', 400, 10208),
        ("messages", "text", 400, 10207),
        ("messages", {}, 400, 10207),
        ("messages", {"body": 1, "content_type": "bytes"}, 400, 10203),
        ("messages", {"body": 1, "content_type": "text"}, 400, 10203),
        ("messages", {"body": 1, "delay_seconds": -1}, 400, 10203),
        ("messages", {"body": 1, "delay_seconds": 86_401}, 400, 10203),
        ("messages", {"body": "x" * 127_999}, 413, 10204),
        ("messages", {"body": "x" * 3_000_000}, 413, 10205),
        ("messages/batch", {"messages": []}, 400, 10207),
        ("messages/batch", {"messages": [{"body": 1}] * 101}, 400, 10206),
        ("messages/batch", {"messages": [{"body": "x" * 100_000}] * 3}, 413, 10205),
        ("messages/batch", {"messages": [{"body": 1}], "delay_seconds": 86_401}, 400, 10202),
        ("messages/pull", {"batch_size": 0}, 400, 10026),
        ("messages/pull", {"batch_size": 101}, 400, 10026),
        ("messages/pull", {"visibility_timeout_ms": 43_200_001}, 400, 10026),
        ("messages/ack", {"acks": [{"lease_id": "nonsense"}]}, 400, 10026),
        ("messages/ack", {"retries": [{"lease_id": "x", "delay_seconds": 86_401}]}, 400, 10203),
        ("messages/purge", {"refs": [{"ref": "nonsense"}]}, 400, 10026),
    ],
)
async def test_message_that_cannot_be_is_refused(
    api: Api, path: str, body: Any, status: int, code: int
) -> None:
    """With the original's codes, and nothing is stored."""
    queue = await api.queue()

    with pytest.raises(Refused) as caught:
        await api("POST", f"{queue}/{path}", body)

    assert (caught.value.status, caught.value.code) == (status, code)
    assert (await api("GET", f"{queue}/metrics"))["backlog_count"] == 0


@pytest.mark.parametrize("body", [{"body": "x" * 127_998}, {"body": 1, "delay_seconds": 0}])
async def test_edges_are_accepted(api: Api, body: Any) -> None:
    """128,000 bytes as they are stored; no delay at all."""
    path = await api.queue()

    await api("POST", f"{path}/messages", body)

    assert len((await api("POST", f"{path}/messages/pull", {}))["messages"]) == 1


async def test_pull_needs_a_puller_and_no_pause(api: Api) -> None:
    """Code 0 with the original's text; 409 while paused."""
    path = await api.queue(pulled=False)
    with pytest.raises(Refused, match="0 messages cannot be pulled unless http_pull mode is enabled"):
        await api("POST", f"{path}/messages/pull", {})
    await api("POST", f"{path}/consumers", {"type": "http_pull"})
    await api("PATCH", path, {"settings": {"delivery_paused": True}})

    await api("POST", f"{path}/messages", {"body": 1})
    with pytest.raises(Refused, match="409 10252 queue_delivery_paused"):
        await api("POST", f"{path}/messages/pull", {})


async def test_delays_and_leases_and_last_retries(api: Api, clock: VirtualClock) -> None:
    """A lapsed lease is an attempt; the last one goes to the dead letter queue with its reason; a late ack warns."""
    path = await api.queue(max_retries=1, dead_letter_queue="graves")
    await api("POST", f"{path}/messages", {"body": 1, "delay_seconds": 10})

    assert (await api("POST", f"{path}/messages/pull", {}))["messages"] == []
    await clock.advance(10)
    (first,) = (await api("POST", f"{path}/messages/pull", {"visibility_timeout_ms": 1000}))["messages"]
    await clock.advance(1)
    (second,) = (await api("POST", f"{path}/messages/pull", {}))["messages"]
    assert (second["id"], second["timestamp_ms"], second["attempts"]) == (
        first["id"],
        first["timestamp_ms"],
        2,
    )
    await api("POST", f"{path}/messages/ack", {"retries": [{"lease_id": second["lease_id"]}]})

    late = await api("POST", f"{path}/messages/ack", {"acks": [{"lease_id": first["lease_id"]}]})
    assert (late["ackCount"], list(late["warnings"])) == (1, [first["lease_id"]])
    (graves,) = await api("GET", "queues?name=graves")
    dead = await api("POST", f"queues/{graves['queue_id']}/messages/peek", {})
    assert dead["messages"][0]["id"] == first["id"]
    assert dead["messages"][0]["attempts"] == 0
    assert dead["messages"][0]["metadata"]["Postroom-Dead-Letter-Queue"] == "work"


async def test_peeked_messages_are_not_touched_and_may_be_purged(api: Api) -> None:
    """By their refs; who looked is in the trail."""
    path = await api.queue()
    await api("POST", f"{path}/messages/batch", {"messages": [{"body": 1}, {"body": 2}]})

    one, two = (await api("POST", f"{path}/messages/peek", {"batch_size": 5}))["messages"]
    purged = await api("POST", f"{path}/messages/purge", {"refs": [{"ref": one["ref"]}]})
    again = await api("POST", f"{path}/messages/purge", {"refs": [{"ref": one["ref"]}]})

    assert (decoded(one), decoded(two), one["attempts"]) == (1, 2, 0)
    assert purged == {"errors": [], "warnings": {}}
    assert list(again["warnings"]) == [one["ref"]]
    assert [decoded(m) for m in (await api("POST", f"{path}/messages/preview", {}))["messages"]] == [2]
    trail = (await api.ask("GET", "http://localhost:5173/api/audit", token=None)).json()
    acts = {entry["action"] for entry in trail["entries"]}
    assert {"queue.create", "queue.consumer.create", "queue.read", "queue.purge"} <= acts


async def test_purge_empties_the_queue_and_says_when(api: Api) -> None:
    """It has to be confirmed."""
    path = await api.queue()
    await api("POST", f"{path}/messages", {"body": 1})
    before = await api("GET", f"{path}/purge")
    with pytest.raises(Refused, match="400 10026"):
        await api("POST", f"{path}/purge", {"delete_messages_permanently": False})

    queue = await api("POST", f"{path}/purge", {"delete_messages_permanently": True})

    assert before == {"started_at": "", "completed": "", "complete": False}
    assert queue["queue_name"] == "work"
    after = await api("GET", f"{path}/purge")
    assert after["complete"] is True
    assert MOMENT.fullmatch(after["completed"])
    assert (await api("GET", f"{path}/metrics"))["backlog_count"] == 0


# Event subscriptions.


async def test_queue_is_told_what_happens_to_messages(api: Api) -> None:
    """In the transaction in which it happens; without recipient and content."""
    path = await api.queue("told")
    queue_id = path.removeprefix("queues/")
    body = {
        "name": "states", "enabled": True, "source": {"type": "postroom.messages"},
        "destination": {"type": "queues.queue", "queue_id": queue_id}, "events": ["message.pending_review", "message.queued"],
    }  # fmt: skip
    where = "event_subscriptions/subscriptions"
    made = await api("POST", where, body)
    anna = Person(Actor("anna"), {"draft", "submit"})
    draft = Draft(message_id="m-1", channel="email", recipient="nobody@example.com", subject="S", content="C")
    await api.app.desk.draft(anna, draft, lambda transaction, row: row)
    await api.app.desk.submit(anna, "m-1")

    (message,) = (await api("POST", f"{path}/messages/pull", {}))["messages"]

    event = decoded(message)
    assert event["type"] == "postroom.messages.message.pending_review"
    assert (event["payload"]["messageId"], event["payload"]["status"]) == ("m-1", "pending_review")
    assert event["metadata"]["eventSubscriptionId"] == made["id"]
    assert "nobody@example.com" not in json.dumps(event)
    assert await api("GET", f"{where}/{made['id']}") == made
    changed = await api("PATCH", f"{where}/{made['id']}", {"enabled": False})
    assert (changed["enabled"], changed["events"]) == (False, made["events"])
    listed = await api.whole("GET", f"{where}?queue_id={queue_id}&page=1&per_page=20")
    assert listed["result"] == [changed]
    assert listed["result_info"]["per_page"] == 20
    with pytest.raises(Refused, match="409 11017"):
        await api("DELETE", path)
    await api("DELETE", f"{where}/{made['id']}")
    with pytest.raises(Refused, match="No subscription with this ID"):
        await api("GET", f"{where}/{made['id']}")


@pytest.mark.parametrize(
    ("source", "events"),
    [("r2", ["bucket.created"]), ("postroom.messages", ["message.eaten"]), ("postroom.messages", [])],
)
async def test_events_that_are_not_offered_are_refused(api: Api, source: str, events: list[str]) -> None:
    """The answer says what there is."""
    path = await api.queue()
    body = {
        "name": "n", "source": {"type": source}, "events": events,
        "destination": {"type": "queues.queue", "queue_id": path.removeprefix("queues/")},
    }  # fmt: skip

    with pytest.raises(Refused, match=r"400 0 Unrecognized .*postroom\.messages|message\.sent"):
        await api("POST", "event_subscriptions/subscriptions", body)


# What wrangler asks around them.


async def test_who_and_where(api: Api) -> None:
    """The account is found without being named."""
    assert (await api("GET", "/user/tokens/verify"))["status"] == "active"
    assert (await api("GET", "/user"))["email"]
    (account,) = await api("GET", "/accounts")
    (membership,) = await api("GET", "/memberships?page=1")
    assert account["id"] == membership["account"]["id"] == ACCOUNT
    service = await api("GET", "workers/services/postroom")
    assert service["default_environment"]["environment"] == "production"
    with pytest.raises(Refused, match="404 10007"):
        await api("GET", "workers/services/other")
    with pytest.raises(Refused, match="400 10021 This Postroom runs no Workers"):
        await api("PUT", "workers/scripts/postroom", b"--x")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, 7003),
        ("GET", "/accounts/ACCOUNT/queues", 404, 7003),
        ("GET", "queues/no-such!", 400, 10107),
        ("GET", f"queues/{'0' * 32}", 404, 11000),
        ("DELETE", "queues", 405, 7001),
        ("GET", "queues?page=0", 400, 10026),
    ],
)
async def test_paths_that_are_none(api: Api, method: str, path: str, status: int, code: int) -> None:
    """Never a traceback, always the envelope."""
    with pytest.raises(Refused) as caught:
        await api(method, path)

    assert (caught.value.status, caught.value.code) == (status, code)


# Who may.


async def test_any_account_is_this_one_on_a_developers_machine(api: Api) -> None:
    """Code with a real account and a real token in it works."""
    assert await api("GET", f"/accounts/{'ab' * 16}/queues", token="real-token-of-cloudflare")
    with pytest.raises(Refused, match="403 10000"):
        await api("GET", "queues", token="pr_mistyped")


@pytest.mark.parametrize(
    ("token", "method", "path", "expected"),
    [
        (None, "GET", "queues", "400 9106"),
        ("wrong", "GET", "queues", "403 10000"),
        (PRODUCER_TOKEN, "GET", "queues", "403 10000"),
        (CONSUMER_TOKEN, "POST", "queues", "403 10000"),
        (OPERATOR_TOKEN, "POST", f"queues/{'0' * 32}/messages/pull", "403 10000"),
        (OPERATOR_TOKEN, "GET", f"/accounts/{'ab' * 16}/queues", "403 10000"),
    ],
)
async def test_who_may_not(production: Api, token: str | None, method: str, path: str, expected: str) -> None:
    """A missing token, a wrong one, one without the permission, one for another account; it is announced."""
    with pytest.raises(Refused, match=expected):
        await production(method, path, {"queue_name": "x"} if method == "POST" else None, token=token)

    denied = [one for one in production.announced if isinstance(one, RequestDenied)]
    assert len(denied) == (0 if token is None else 1)


async def test_roles_divide_the_work(production: Api) -> None:
    """An operator makes queues, a producer pushes, a consumer pulls; the key of old works too."""
    made = await production("POST", "queues", {"queue_name": "work"}, token=OPERATOR_TOKEN)
    path = f"queues/{made['queue_id']}"
    await production("POST", f"{path}/consumers", {"type": "http_pull"}, token=OPERATOR_TOKEN)
    old = {"x-auth-email": "shop@example.com", "x-auth-key": PRODUCER_TOKEN}
    await production("POST", f"{path}/messages", {"body": 1}, token=None, headers=old)

    assert len((await production("POST", f"{path}/messages/pull", token=CONSUMER_TOKEN))["messages"]) == 1


async def test_too_many_requests(production: Api) -> None:
    """Pulls and acks do not count."""
    for _ in range(3):
        await production("GET", "/accounts", token=CONSUMER_TOKEN)
    with pytest.raises(Refused, match="429 971") as caught:
        await production("GET", "/accounts", token=CONSUMER_TOKEN)
    assert int(caught.value.answer.headers["retry-after"]) > 0
    with pytest.raises(Refused, match="404 10104"):
        await production("POST", f"queues/{'0' * 32}/messages/pull", {}, token=CONSUMER_TOKEN)


async def test_push_with_a_key_is_done_once(api: Api) -> None:
    """Of our own: a client that had no answer may send it again."""
    path = await api.queue()
    for _ in range(2):
        await api("POST", f"{path}/messages", {"body": 1}, headers={"idempotency-key": "k-1"})

    assert (await api("GET", f"{path}/metrics"))["backlog_count"] == 1
