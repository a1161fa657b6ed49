"""Providers: circuit, budget left, the last codes; and a test through the ones that are configured."""

from typing import Final

from litestar import get, post
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.kit.ids import new_id
from postroom.web.auth import needs
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.debug.sending import EMAIL_TO, SMS_TO
from postroom.web.dependencies import Asked, Services

CALLS: Final = 30
"""Of the last calls of all providers that are shown."""


@get("/app/providers", include_in_schema=False, guards=[needs(Permission.SEE_STATUS)])
async def providers_page(request: Asked, services: Services) -> Template:
    """Each route in its order, and the last calls."""
    now_us = services.clock.now_us()
    health = await services.store.read(lambda transaction: services.router.health(transaction, now_us))
    routes = {(route.channel, route.name): route for route in services.router.routes}
    rows = await services.store.read(lambda transaction: transaction.all("recent_answers", limit=CALLS))
    return page(request, services, "providers.html", health=health, routes=routes, rows=rows)


@post("/app/providers/test", include_in_schema=False, guards=[needs(Permission.MANAGE_QUEUES)])
async def try_providers(request: Asked, services: Services) -> Redirect:
    """One message to nobody, by the way that all others go; its page shows what became of it."""
    email, id_ = form_of(request).raw("channel") != "sms", f"test-delivery-{new_id()}"
    job = {"messageId": id_, "content": "The delivery works.", "priority": "high"}
    job |= (
        {"type": "email_send", "recipient": EMAIL_TO, "subject": "Postroom test"}
        if email
        else {"type": "sms_send", "recipient": SMS_TO}
    )
    entry = services.producer.prepare(job)
    (done,) = await services.producer.enqueue_prepared([entry], actor=request.user.actor)
    return see_other(
        services,
        f"/app/jobs/{done.job_id}",
        "good",
        "A test is on its way: this page shows what becomes of it.",
    )


HANDLERS: Final = (providers_page, try_providers)
