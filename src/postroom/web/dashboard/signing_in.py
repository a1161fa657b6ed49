"""Signing in and out in the browser; locally, taking somebody's part without a password."""

from typing import Final

from litestar import get, post
from litestar.response import Redirect, Template

from postroom.accounts import User
from postroom.store import StoreTransaction
from postroom.web.api.session import begin_session, end_session, session_of_password
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.navigation import ACCOUNT, home_of
from postroom.web.dashboard.paths import ACT_AS, HOME, PREFIX, SIGN_IN, SIGN_OUT, safe_next
from postroom.web.dashboard.refusing import MEANINGS
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING
from postroom.web.problems import FORBIDDEN, NOT_FOUND, Refusal
from postroom.web.services import WebServices

PEOPLE_MAX: Final = 30
"""Whose part can be taken by a click; others by the command line."""


@get([HOME, PREFIX], include_in_schema=False)
async def home(request: Asked, services: Services) -> Redirect:
    """To where this person begins."""
    return see_other(services, home_of(request.user))


@get(SIGN_IN, include_in_schema=False)
async def sign_in_page(request: Asked, services: Services) -> Template:
    """The form, and locally the people whose part can be taken."""
    people = await _people(services) if services.local else []
    return page(
        request, services, "sign_in.html", people=people, refusal=None, name="",
        next=safe_next(request.query_params.get("next")),
    )  # fmt: skip


@post(SIGN_IN, include_in_schema=False, status_code=303)
async def sign_in(request: Asked, services: Services) -> Redirect:
    """With name and password, as at `POST /api/session`; what is wrong is told on the form."""
    form = form_of(request)
    begun = await session_of_password(
        services, request.user.actor, form.raw("name").strip(), form.raw("password")
    )
    answer = see_other(services, safe_next(form.raw("next")))
    answer.headers["set-cookie"] = begun.header
    return answer


@post(ACT_AS, include_in_schema=False, status_code=303)
async def act_as(request: Asked, services: Services) -> Redirect:
    """Take somebody's part, in the local environment only; it is a session like any other."""
    if not services.local:
        raise Refusal(NOT_FOUND)
    name = form_of(request).raw("name")
    users = services.accounts.users
    user = await services.store.read(lambda transaction: users.find(transaction, name))
    if user is None or user.disabled:
        raise Refusal(FORBIDDEN, "Nobody who has an account is called that.")
    begun = await begin_session(services, request.user.actor, user)
    answer = see_other(services, HOME)
    answer.headers["set-cookie"] = begun.header
    return answer


@post(SIGN_OUT, include_in_schema=False, status_code=303)
async def sign_out(request: Asked, services: Services) -> Redirect:
    """The session ends."""
    answer = see_other(services, SIGN_IN)
    answer.headers["set-cookie"] = await end_session(services, request)
    return answer


@get(ACCOUNT, include_in_schema=False)
async def account(request: Asked, services: Services) -> Template:
    """Who one is here, and what one may do."""
    return page(request, services, "account.html", meanings=MEANINGS)


HANDLERS: Final = (home, sign_in_page, sign_in, act_as, sign_out, account)


async def _people(services: WebServices) -> list[User]:
    def look(transaction: StoreTransaction) -> list[User]:
        return services.accounts.users.page(transaction, BEGINNING, PEOPLE_MAX)

    found = await services.store.read(look)
    return [one for one in reversed(found) if not one.disabled]
