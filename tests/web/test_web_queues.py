"""What operators do over HTTP: look at queues without their bodies, pause, redrive, all on record (web/api/queues.py)."""

import asyncio
import json
from typing import Any

import pytest
from web_support import CANARY, THIN, Api, errors_of

from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction

QUEUE = "/api/queues/message-delivery"
DLQ = "/api/queues/dlq"


async def bury(api: Api, clock: VirtualClock, count: int) -> list[str]:
    """Let so many jobs fail for good; their ids."""
    ids = []
    for index in range(count):
        sms = {
            "type": "sms_send",
            "messageId": f"s-{index}",
            "recipient": "+14155552671",
            "content": "test-failure",
        }
        ids.append((await api.post(THIN, sms)).json()["jobId"])
    async with api.app.queues.running():
        await clock.advance(3600)
    return ids


async def trail(api: Api) -> list[dict[str, Any]]:
    """Entries of the audit trail about queues."""

    def look(transaction: StoreTransaction) -> list[dict[str, Any]]:
        values = {
            "after": 0,
            "limit": 99,
        }
        return [dict(row) for row in transaction.all("scan_audit", **values) if row["object_type"] == "queue"]

    return await api.app.store.read(look)


async def audited(api: Api) -> list[tuple[str, str, str]]:
    """Of those: actor, action and object."""
    return [(row["actor"], row["action"], row["object_id"]) for row in await trail(api)]


async def test_queues_are_listed_with_what_waits(api: Api) -> None:
    """By name."""
    await api.post(THIN, {"type": "cleanup", "target": "temp_files", "olderThan": "2024-01-01"})

    queues = {queue["name"]: queue for queue in (await api.get("/api/queues")).json()["queues"]}

    assert list(queues) == ["delivery-events", "dlq", "message-delivery"]
    assert (queues["message-delivery"]["backlogCount"], queues["dlq"]["backlogCount"]) == (1, 0)
    assert queues["message-delivery"]["oldestMessageAt"] == "2026-01-05T09:00:00Z"


async def test_queue_shows_its_settings_in_wrangler_s_words(api: Api) -> None:
    """Those of the queue, and those of its consumer where one is configured."""
    queue, dlq = (await api.get(QUEUE)).json(), (await api.get(DLQ)).json()

    assert queue["consumer"]["dead_letter_queue"] == "dlq"
    assert queue["settings"]["message_retention_period"] == 345_600
    assert dlq["consumer"] is None


async def test_pause_and_resume_stop_and_continue_delivery(api: Api) -> None:
    """And the trail has both."""
    paused = await api.post(f"{QUEUE}/pause")
    resumed = await api.post(f"{QUEUE}/resume")

    assert (paused.json()["paused"], resumed.json()["paused"]) == (True, False)
    assert await audited(api) == [
        ("local-developer", "queue.paused", "message-delivery"),
        ("local-developer", "queue.resumed", "message-delivery"),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/peek"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/redrive")],
)
async def test_unknown_queue_is_not_found(api: Api, method: str, path: str) -> None:
    """404 that lists those there are; nothing is written to the trail."""
    for name in ("nope", "No%20Name", "x" * 80):
        response = await api(method, f"/api/queues/{name}{path}")

        assert response.status_code == 404
        assert "message-delivery" in response.json()["detail"]
    assert await audited(api) == []


async def test_peek_shows_no_bodies(api: Api) -> None:
    """Of a job only its kind and reference."""
    sms = {"type": "sms_send", "messageId": "s-1", "recipient": "+14155552671", "content": CANARY}
    job_id = (await api.post(THIN, sms)).json()["jobId"]

    response = await api.get(f"{QUEUE}/peek")

    (message,) = response.json()["messages"]
    assert (message["id"], message["type"], message["reference"]) == (job_id, "sms_send", "s-1")
    assert message["deadLetter"] is None
    assert CANARY not in response.text
    assert "5552671" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        CANARY,
        [CANARY],
        {"type": CANARY, "messageId": f"{CANARY}@example.com"},
        {"type": 7, "messageId": [CANARY]},
        None,
    ],
    ids=["text", "array", "object", "wrong", "null"],
)
async def test_peek_keeps_quiet_about_what_is_no_job(api: Api, body: Any) -> None:
    """A queue may hold anything."""
    await api.app.queues["dlq"].send(body)

    response = await api.get(f"{DLQ}/peek")

    (message,) = response.json()["messages"]
    assert (message["type"], message["reference"]) == (None, None)
    assert CANARY not in response.text


async def test_peek_has_a_limit(api: Api) -> None:
    """As every list."""
    for _ in range(3):
        await api.app.queues["dlq"].send({})

    assert len((await api.get(f"{DLQ}/peek?limit=2")).json()["messages"]) == 2
    assert errors_of(await api.get(f"{DLQ}/peek?limit=101")).keys() == {"limit"}


async def test_dead_letter_shows_why_and_whence(api: Api, clock: VirtualClock) -> None:
    """What an operator decides by."""
    (job_id,) = await bury(api, clock, 1)

    (message,) = (await api.get(f"{DLQ}/peek")).json()["messages"]

    assert message["id"] == job_id
    assert message["deadLetter"]["queue"] == "message-delivery"
    assert message["deadLetter"]["reason"]


async def test_redrive_moves_dead_letters_back(api: Api, clock: VirtualClock) -> None:
    """To the queue they failed on; intention and result are on record."""
    await bury(api, clock, 2)

    answer = (await api.post(f"{DLQ}/redrive")).json()

    assert answer == {
        "dryRun": False, "matched": 2, "moved": 2, "targets": {"message-delivery": 2}, "unroutable": 0,
    }  # fmt: skip
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 2
    assert [action for _, action, _ in await audited(api)] == ["queue.redrive", "queue.redriven"]


async def test_dry_run_moves_nothing(api: Api, clock: VirtualClock) -> None:
    """And leaves no trace, since nothing was done."""
    await bury(api, clock, 2)

    answer = (await api.post(f"{DLQ}/redrive", {"dryRun": True})).json()

    assert (answer["dryRun"], answer["matched"], answer["moved"]) == (True, 2, 0)
    assert (await api.app.queues["dlq"].metrics()).backlog_count == 2
    assert await audited(api) == []


async def test_redrive_chooses_by_id_and_reason_and_target(api: Api, clock: VirtualClock) -> None:
    """Every condition must hold."""
    first, second = await bury(api, clock, 2)
    await api.app.queues.create("elsewhere")

    none = (await api.post(f"{DLQ}/redrive", {"ids": [first], "reason": "no such reason"})).json()
    one = (await api.post(f"{DLQ}/redrive", {"ids": [first], "to": "elsewhere"})).json()

    assert (none["matched"], one["moved"], one["targets"]) == (0, 1, {"elsewhere": 1})
    assert [message.id for message in await api.app.queues["dlq"].peek()] == [second]


async def test_redrive_of_a_live_queue_leaves_what_came_back_to_it(api: Api, clock: VirtualClock) -> None:
    """A redriven message remembers where it failed: moving it there again from there would never end."""
    await bury(api, clock, 1)
    await api.post(f"{DLQ}/redrive")

    answer = (await api.post(f"{QUEUE}/redrive")).json()

    assert (answer["matched"], answer["moved"], answer["unroutable"]) == (1, 0, 1)


async def test_redrive_keeps_to_its_rate(api: Api, clock: VirtualClock) -> None:
    """So many messages a second, and the answer when it is done."""
    await bury(api, clock, 3)

    asked = asyncio.create_task(api.post(f"{DLQ}/redrive", {"rate": 1}))
    while (await api.app.queues["dlq"].metrics()).backlog_count == 3:
        await asyncio.sleep(0)
    left = (await api.app.queues["dlq"].metrics()).backlog_count
    while not asked.done():
        await clock.advance(1)

    assert (left, (await asked).json()["moved"]) == (2, 3)


async def test_redrive_that_is_cut_short_is_on_record(api: Api, clock: VirtualClock) -> None:
    """A stop that cancels the request: what had moved by then."""
    await bury(api, clock, 3)

    asked = asyncio.create_task(api.post(f"{DLQ}/redrive", {"rate": 1}))
    while (await api.app.queues["dlq"].metrics()).backlog_count == 3:
        await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)

    entries = await audited(api)
    assert [action for _, action, _ in entries] == ["queue.redrive", "queue.redriven"]
    assert (await api.app.queues["dlq"].metrics()).backlog_count == 2
    assert json.loads((await trail(api))[-1]["details"]) == {"moved": 1, "interrupted": True}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "nope"}, "to"),
        ({"to": "dlq"}, "to"),
        ({"to": ""}, "to"),
        ({"rate": 0}, "rate"),
        ({"rate": CANARY}, "rate"),
        ({"rate": 0.001}, "rate"),
        ({"ids": []}, "ids"),
        ({"ids": [7]}, "ids[0]"),
        ({"reason": ""}, "reason"),
        ({"dryRun": CANARY}, "dryRun"),
        ({CANARY: 1}, "$"),
        ([], "$"),
    ],
    ids=str,
)
async def test_redrive_that_makes_no_sense_is_refused(
    api: Api, clock: VirtualClock, body: object, field: str
) -> None:
    """422 with the field; nothing moves, and the trail stays empty. So slow a rate would outlast the request."""
    await bury(api, clock, 1)

    response = await api.post(f"{DLQ}/redrive", body)

    assert (response.status_code, list(errors_of(response))) == (422, [field])
    assert CANARY not in response.text
    assert await audited(api) == []


async def test_redrive_of_malformed_json_is_refused(api: Api) -> None:
    """400."""
    assert (await api.post(f"{DLQ}/redrive", "{")).status_code == 400
