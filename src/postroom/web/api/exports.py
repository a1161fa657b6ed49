"""`GET /api/exports/{id}`: whether an export is written, and how to check its file."""

from datetime import datetime
from typing import Final

import msgspec
from litestar import get
from litestar.params import FromPath

from postroom.accounts import Permission
from postroom.kit.clock import to_datetime
from postroom.web.auth import needs
from postroom.web.dependencies import Services
from postroom.web.moments import moment
from postroom.web.problems import NOT_FOUND, Refusal

LOOKS_UP: Final = [needs(Permission.LOOK_UP)]


class ExportView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An export's record."""

    export_id: str
    job_id: str
    user_id: str
    format: str
    status: str
    rows: int | None
    bytes: int | None
    sha256: str | None
    """Of the file, in hex."""
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    """When the file may be cleaned up."""


@get(
    "/api/exports/{export_id:str}",
    guards=LOOKS_UP,
    operation_id="getExport",
    tags=["exports"],
    summary="Where an export is",
)
async def get_export(export_id: FromPath[str], services: Services) -> ExportView:
    """The export's status, by the exportId it was enqueued with."""
    row = await services.store.read(lambda transaction: transaction.one("find_export", id=export_id))
    if row is None:
        raise Refusal(NOT_FOUND, "There is no export with that id.")
    return ExportView(
        export_id=row["id"],
        job_id=row["job_id"],
        user_id=row["user_id"],
        format=row["format"],
        status=row["status"],
        rows=row["rows"],
        bytes=row["bytes"],
        sha256=row["sha256"],
        created_at=to_datetime(row["created_us"]),
        finished_at=moment(row["finished_us"]),
        expires_at=moment(row["expires_us"]),
    )
