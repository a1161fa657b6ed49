"""What wrangler asks of Workers around queues. There is one: the Python consumers, by the wrangler file's name."""

from postroom.web.cloudflare_v4.call import Call
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import NO_WORKER, SCRIPT_REFUSED, ApiError


async def service(call: Call) -> Answer:
    """GET /workers/services/{script}: asked before a consumer is removed."""
    script = _known(call)
    return Answer(
        {
            "id": script,
            "default_environment": {
                "environment": "production",
                "script": {"id": script, "handlers": ["queue"], "last_deployed_from": "api"},
            },
            "environments": [{"environment": "production"}],
        }
    )


async def scripts(call: Call) -> Answer:
    """GET /workers/scripts."""
    return Answer([{"id": call.services.account.script, "handlers": ["queue"]}])


async def refuse_code(call: Call) -> Answer:
    """GET /workers/scripts/{script}: there is no code of a Worker."""
    _known(call)
    raise ApiError(
        404, NO_WORKER, "This Postroom runs Python consumers; there is no Worker whose code could be read"
    )


async def refuse_upload(call: Call) -> Answer:
    """PUT /workers/scripts/{script}: what `wrangler deploy` sends."""
    raise ApiError(
        400, SCRIPT_REFUSED,
        "This Postroom runs no Workers: declare consumers in Python, and create the queues of a wrangler file with "
        "`postroom cloudflare deploy` or `wrangler queues create`",
    )  # fmt: skip


def _known(call: Call) -> str:
    given, known = call.path["script"], call.services.account.script
    if given != known:
        raise ApiError(404, NO_WORKER, f"This Worker does not exist on your account; there is one: {known}")
    return given
