"""`GET /debug/enqueue-test` and `GET /debug/enqueue`: jobs to try the service with, every time under fresh ids."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Response, get

from postroom.accounts import Permission
from postroom.kit.ids import new_id
from postroom.web.api.enqueue import ACCEPTED, Accepted, accepted
from postroom.web.auth import needs
from postroom.web.dependencies import Asked, Services
from postroom.web.services import WebServices

EMAIL_TO: Final = "test@example.com"
"""Nobody's address (RFC 2606), as in the reference document."""
SMS_TO: Final = "+14155552671"
LONG_AGO: Final = "2000-01-01T00:00:00Z"
"""The cleanup looks for files older than this, so a test deletes nothing."""


class Follow(msgspec.Struct, frozen=True):
    """Where to look next."""

    jobs: Sequence[str]
    status: str = "/debug/queue-status"


class Tried(msgspec.Struct, frozen=True):
    """What was enqueued, and how to follow it."""

    jobs: Sequence[Accepted]
    follow: Follow


@get(
    "/debug/enqueue-test",
    guards=[needs(Permission.MANAGE_QUEUES)], status_code=ACCEPTED, operation_id="enqueueTest", tags=["debug"],
    summary="Enqueue one job of each kind",
)  # fmt: skip
async def enqueue_test(request: Asked, services: Services) -> Response[Tried]:
    """An email, a text message, an export and a cleanup that finds nothing to delete."""
    mark = new_id()
    jobs = [
        _email(mark, "An email of the enqueue test."),
        {
            "type": "sms_send",
            "messageId": f"test-sms-{mark}",
            "recipient": SMS_TO,
            "content": "A text message of the enqueue test.",
        },
        {
            "type": "export_generation",
            "exportId": f"test-export-{mark}",
            "filters": {"dataset": "messages"},
            "userId": "enqueue-test",
            "format": "csv",
        },
        {"type": "cleanup", "target": "temp_files", "olderThan": LONG_AGO},
    ]
    return await _enqueue(services, request, jobs)


@get(
    "/debug/enqueue",
    guards=[needs(Permission.MANAGE_QUEUES)], status_code=ACCEPTED, operation_id="enqueueOne", tags=["debug"],
    summary="Enqueue one email",
)  # fmt: skip
async def enqueue_one(request: Asked, services: Services) -> Response[Tried]:
    """One simple email."""
    return await _enqueue(services, request, [_email(new_id(), "The queue works.")])


def _email(mark: str, content: str) -> dict[str, Any]:
    return {
        "type": "email_send",
        "messageId": f"test-email-{mark}",
        "recipient": EMAIL_TO,
        "subject": "Postroom test",
        "content": content,
    }


async def _enqueue(services: WebServices, request: Asked, jobs: Sequence[dict[str, Any]]) -> Response[Tried]:
    entries = [services.producer.prepare(job) for job in jobs]
    done = await services.producer.enqueue_prepared(entries, actor=request.user.actor)
    answers = [accepted(*pair) for pair in zip(done, entries, strict=True)]
    return Response(Tried(answers, Follow([f"/api/jobs/{one.job_id}" for one in answers])))
