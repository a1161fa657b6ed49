"""Templates, and what every one of them knows: who reads, the menu, theme, zone, what was just done.

A template says what is shown and nothing else: it gets values, and no services. Escaping is on, a name that is not
there is an error, and nothing that was sent can become markup.
"""

from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
from litestar import MediaType
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.template.config import TemplateConfig
from markupsafe import Markup

from postroom.kit.clock import Clock
from postroom.web.asgi import Scope
from postroom.web.auth import NOBODY, Identity
from postroom.web.dashboard import charts, commands, words
from postroom.web.dashboard.assets import asset_url
from postroom.web.dashboard.flash import CLEARED, COOKIE, Tone, flash_cookie, read_flash
from postroom.web.dashboard.navigation import menu_of
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dependencies import Asked
from postroom.web.services import WebServices

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    # Without a referrer, browsers send `Origin: null` with forms.
    "referrer-policy": "same-origin",
    "vary": "cookie",
}


@cache
def environment() -> jinja2.Environment:
    """Made once a process."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("postroom.web.dashboard", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        number=words.number, compact=words.compact, size=words.size, span=words.span, percent=words.percent,
        state=words.plain_state, tone=words.tone, query=_query,
    )  # fmt: skip
    made.globals.update(asset=asset_url, charts=charts, command=commands)
    made.globals["time"] = _time
    return made


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """What Litestar renders with."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment()))


def page(
    request: Asked,
    services: WebServices,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Template:
    """A page; `values` are what its template asks for."""
    scope: Any = request.scope
    context = {**frame(scope, services, request.user), **values}
    also = {"set-cookie": CLEARED} if context["flash"] is not None else {}
    return Template(
        template, context=context, status_code=status, media_type=MediaType.HTML,
        headers={**HEADERS, **also, **(headers or {})},
    )  # fmt: skip


def rendered(
    scope: Scope, services: WebServices, template: str, identity: Identity = NOBODY, **values: Any
) -> bytes:
    """The bytes of a page outside of any handler: refusals, and parts of pages that are pushed."""
    context = {**frame(scope, services, identity), **values}
    return environment().get_template(template).render(context).encode()


def part(template: str, macro: str, clock: Clock, scope: Scope, *arguments: Any) -> str:
    """What one macro makes, on one line; for server-sent events."""
    preferences = preferences_of(cookies_of(scope))
    module = (
        environment()
        .get_template(template)
        .make_module({"now_us": clock.now_us(), "zone": preferences.zone_info})
    )
    return " ".join(str(getattr(module, macro)(*arguments)).split())


def see_other(
    services: WebServices, path: str, tone: Tone | None = None, text: str = "", **query: Any
) -> Redirect:
    """After an act: the page that shows what became of it, and a sentence on it."""
    given = {name: value for name, value in query.items() if value is not None}
    headers = {}
    if tone is not None:
        headers["set-cookie"] = flash_cookie(tone, text, secure=not services.local)
    return Redirect(f"{path}?{urlencode(given)}" if given else path, status_code=303, headers=headers)


def frame(scope: Scope, services: WebServices, identity: Identity) -> dict[str, Any]:
    """What every template knows."""
    cookies = cookies_of(scope)
    preferences = preferences_of(cookies)
    session = identity.session
    path: str = scope["path"]
    query = scope.get("query_string", b"").decode("latin-1")
    return {
        "me": identity,
        "permissions": {str(one) for one in identity.permissions},
        "signed_in": identity.role != NOBODY.role,
        "by_session": session is not None,
        "session_ends_us": session.ends_us if session is not None else None,
        "csrf": session.csrf if session is not None else "",
        "menu": menu_of(identity.permissions),
        "path": path,
        "here": f"{path}?{query}" if query else path,
        "theme": preferences.theme,
        "zone": preferences.zone_info,
        "zone_name": preferences.zone,
        "flash": read_flash(cookies.get(COOKIE)),
        "environment": services.environment,
        "local": services.local,
        "now_us": services.clock.now_us(),
        "base_url": _base_url(scope, services),
    }


def cookies_of(scope: Scope) -> dict[str, str]:
    """The cookies of a request; the last of a name counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for one in value.decode("latin-1").split(";"):
                key, _, content = one.strip().partition("=")
                found[key] = content.strip('"')
    return found


def _base_url(scope: Scope, services: WebServices) -> str:
    if services.public_url is not None:
        return services.public_url.rstrip("/")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"localhost")
    return f"{scope.get('scheme', 'http')}://{host.decode('latin-1')}"


@jinja2.pass_context
def _time(context: jinja2.runtime.Context, value: Any, *, absolute: bool = False) -> Markup:
    return words.time_tag(value, context["now_us"], context["zone"], absolute=absolute)


def _query(values: dict[str, Any]) -> str:
    """Filters as the part of a URL behind the question mark; what is empty is left out."""
    given = {name: value for name, value in values.items() if value not in (None, "", [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""
