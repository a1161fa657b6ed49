"""`/monitoring/...`, `/debug/queue-metrics` and why a message does not move."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from postroom.accounts import Permission
from postroom.web.auth import needs
from postroom.web.dependencies import Services
from postroom.web.paging import read_choice
from postroom.web.problems import NOT_FOUND, Refusal

SEES: Final = [needs(Permission.SEE_STATUS)]
CURVES: Final = ("15m", "1h", "24h", "30d")
WINDOWS: Final = ("5m", "15m", "1h", "24h")


@get("/monitoring/performance", guards=SEES, operation_id="performance", tags=["monitoring"],
     summary="Throughput, rates and latencies")  # fmt: skip
async def performance(services: Services, window: FromQuery[str | None] = None) -> dict[str, Any]:
    """Over the last 5m, 15m (by default), 1h or 24h; by queue, with the workers that are alive."""
    return await services.watching.performance(read_choice("window", window, WINDOWS) or "15m")


@get("/debug/queue-metrics", guards=SEES, operation_id="queueMetrics", tags=["monitoring"],
     summary="The queues' figures over 5 minutes")  # fmt: skip
async def queue_metrics(services: Services) -> dict[str, Any]:
    """Depth, age, in flight, throughput, success and failure rate, retries, waits and runs, forecast."""
    return await services.watching.performance("5m")


@get("/monitoring/health", guards=SEES, operation_id="monitoringHealth", tags=["monitoring"],
     summary="The health of every part")  # fmt: skip
async def monitoring_health(services: Services) -> Response[dict[str, Any]]:
    """Checks with a sentence each; 503 when one of them fails."""
    found = await services.watching.health()
    return Response(found, status_code=503 if found["status"] == "fail" else 200)


@get("/monitoring/alerts", guards=SEES, operation_id="monitoringAlerts", tags=["monitoring"],
     summary="Incidents and rules")  # fmt: skip
async def monitoring_alerts(services: Services) -> dict[str, Any]:
    """Those that stand, those that are over, newest first, and the rules."""
    incidents = await services.watching.incidents()
    return {
        "open": [one for one in incidents if one["closedAt"] is None],
        "closed": [one for one in incidents if one["closedAt"] is not None],
        "rules": [{"rule": name, "threshold": threshold} for name, threshold in services.watching.rules],
    }


@get("/api/messages/{message_id:str}/why", guards=[needs(Permission.LOOK_UP)], operation_id="whyMessage",
     tags=["messages"], summary="Why a message does not move")  # fmt: skip
async def why_message(message_id: FromPath[str], services: Services) -> dict[str, Any]:
    """In one sentence, by messageId or jobId."""
    found = await services.watching.why(message_id)
    if found is None:
        raise Refusal(NOT_FOUND, "There is no message or job with that id.")
    answer: dict[str, Any] = msgspec.to_builtins(found)
    return answer


@get("/monitoring/series", guards=SEES, operation_id="series", tags=["monitoring"],
     summary="Curves of every queue")  # fmt: skip
async def series(services: Services, window: FromQuery[str | None] = None) -> dict[str, Any]:
    """In, out, failed, retried, backlog, in flight, oldest age, waits and runs over 15m (by default), 1h, 24h or 30d."""
    return await services.watching.series(read_choice("window", window, CURVES) or "15m")


@get("/monitoring/standing", guards=SEES, operation_id="standing", tags=["monitoring"],
     summary="How each queue stands, in a sentence")  # fmt: skip
async def standing(services: Services) -> dict[str, Any]:
    """With level, rates, hold and forecast, and the workers; as of `at`."""
    found: dict[str, Any] = msgspec.to_builtins(await services.watching.standing())
    return found


@get("/monitoring/storage", guards=SEES, operation_id="storage", tags=["monitoring"],
     summary="The database's file and tables")  # fmt: skip
async def storage(services: Services) -> dict[str, Any]:
    """Pages, free pages, and about how many rows each table has."""
    return await services.watching.storage()


HANDLERS: Final = (
    series, standing, storage, performance, queue_metrics, monitoring_health, monitoring_alerts, why_message,
)  # fmt: skip
