"""How somebody wants to see the pages: theme and time zone, in cookies of their own, without a table."""

from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from litestar import post
from litestar.response import Redirect

from postroom.messages.drafts import is_zone
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.paths import HOME, is_page
from postroom.web.dependencies import Asked

THEME: Final = "postroom_theme"
ZONE: Final = "postroom_zone"
THEMES: Final = ("auto", "light", "dark")
YEAR_SECONDS: Final = 365 * 86_400
_ZONE_CHARS_MAX: Final = 64


class Preferences(NamedTuple):
    """What a page is made with."""

    theme: str = "auto"
    zone: str = "UTC"

    @property
    def zone_info(self) -> ZoneInfo:
        """The reader's zone."""
        return ZoneInfo(self.zone)


def preferences_of(cookies: dict[str, str]) -> Preferences:
    """What the cookies say; a script of ours writes the zone that the browser is in."""
    theme = cookies.get(THEME, "auto")
    zone = cookies.get(ZONE, "UTC").replace("%2F", "/")
    known = len(zone) <= _ZONE_CHARS_MAX and is_zone(zone)
    return Preferences(theme if theme in THEMES else "auto", zone if known else "UTC")


@post("/app/theme", include_in_schema=False, status_code=303)
async def choose_theme(request: Asked) -> Redirect:
    """Keep the choice and go back to the page it was made on."""
    form = form_of(request)
    theme = form.raw("theme")
    back = form.raw("back")
    ours = back.isascii() and back.isprintable() and is_page(back.partition("?")[0])
    cookie = f"{THEME}={theme}; Path=/; SameSite=Lax; Max-Age={YEAR_SECONDS}"
    headers = {"set-cookie": cookie} if theme in THEMES else None
    return Redirect(back if ours else HOME, status_code=303, headers=headers)


HANDLERS: Final = (choose_theme,)
