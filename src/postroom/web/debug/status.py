"""`GET /debug/queue-status`: health metrics, failure rate, recent activity, environment."""

from typing import Any

import msgspec
from litestar import get

from postroom.accounts import Permission
from postroom.web.auth import needs
from postroom.web.dependencies import Services


@get(
    "/debug/queue-status",
    guards=[needs(Permission.SEE_STATUS)], operation_id="queueStatus", tags=["debug"], summary="How the service is doing",
)  # fmt: skip
async def queue_status(services: Services) -> dict[str, Any]:
    """Jobs by what became of them, queues, the last jobs, and what this environment is."""
    answer: dict[str, Any] = msgspec.to_builtins(await services.status())
    return answer
