"""The frame of the pages: who gets in, forms of ours alone, refusals as pages, files by their content."""

import re
from typing import Any
from urllib.parse import urlencode

import httpx
from web_support import OPERATOR_TOKEN, Api

from postroom.queues.testing import VirtualClock
from postroom.web.dashboard.assets import assets

FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "http://localhost:5173"}
PASSWORD = "correct horse battery"


async def a_user(api: Api, name: str, role: str, token: str | None = None) -> None:
    body = {"name": name, "roles": [role], "password": PASSWORD}
    assert (await api.post("/api/users", body, token=token)).status_code == 201


async def submit(api: Api, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
    return await api.post(path, urlencode(fields), headers={**FORM, **headers})


def cookie_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def token_in(page: str) -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def signed_in(api: Api, name: str) -> dict[str, str]:
    answer = await submit(api, "/app/act-as", {"name": name})
    assert answer.status_code == 303
    return {"cookie": cookie_of(answer)}


async def test_home_leads_to_where_a_role_begins(api: Api) -> None:
    """Each role has a page to begin on."""
    await a_user(api, "anna", "staff")
    await a_user(api, "shop", "producer")
    anna = await api.get("/", headers=await signed_in(api, "anna"))
    shop = await api.get("/", headers=await signed_in(api, "shop"))

    assert (anna.status_code, anna.headers["location"]) == (303, "/app/mine")
    assert shop.headers["location"] == "/app/account"


async def test_who_is_not_signed_in_is_sent_to_the_form_and_back(production: Api) -> None:
    """The page that was asked for comes after signing in; other sites never do."""
    answer = await production.get("/app/account?x=1")
    form = await production.get(answer.headers["location"])
    elsewhere = await production.get("/app/sign-in?next=https://evil.example")

    assert answer.status_code == 303
    assert 'name="next" value="/app/account?x=1"' in form.text
    assert "evil" not in elsewhere.text


async def test_sign_in_begins_a_session_for_pages(production: Api) -> None:
    """Name and password, as at the API."""
    await a_user_in_production(production)
    answer = await submit(
        production, "/app/sign-in", {"name": "anna", "password": PASSWORD, "next": "/app/account"}
    )
    page = await production.get("/app/account", headers={"cookie": cookie_of(answer)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/app/account")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "Secure" in answer.headers["set-cookie"]
    assert "<h1>anna</h1>" in page.text


async def a_user_in_production(production: Api) -> None:
    def make(transaction: Any) -> None:
        accounts.users.create(transaction, name="anna", roles=["staff"], now_us=1, password_hash=hashed)

    accounts = production.services.accounts
    hashed = await accounts.passwords.make(PASSWORD)
    await production.app.store.write(make)


async def test_failed_sign_in_is_told_on_the_form_and_audited(production: Api) -> None:
    """The same words for a wrong name and a wrong password; the name stays in the form."""
    await a_user_in_production(production)
    wrong = await submit(production, "/app/sign-in", {"name": "anna", "password": "no"})
    unknown = await submit(production, "/app/sign-in", {"name": "nobody", "password": "no"})
    await production.services.door.refusals.flush()
    found = await production.app.store.read(
        lambda t: [action for (action,) in t.connection.execute("SELECT action FROM audit_log")]
    )

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert "Name or password are wrong" in wrong.text
    assert "Name or password are wrong" in unknown.text
    assert 'value="anna"' in wrong.text
    assert found == ["access.refused", "access.refused"]


async def test_form_without_the_sessions_token_is_refused(api: Api) -> None:
    """The browser sends cookies along whoever asks; the token is in the form alone."""
    await a_user(api, "anna", "staff")
    session = await signed_in(api, "anna")
    page = await api.get("/app/account", headers=session)
    without = await submit(api, "/app/sign-out", {}, **session)
    with_it = await submit(api, "/app/sign-out", {"_csrf": token_in(page.text)}, **session)

    assert without.status_code == 403
    assert with_it.status_code == 303


async def test_form_of_another_site_is_refused(production: Api) -> None:
    """Also where there is no session yet: nobody is signed in by a stranger's page."""
    fields = {"name": "anna", "password": PASSWORD}
    other = await submit(production, "/app/sign-in", fields, origin="https://evil.example")
    silent = await production.post(
        "/app/sign-in", urlencode(fields), headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert (other.status_code, silent.status_code) == (403, 403)


async def test_part_of_somebody_is_taken_locally_alone(production: Api) -> None:
    """Elsewhere there is no such page."""
    await a_user_in_production(production)
    answer = await submit(production, "/app/act-as", {"name": "anna"})

    assert answer.status_code == 404


async def test_pages_allow_scripts_and_styles_of_this_site_alone(api: Api) -> None:
    """No inline script or style, in the policy as in the markup."""
    page = await api.get("/app/account")

    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.search(r"<style|style=|<script>|\son[a-z]+=", page.text) is None


async def test_files_are_kept_under_their_hash_alone(api: Api) -> None:
    """A year under the hash of the content; under another they are asked for again."""
    right = await api.get(f"/app/static/{assets().hash}/postroom.css")
    old = await api.get("/app/static/000000000000/postroom.css")
    missing = await api.get(f"/app/static/{assets().hash}/../rendering.py")

    assert "immutable" in right.headers["cache-control"]
    assert right.headers["content-type"] == "text/css; charset=utf-8"
    assert old.headers["cache-control"] == "no-cache"
    assert missing.status_code == 404


async def test_files_need_nobody_signed_in(production: Api) -> None:
    """The sign-in page needs them."""
    assert (await production.get(f"/app/static/{assets().hash}/postroom.js")).status_code == 200


async def test_unknown_page_is_told_as_a_page(api: Api) -> None:
    """For the API it stays a problem in JSON."""
    page = await api.get("/app/nowhere")
    endpoint = await api.get("/api/nowhere")

    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no page at this address" in page.text
    assert endpoint.headers["content-type"] == "application/problem+json"


async def test_token_of_a_program_opens_pages_too(production: Api) -> None:
    """A bearer token is no ambient authority; it needs no form token."""
    page = await production.get("/app/account", token=OPERATOR_TOKEN)

    assert page.status_code == 200


async def test_theme_is_kept(api: Api) -> None:
    """In a cookie, and goes back to a page of ours alone."""
    answer = await submit(api, "/app/theme", {"theme": "dark", "back": "/app/account"})
    astray = await submit(api, "/app/theme", {"theme": "dark", "back": "//evil.example"})
    page = await api.get("/app/account", headers={"cookie": cookie_of(answer)})

    assert answer.headers["location"] == "/app/account"
    assert astray.headers["location"] == "/"
    assert 'data-theme="dark"' in page.text


async def test_what_a_page_asks_by_itself_keeps_no_session_alive(api: Api, clock: VirtualClock) -> None:
    """An open dashboard does not stay signed in for ever."""
    await a_user(api, "anna", "staff")
    session = await signed_in(api, "anna")
    for _ in range(4):
        await clock.advance(600)
        await api.get("/app/account", headers={**session, "x-postroom-background": "1"})
    page = await api.get("/app/account", headers=session)

    assert "<h1>local-developer</h1>" in page.text
