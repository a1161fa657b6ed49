"""`POST /api/enqueue-job` and `/api/enqueue-batch`: what is accepted, answered and stored (web/api/enqueue.py)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from web_support import CURL_BODY, LITESTAR, THIN, Api, an_email, errors_of

from postroom.queues.testing import VirtualClock

ways = pytest.mark.parametrize("path", [THIN, LITESTAR], ids=["thin", "litestar"])


@ways
async def test_reference_curl_is_accepted_and_stored(api: Api, path: str) -> None:
    """The reference document's command answers 202 with the job, which is then in the queue and can be looked up."""
    response = await api.post(path, CURL_BODY, headers={"Content-Type": "application/json"})

    body = response.json()
    assert response.status_code == 202
    assert (body["type"], body["reference"], body["messageId"]) == ("email_send", "test-123", "test-123")
    assert (body["status"], body["priority"], body["queue"]) == ("queued", "normal", "message-delivery")
    assert "duplicate" not in body
    assert "exportId" not in body
    assert response.headers["location"] == f"/api/jobs/{body['jobId']}"
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 1
    assert (await api.get(response.headers["location"])).json()["status"] == "queued"


@ways
async def test_repeated_message_id_gets_the_first_answer(api: Api, path: str) -> None:
    """A duplicate answers 200 with the same body plus `duplicate: true`, and stores nothing."""
    first = await api.post(path, CURL_BODY)

    second = await api.post(path, CURL_BODY)

    assert second.status_code == 200
    assert second.json() == {**first.json(), "duplicate": True}
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 1


@ways
async def test_content_type_does_not_matter(api: Api, path: str) -> None:
    """What `curl -d` sends by default is read as JSON too."""
    response = await api.post(path, CURL_BODY, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert response.status_code == 202


@pytest.mark.parametrize(
    ("job", "key"),
    [
        ({"type": "sms_send", "messageId": "s-1", "recipient": "+14155552671", "content": "Hi"}, "messageId"),
        ({"type": "export_generation", "exportId": "e-1", "userId": "u", "format": "csv"}, "exportId"),
        ({"type": "cleanup", "target": "temp_files", "olderThan": "2024-01-01"}, None),
    ],
    ids=["sms", "export", "cleanup"],
)
async def test_other_kinds_are_accepted(api: Api, job: dict[str, Any], key: str | None) -> None:
    """Each built-in kind, with its reference under its own name; a cleanup has none."""
    body = (await api.post(THIN, job)).json()

    assert body["type"] == job["type"]
    assert body["reference"] == (job[key] if key else None)
    assert [name for name in ("messageId", "exportId") if name in body] == ([key] if key else [])


async def test_registered_type_of_ones_own_is_accepted(api: Api) -> None:
    """Any type in the registry can be enqueued."""

    @api.app.registry.job("invoice_pdf")
    class Invoice(msgspec.Struct):
        number: int

    response = await api.post(THIN, {"type": "invoice_pdf", "number": 7})

    assert (response.status_code, response.json()["type"]) == (202, "invoice_pdf")


@ways
async def test_send_at_schedules(api: Api, clock: VirtualClock, path: str) -> None:
    """`sendAt` is the API's: it is taken out of the job and decides when the job is due."""
    moment = clock.now() + timedelta(hours=30)

    response = await api.post(path, an_email(sendAt=moment.isoformat()))

    body = response.json()
    assert (response.status_code, body["status"]) == (202, "scheduled")
    assert body["scheduledFor"] == moment.isoformat().replace("+00:00", "Z")
    (message,) = await api.app.queues["message-delivery"].peek()
    assert message.available_at == moment
    assert "sendAt" not in message.body


@pytest.mark.parametrize("send_at", [None, "2001-01-01T00:00:00+02:00"], ids=["null", "past"])
async def test_send_at_of_null_or_the_past_means_at_once(api: Api, send_at: str | None) -> None:
    """Neither is an error."""
    body = (await api.post(THIN, an_email(sendAt=send_at))).json()

    assert (body["status"], body["scheduledFor"]) == ("queued", None)


@pytest.mark.parametrize("send_at", ["2026-01-31T08:00:00", "2026-01-31", "soon", 1_800_000_000, {}], ids=str)
async def test_send_at_without_a_zone_or_sense_is_refused(api: Api, send_at: object) -> None:
    """It is listed together with what else is wrong."""
    response = await api.post(THIN, an_email(sendAt=send_at, subject=""))

    assert response.status_code == 422
    assert errors_of(response).keys() == {"sendAt", "subject"}


async def test_send_at_spelled_with_escapes_is_the_same(api: Api) -> None:
    """JSON's escapes change nothing about a name."""
    escaped = CURL_BODY.replace('"type"', r'"\u0073endAt":"2099-01-01T00:00:00Z","type"')

    assert (await api.post(THIN, escaped)).json()["status"] == "scheduled"


async def test_actor_is_in_the_audit_trail(api: Api) -> None:
    """The entry of an enqueued job carries who asked for it."""
    job_id = (await api.post(THIN, CURL_BODY)).json()["jobId"]

    rows = await api.app.store.read(lambda t: t.all("scan_audit", after=0, limit=9))

    assert [(row["actor"], row["action"], row["object_id"]) for row in rows] == [
        ("local-developer", "job.enqueued", job_id)
    ]


batches = pytest.mark.parametrize(
    "path", ["/api/enqueue-batch", "/api/enqueue-batch/"], ids=["thin", "litestar"]
)


@batches
async def test_batch_is_answered_in_order(api: Api, path: str) -> None:
    """Each job has its answer, in the order of the jobs; each may have its own moment."""
    jobs = [an_email(messageId=f"m-{index}") for index in range(3)]
    jobs[1]["sendAt"] = "2099-01-01T00:00:00Z"

    response = await api.post(path, {"jobs": jobs})

    assert response.status_code == 202
    answers = response.json()["jobs"]
    assert [answer["messageId"] for answer in answers] == ["m-0", "m-1", "m-2"]
    assert [answer["status"] for answer in answers] == ["queued", "scheduled", "queued"]


@batches
async def test_batch_of_known_jobs_is_all_duplicates(api: Api, path: str) -> None:
    """Status 200 when nothing was new; 202 as soon as one was. A repetition within the batch counts."""
    first = await api.post(path, {"jobs": [an_email(), an_email()]})
    second = await api.post(path, {"jobs": [an_email()]})

    assert (first.status_code, second.status_code) == (202, 200)
    assert ["duplicate" in answer for answer in first.json()["jobs"]] == [False, True]
    assert second.json()["jobs"][0]["duplicate"]


@batches
async def test_batch_with_a_wrong_job_stores_nothing(api: Api, path: str) -> None:
    """All or none; the problems name the job by its place."""
    jobs = [an_email(), an_email(messageId="m 2", subject=""), {"type": "fax_send"}, 7]

    response = await api.post(path, {"jobs": jobs})

    assert response.status_code == 422
    assert errors_of(response).keys() == {"jobs[1].messageId", "jobs[1].subject", "jobs[2].type", "jobs[3]"}
    assert (await api.app.queues["message-delivery"].metrics()).backlog_count == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"jobs": []}, "jobs"),
        ({"jobs": [{}] * 101}, "jobs"),
        ({"jobs": {}}, "jobs"),
        ({"jobs": [], "sendAt": None}, "jobs"),
        ({"jobs": [{}], "sendAt": None}, "$"),
        ({}, "$"),
        ([], "$"),
    ],
    ids=["none", "too-many", "object", "none-and-more", "more", "nothing", "array"],
)
async def test_batch_that_is_none_is_refused(api: Api, body: object, field: str) -> None:
    """It holds 1 to 100 jobs under `jobs`, and nothing else."""
    response = await api.post("/api/enqueue-batch", body)

    assert (response.status_code, *errors_of(response)) == (422, field)


async def test_batch_of_malformed_json_is_refused(api: Api) -> None:
    """Also where only a job within is malformed."""
    for body in ("", "{", '{"jobs":[{"type":"email_send","subject":"\\x"}]}'):
        assert (await api.post("/api/enqueue-batch", body)).status_code == 400


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("geheim", "Invalid character at byte 0."),
        ('{"type":"geheim",}', "Trailing comma in object at byte 17."),
        ('{"type":"geheim"', "It ends too early."),
        (b'{"type":"\xff"}', "It is not UTF-8."),
        (" ", "The body is empty."),
    ],
    ids=["word", "comma", "end", "encoding", "empty"],
)
async def test_malformed_json_is_told_where(api: Api, body: str | bytes, detail: str) -> None:
    """What is wrong and at which byte, without a word of what was sent."""
    response = await api.post("/api/enqueue-job", body)

    assert (response.status_code, response.json().get("detail")) == (400, detail), response.text
    assert "geheim" not in response.text
