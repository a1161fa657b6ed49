"""`/api/exports`: asking for a file of records, following it, calling it off, and fetching it."""

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response, Stream

from postroom.accounts import Permission
from postroom.exports import DATASETS, ExportNotReady, File, RequestInvalid
from postroom.jobs.models import ExportJob
from postroom.kit.clock import to_datetime
from postroom.kit.ids import new_id
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.paging import BEGINNING, parameter_invalid, read_limit
from postroom.web.problems import CONFLICT, FORBIDDEN, NOT_FOUND, REQUEST_INVALID, FieldProblem, Kind, Refusal
from postroom.web.ranges import UNSATISFIABLE, Range, read_range
from postroom.web.services import WebServices

LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
EXPORTS: Final = [needs(Permission.EXPORT)]
TYPES: Final = {
    "csv": "text/csv; charset=utf-8", "json": "application/json", "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet", "gz": "application/gzip",
}  # fmt: skip
POLL_SECONDS: Final = 0.5
RANGE_REFUSED: Final = Kind("range-not-satisfiable", 416, "There is no such part of the file")
ENDED: Final = ("done", "failed", "cancelled", "expired", "uncertain")


class ExportWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is asked for."""

    export_id: str | None = None
    """By default a new one."""
    dataset: str = "audit_log"
    format: Literal["csv", "json", "ndjson", "parquet"] = "csv"
    filters: dict[str, Any] = {}
    columns: list[str] | None = None
    compression: Literal["none", "gzip"] = "none"
    notify: bool = True
    """Whether who asks is told by email."""


class ExportView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An export's record."""

    export_id: str
    job_id: str
    user_id: str
    dataset: str | None
    format: str
    compression: str | None
    filters: dict[str, Any] | None
    """Recipients as references."""
    columns: Sequence[str] | None
    status: str
    cancel_requested: bool
    progress: float | None
    """From 0 to 1."""
    rows: int | None
    bytes: int | None
    sha256: str | None
    """Of the file, in hex."""
    reason: str | None
    """Why it failed."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    estimated_end: datetime | None
    """While it is being written."""
    expires_at: datetime | None
    """When the file may be cleaned up."""


class Page(msgspec.Struct, frozen=True):
    """Some exports, newest first."""

    exports: Sequence[ExportView]
    next: str | None


class Link(msgspec.Struct, frozen=True):
    """Where to fetch a file."""

    path: str
    expires: datetime


@post(
    "/api/exports", guards=EXPORTS, operation_id="createExport", tags=["exports"], summary="Ask for an export",
    status_code=202,
)  # fmt: skip
async def create_export(request: Asked, services: Services) -> ExportView:
    """Answered at once; a job writes the file. A known exportId is answered with what there is."""
    wanted = decode_body(await body_of(request), _DECODER)
    job = ExportJob(
        export_id=wanted.export_id or new_id(), user_id=request.user.name, format=wanted.format,
        filters={"dataset": wanted.dataset, **wanted.filters}, columns=wanted.columns,
        compression=wanted.compression, notify=wanted.notify,
    )  # fmt: skip
    try:
        await services.exports.ask(job, request.user.actor)
    except RequestInvalid as error:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem(error.field, error.said)]) from None
    return await _view(services, job.export_id)


@get("/api/exports", guards=EXPORTS, operation_id="listExports", tags=["exports"], summary="List exports")
async def list_exports(
    services: Services,
    limit: FromQuery[str | None] = None,
    before: FromQuery[str | None] = None,
    user: FromQuery[str | None] = None,
) -> Page:
    """Newest first; `user` for those of one person."""
    count = read_limit(limit)
    rows = await services.exports.page(_cursor(before), count, user)
    following = f"{rows[-1]['created_us']}.{rows[-1]['id']}" if len(rows) == count else None
    return Page([_shown(row) for row in rows], following)


@get("/api/exports/datasets", guards=EXPORTS, operation_id="listDatasets", tags=["exports"],
     summary="What can be exported")  # fmt: skip
async def list_datasets() -> dict[str, dict[str, list[str]]]:
    """Datasets with their filters and columns."""
    return {
        name: {
            "filters": ["startDate", "endDate", *one.filters],
            "columns": [column.name for column in one.columns],
        }
        for name, one in DATASETS.items()
    }


@get(
    "/api/exports/{export_id:str}", guards=LOOKS_UP, operation_id="getExport", tags=["exports"],
    summary="Where an export is",
)  # fmt: skip
async def get_export(export_id: FromPath[str], services: Services) -> ExportView:
    """The export's status and progress, by its exportId."""
    return await _view(services, export_id)


@get(
    "/api/exports/{export_id:str}/events", guards=LOOKS_UP, operation_id="exportEvents", tags=["exports"],
    summary="Follow an export live",
)  # fmt: skip
async def export_events(export_id: FromPath[str], services: Services) -> Stream:
    """`text/event-stream`: its record whenever it changes, until it has ended."""
    await _row(services, export_id)
    return Stream(
        _follow(services, export_id), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


@post(
    "/api/exports/{export_id:str}/cancel", guards=EXPORTS, operation_id="cancelExport", tags=["exports"],
    summary="Call an export off", status_code=202,
)  # fmt: skip
async def cancel_export(export_id: FromPath[str], request: Asked, services: Services) -> ExportView:
    """At once while it waits; one that is being written stops within a second."""
    row = await _row(services, export_id)
    if not await services.exports.cancel(export_id, request.user.actor):
        raise Refusal(CONFLICT, f"The export is {row['status']} already.")
    return await _view(services, export_id)


@post(
    "/api/exports/{export_id:str}/link", guards=EXPORTS, operation_id="linkExport", tags=["exports"],
    summary="Get a link to the file", status_code=201,
)  # fmt: skip
async def link_export(export_id: FromPath[str], request: Asked, services: Services) -> Link:
    """Signed, for who asks alone, and good for some minutes."""
    file = await _file(services, await _row(services, export_id))
    path, expires = services.exports.links.path(
        export_id, file.sha256, request.user.name, services.clock.now_us()
    )
    return Link(path, to_datetime(expires * 1_000_000))


@get(
    "/api/exports/{export_id:str}/file", guards=EXPORTS, operation_id="fetchExport", tags=["exports"],
    summary="Fetch the file",
)  # fmt: skip
async def fetch_export(export_id: FromPath[str], request: Asked, services: Services) -> Response[Any]:
    """By its link, or by who asked for the export; parts of it by `Range` (RFC 9110, section 14)."""
    row = await _row(services, export_id)
    file = await _file(services, row)
    _may_fetch(services, row, file, request)
    tag = f'"{file.sha256}"'
    part = read_range(request.headers.get("range"), request.headers.get("if-range"), tag, file.size)
    if part is UNSATISFIABLE:
        raise Refusal(RANGE_REFUSED, headers={"content-range": f"bytes */{file.size}"})
    start, end = (part.start, part.end) if isinstance(part, Range) else (0, file.size)
    await services.exports.note_download(export_id, file, request.user.actor, start, end)
    headers = {
        "accept-ranges": "bytes", "etag": tag, "content-length": str(end - start),
        "content-disposition": f'attachment; filename="{file.name.replace("=", "-")}"',
        "repr-digest": f"sha-256=:{_base64(file.sha256)}:",
    }  # fmt: skip
    if isinstance(part, Range):
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    return Stream(
        services.exports.read(file, start, end), media_type=TYPES[file.name.rpartition(".")[2]], headers=headers,
        status_code=206 if isinstance(part, Range) else 200,
    )  # fmt: skip


HANDLERS: Final = (
    create_export, list_exports, list_datasets, get_export, export_events, cancel_export, link_export, fetch_export,
)  # fmt: skip
_DECODER = msgspec.json.Decoder(ExportWanted)


def _may_fetch(
    services: WebServices, row: dict[str, Any], file: File, request: Request[Any, Any, Any]
) -> None:
    """Who asked for it, or who has a link of their own; raises Refusal."""
    given = request.query_params
    if "signature" not in given:
        if request.user.name != row["user_id"] and Permission.MANAGE_USERS not in request.user.permissions:
            raise Refusal(FORBIDDEN, "The export is another user's; ask for a link to it.")
        return
    why = services.exports.links.why_not(
        row["id"], file.sha256, given.get("for", ""), given.get("expires", ""), given["signature"],
        request.user.name, services.clock.now_us(),
    )  # fmt: skip
    if why is not None:
        raise Refusal(FORBIDDEN, f"{why[0].upper()}{why[1:]}.")


async def _file(services: WebServices, row: dict[str, Any]) -> File:
    try:
        return await services.exports.file(row)
    except ExportNotReady as error:
        raise Refusal(CONFLICT, f"{error}."[0].upper() + f"{error}."[1:]) from None


async def _row(services: WebServices, export_id: str) -> dict[str, Any]:
    row = await services.exports.find(export_id)
    if row is None:
        raise Refusal(NOT_FOUND, "There is no export with that id.")
    return row


async def _view(services: WebServices, export_id: str) -> ExportView:
    return _shown(await _row(services, export_id))


async def _follow(services: WebServices, export_id: str) -> AsyncIterator[bytes]:
    told = b""
    while True:
        view = await _view(services, export_id)
        data = msgspec.json.encode(view)
        if data != told:
            told = data
            yield b"event: export\ndata: %b\n\n" % data
        if view.status in ENDED:
            return
        await services.clock.sleep(POLL_SECONDS)


def _shown(row: dict[str, Any]) -> ExportView:
    ends_us = None
    if row["status"] == "processing" and row["progress"] and row["started_us"] is not None:
        ends_us = row["started_us"] + round((row["changed_us"] - row["started_us"]) / row["progress"])
    return ExportView(
        export_id=row["id"], job_id=row["job_id"], user_id=row["user_id"], dataset=row["dataset"], format=row["format"],
        compression=row["compression"],
        filters=msgspec.json.decode(row["filters"]) if row["filters"] else None,
        columns=msgspec.json.decode(row["columns"]) if row["columns"] else None, status=row["status"],
        cancel_requested=row["cancel_us"] is not None, progress=row["progress"], rows=row["rows"], bytes=row["bytes"],
        sha256=row["sha256"], reason=row["reason"], created_at=to_datetime(row["created_us"]),
        started_at=moment(row["started_us"]), finished_at=moment(row["finished_us"]),
        estimated_end=moment(ends_us), expires_at=moment(row["expires_us"]),
    )  # fmt: skip


def _cursor(given: str | None) -> tuple[int, str]:
    if given is None:
        return BEGINNING, ""
    at, _, id_ = given.partition(".")
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        raise parameter_invalid("before", "must be the `next` of an earlier page")
    return int(at), id_


def _base64(digest: str) -> str:
    return b64encode(bytes.fromhex(digest)).decode()
