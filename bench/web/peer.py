"""The peer of `POST /api/enqueue-job`: the same endpoint in FastAPI and pydantic, on Postroom's own store.

It validates with pydantic and stores with Postroom's ledger (message record, job record, audit entry and
queue row in one awaited durable transaction), so that the difference between the two is the HTTP layer and the
validation, not the disk. Postroom's own validation is not run here.

`python -m bench.web.peer PORT ADDRESSES` with POSTROOM_DATABASE_URL set; ADDRESSES is how recipients are checked.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import uvicorn
from fastapi import Body, FastAPI
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, PastDatetime
from pydantic.alias_generators import to_camel

from postroom import jobs, settings
from postroom.jobs.ledger import Enqueued, Entry
from postroom.jobs.models import priority_of
from postroom.wiring import open_application

ACTOR: Final = "system"
ADDRESSES: Final = ("emailstr", "pattern")
"""pydantic's EmailStr, which asks email-validator as Postroom does; or a short regular expression."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
Priority = Literal["high", "normal", "low"]


def _single_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not have control characters or line breaks")
    return text


class Model(BaseModel):
    """What the four kinds share."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Email(Model):
    """Send one email."""

    type: Literal["email_send"]
    message_id: Id
    recipient: EmailStr
    subject: Annotated[str, Field(min_length=1, max_length=998), AfterValidator(_single_line)]
    content: Annotated[str, Field(min_length=1, max_length=100_000)]
    priority: Priority = "normal"


class PlainEmail(Email):
    """The same with a lighter check of the address."""

    recipient: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Sms(Model):
    """Send one text message."""

    type: Literal["sms_send"]
    message_id: Id
    recipient: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
    content: Annotated[str, Field(min_length=1, max_length=1_600)]
    priority: Priority = "normal"


class Export(Model):
    """Write rows into a file."""

    type: Literal["export_generation"]
    export_id: Id
    user_id: Id
    format: Literal["csv", "json"]
    filters: dict[str, Any] = {}


class Cleanup(Model):
    """Delete what is old."""

    type: Literal["cleanup"]
    target: Literal["audit_logs", "message_queue", "temp_files"]
    older_than: Annotated[AwareDatetime, PastDatetime]


Known = Email | Sms | Export | Cleanup
KINDS: Final = {Email: jobs.EmailJob, Sms: jobs.SmsJob, Export: jobs.ExportJob, Cleanup: jobs.CleanupJob}


class Accepted(BaseModel):
    """The answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    job_id: str
    type: str
    reference: str | None
    queue: str
    priority: str
    status: str
    enqueued_at: datetime
    scheduled_for: datetime | None
    duplicate: bool


def entry(model: Known, delays: jobs.PriorityDelays) -> Entry:
    """The validated model as the ledger wants it."""
    kind = KINDS.get(type(model), jobs.EmailJob)
    fields = {name: getattr(model, name) for name in type(model).model_fields if name != "type"}
    job = kind(**fields)
    reference = getattr(model, "message_id", None) or getattr(model, "export_id", None)
    priority = priority_of(job)
    body = model.model_dump_json(by_alias=True).encode()
    return Entry(job, model.type, reference, priority, delays.seconds(priority), None, body)


def accepted(made: Enqueued) -> Accepted:
    """The ledger's answer as the endpoint's."""
    return Accepted(**{name: getattr(made, name) for name in Accepted.model_fields})


def application(addresses: str) -> FastAPI:
    """The application; its store opens and closes with it."""
    read = settings.load().settings
    delays = jobs.PriorityDelays(
        high=read.delay_high_seconds, normal=read.delay_normal_seconds, low=read.delay_low_seconds
    )
    email = Email if addresses == "emailstr" else PlainEmail
    discriminated = Annotated[email | Sms | Export | Cleanup, Body(discriminator="type")]  # type: ignore[valid-type]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_application(read, consume=False) as opened:
            app.state.queue = opened.queues[opened.queue]
            app.state.ledger = opened.ledger
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/enqueue-job", status_code=202)
    async def enqueue_job(job: discriminated) -> Accepted:
        (made,) = await app.state.ledger.enqueue(app.state.queue, [entry(job, delays)], ACTOR)
        return accepted(made)

    return app


def main() -> None:
    """Serve as one process, with the same server as Postroom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("addresses", choices=ADDRESSES)
    given = parser.parse_args()
    uvicorn.run(
        application(given.addresses),
        host="127.0.0.1",
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
