"""Looking up jobs, messages and exports: what became of them, and never whom they were for (web/api)."""

from typing import Any

import httpx
import pytest
from web_support import CANARY, THIN, Api, an_email, errors_of

from postroom.queues.testing import VirtualClock


async def enqueue(api: Api, count: int) -> list[str]:
    answers = [await api.post(THIN, an_email(messageId=f"m-{index}")) for index in range(count)]
    return [answer.json()["jobId"] for answer in answers]


async def test_job_shows_its_record_and_attempts(api: Api, clock: VirtualClock) -> None:
    """What happened when, by which provider; no recipient and no content."""
    (job_id,) = await enqueue(api, 1)
    async with api.app.queues.running():
        await clock.advance(20)

    response = await api.get(f"/api/jobs/{job_id}")

    job = response.json()
    assert (job["jobId"], job["status"], job["attempts"], job["maxAttempts"]) == (job_id, "done", 1, 3)
    assert [(one["number"], one["outcome"]) for one in job["history"]] == [(1, "done")]
    assert job["enqueuedAt"] == "2026-01-05T09:00:00Z"
    assert job["finishedAt"] is not None
    assert CANARY not in response.text


async def test_failed_job_shows_why(api: Api, clock: VirtualClock) -> None:
    """Code and reason, for the job and for each attempt."""
    sms = {"type": "sms_send", "messageId": "s-1", "recipient": "+14155552671", "content": "test-failure"}
    job_id = (await api.post(THIN, sms)).json()["jobId"]
    async with api.app.queues.running():
        await clock.advance(3600)

    job = (await api.get(f"/api/jobs/{job_id}")).json()

    assert job["status"] == "failed"
    assert job["reason"]
    assert job["history"][-1]["reason"]


async def pages(api: Api, query: str) -> list[httpx.Response]:
    """Every page of a list, by its `next`."""
    found = [await api.get(f"/api/jobs?{query}")]
    while (cursor := found[-1].json()["next"]) is not None:
        found.append(await api.get(f"/api/jobs?{query}&before={cursor}"))
    return found


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (5, [5]), (4, [4, 1]), (100, [5])])
async def test_jobs_are_listed_newest_first_by_pages(api: Api, limit: int, sizes: list[int]) -> None:
    """Each job once; the last page says that it is the last."""
    ids = await enqueue(api, 5)

    found = await pages(api, f"limit={limit}")

    jobs = [job for page in found for job in page.json()["jobs"]]
    assert [len(page.json()["jobs"]) for page in found] == sizes
    assert [job["jobId"] for job in jobs] == ids[::-1]
    assert CANARY not in "".join(page.text for page in found)


async def test_page_is_not_moved_by_newer_jobs(api: Api) -> None:
    """A cursor is a key, not a number of places."""
    ids = await enqueue(api, 4)
    cursor = (await api.get("/api/jobs?limit=2")).json()["next"]
    await api.post(THIN, an_email(messageId="late"))

    jobs = (await api.get(f"/api/jobs?limit=2&before={cursor}")).json()["jobs"]

    assert [job["jobId"] for job in jobs] == [ids[1], ids[0]]


async def test_jobs_are_chosen_by_status_and_type(api: Api) -> None:
    """Both at once, too."""
    await enqueue(api, 2)
    await api.post(THIN, an_email(messageId="later", sendAt="2099-01-01T00:00:00Z"))
    await api.post(THIN, {"type": "cleanup", "target": "temp_files", "olderThan": "2024-01-01"})

    async def count(query: str) -> int:
        return len((await api.get(f"/api/jobs?{query}")).json()["jobs"])

    assert await count("status=scheduled") == 1
    assert await count("type=cleanup") == 1
    assert await count("type=email_send&status=queued") == 2
    assert await count("status=done") == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
        ("limit=" + "9" * 99, "limit"), ("limit=%D9%A3", "limit"), ("before=x", "before"),
        ("before=" + "9" * 99, "before"), ("status=CaNaRy7", "status"), ("type=CaNaRy7", "type"),
    ],
)  # fmt: skip
async def test_parameter_that_means_nothing_is_refused(api: Api, query: str, field: str) -> None:
    """400 with the parameter and what it may be, not what it was."""
    response = await api.get(f"/api/jobs?{query}")

    assert (response.status_code, list(errors_of(response))) == (400, [field])
    assert CANARY not in response.text


@pytest.mark.parametrize(
    ("job", "masked"),
    [
        (an_email(recipient="anna.canary@example.com"), "a***@example.com"),
        (
            {"type": "sms_send", "messageId": "m-1", "recipient": "+14155552671", "content": CANARY},
            "+1******2671",
        ),
    ],
    ids=["email", "sms"],
)
async def test_message_shows_its_status_and_a_masked_recipient(
    api: Api, job: dict[str, Any], masked: str
) -> None:
    """Enough to recognise it, not enough to know it."""
    job_id = (await api.post(THIN, job)).json()["jobId"]

    response = await api.get("/api/messages/m-1")

    message = response.json()
    assert (message["messageId"], message["jobId"], message["status"]) == ("m-1", job_id, "queued")
    assert message["recipient"] == masked
    assert CANARY not in response.text
    assert job["recipient"] not in response.text


async def test_export_shows_its_file_s_sum(api: Api, clock: VirtualClock) -> None:
    """Rows, size and SHA-256, once it is written."""
    export = {"type": "export_generation", "exportId": "e-1", "userId": "u-1", "format": "csv"}
    await api.post(THIN, {**export, "filters": {"dataset": "messages"}})
    before = (await api.get("/api/exports/e-1")).json()
    async with api.app.queues.running():
        await clock.advance(20)

    after = (await api.get("/api/exports/e-1")).json()

    assert (before["status"], before["sha256"]) == ("queued", None)
    assert (after["status"], after["rows"], len(after["sha256"])) == ("done", 0, 64)
    assert after["bytes"] > 0
    assert after["expiresAt"] > after["finishedAt"]


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/messages/", "/api/exports/"])
async def test_unknown_id_is_not_found_and_not_repeated(api: Api, path: str) -> None:
    """404."""
    response = await api.get(f"{path}{CANARY}%40example.com")

    assert (response.status_code, response.json()["type"]) == (404, "urn:postroom:problem:not-found")
    assert CANARY not in response.text
