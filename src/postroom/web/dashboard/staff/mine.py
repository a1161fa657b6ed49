"""My messages: what somebody wrote, newest first, with live states."""

from typing import Final

from litestar import get
from litestar.response import Template

from postroom.accounts import Permission
from postroom.web.api.message_lists import CHANNELS, STATES, Wanted, find_messages
from postroom.web.auth import needs
from postroom.web.dashboard.rendering import page
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import read_choice, read_cursor

PATH: Final = "/app/mine"
PAGE: Final = 25


@get(PATH, include_in_schema=False, guards=[needs(Permission.DRAFT)])
async def my_messages(request: Asked, services: Services) -> Template:
    """With filters by state and channel in the URL."""
    query = request.query_params
    status = read_choice("status", query.get("status") or None, STATES)
    channel = read_choice("channel", query.get("channel") or None, CHANNELS)
    before = query.get("before")
    wanted = Wanted(status, channel, request.user.name)
    found = await find_messages(services, wanted, read_cursor(before), PAGE)
    return page(
        request, services, "mine.html", found=found, states=STATES, channels=CHANNELS, first=before is None,
        filters={"status": status, "channel": channel},
    )  # fmt: skip


HANDLERS: Final = (my_messages,)
