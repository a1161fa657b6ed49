"""People and what they get in with: accounts, roles, API tokens. A token's secret is shown once."""

from collections.abc import Collection
from typing import Any, Final

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission, Role
from postroom.accounts.roles import MATRIX
from postroom.accounts.tokens import DAYS_DEFAULT
from postroom.store import StoreTransaction
from postroom.web.api import users as api
from postroom.web.auth import needs
from postroom.web.dashboard.asking import with_body
from postroom.web.dashboard.forms import Form, form_of
from postroom.web.dashboard.problems import errors_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.problems import Refusal
from postroom.web.services import WebServices

MANAGES: Final = [needs(Permission.MANAGE_USERS)]
LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
LIMIT: Final = "50"


@get("/app/people", include_in_schema=False, guards=MANAGES)
async def people_page(request: Asked, services: Services) -> Template:
    """Everybody with an account, and what each role allows."""
    return await _people_page(request, services)


@post("/app/people", include_in_schema=False, guards=MANAGES, status_code=200)
async def make_user(request: Asked, services: Services) -> Template | Redirect:
    """An account."""
    form = form_of(request)
    try:
        made = await api.create_user.fn(
            with_body(request, _account(form, name=form.text("name") or "")), services
        )
    except Refusal as refusal:
        return await _people_page(request, services, errors=errors_of(refusal), form=form)
    return see_other(services, f"/app/people/{made.content.user_id}", "good", "The account is made.")


@get("/app/people/{user_id:str}", include_in_schema=False, guards=MANAGES)
async def person_page(user_id: FromPath[str], request: Asked, services: Services) -> Template:
    """One, with their tokens."""
    return await _person_page(user_id, request, services)


@post("/app/people/{user_id:str}", include_in_schema=False, guards=MANAGES, status_code=200)
async def change_user(user_id: FromPath[str], request: Asked, services: Services) -> Template | Redirect:
    """Roles, name, email, password, whether they get in at all."""
    form = form_of(request)
    changes = {**_account(form), "disabled": form.checked("disabled")}
    try:
        await api.change_user.fn(user_id, with_body(request, changes), services)
    except Refusal as refusal:
        return await _person_page(user_id, request, services, errors=errors_of(refusal), form=form)
    return see_other(services, f"/app/people/{user_id}", "good", "It is changed.")


@get("/app/tokens", include_in_schema=False, guards=LOOKS_UP)
async def tokens_page(request: Asked, services: Services) -> Template:
    """One's own; everybody's for who manages people."""
    return await _tokens_page(request, services)


@post("/app/tokens", include_in_schema=False, guards=LOOKS_UP, status_code=200)
async def make_token(request: Asked, services: Services) -> Template:
    """Its secret is on the page that follows, and nowhere else."""
    form = form_of(request)
    body = {
        "label": form.text("label") or "", "user": form.text("user"), "scopes": form.all("scopes") or None,
        "expiresDays": form.whole("days") or DAYS_DEFAULT,
    }  # fmt: skip
    try:
        made = await api.create_token.fn(with_body(request, body), services)
    except Refusal as refusal:
        return await _tokens_page(request, services, errors=errors_of(refusal), form=form)
    return await _tokens_page(request, services, made=made.content)


@post("/app/tokens/{token_id:str}/revoke", include_in_schema=False, guards=LOOKS_UP)
async def revoke(token_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """It ends at once here, within five seconds elsewhere."""
    await api.revoke_token.fn(token_id, request, services)
    return see_other(services, "/app/tokens", "good", "The token is revoked.")


HANDLERS: Final = (people_page, make_user, person_page, change_user, tokens_page, make_token, revoke)


def _account(form: Form, **more: Any) -> dict[str, Any]:
    return {
        "roles": form.all("roles"), "displayName": form.text("displayName"), "email": form.text("email"),
        "password": form.raw("password") or None, **more,
    }  # fmt: skip


async def _people_page(
    request: Asked, services: WebServices, *, errors: dict[str, str] | None = None, form: Form | None = None
) -> Template:  # fmt: skip
    before = request.query_params.get("before")
    listed = await api.list_users.fn(services, before=before, limit=LIMIT)
    return page(
        request, services, "people.html", listed=listed, first=before is None, roles=[str(role) for role in Role],
        matrix={str(role): {str(one) for one in may} for role, may in MATRIX.items()},
        every_permission=[str(one) for one in Permission], errors=errors or {}, form=form or Form(),
        status=422 if errors else 200,
    )  # fmt: skip


async def _person_page(
    user_id: str, request: Asked, services: WebServices, *, errors: dict[str, str] | None = None,
    form: Form | None = None,
) -> Template:  # fmt: skip
    found: Any = (await api.get_user.fn(user_id, services)).content
    tokens = await api.list_tokens.fn(request, services, user=found.name, limit=LIMIT)
    return page(
        request, services, "person.html", one=found, tokens=tokens.tokens, roles=[str(role) for role in Role],
        errors=errors or {}, chosen=form.all("roles") if form is not None else found.roles, status=422 if errors else 200,
    )  # fmt: skip


async def _tokens_page(
    request: Asked, services: WebServices, *, made: Any = None, errors: dict[str, str] | None = None,
    form: Form | None = None,
) -> Template:  # fmt: skip
    before = request.query_params.get("before")
    manages = Permission.MANAGE_USERS in request.user.permissions
    listed = await api.list_tokens.fn(
        request, services, user="*" if manages else None, before=before, limit=LIMIT
    )
    owners = await services.store.read(
        lambda transaction: _names(transaction, services, {token.user_id for token in listed.tokens})
    )
    return page(
        request, services, "tokens.html", listed=listed, owners=owners, manages=manages, made=made, errors=errors or {},
        form=form or Form(), first=before is None, every_permission=sorted(str(one) for one in request.user.permissions),
        days=DAYS_DEFAULT, status=422 if errors else 200,
    )  # fmt: skip


def _names(transaction: StoreTransaction, services: WebServices, ids: Collection[str]) -> dict[str, str]:
    found = {id_: services.accounts.users.by_id(transaction, id_) for id_ in ids}
    return {id_: user.name for id_, user in found.items() if user is not None}
