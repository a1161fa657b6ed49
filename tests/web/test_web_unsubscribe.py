"""Unsubscribing over HTTP (web/unsubscribe.py; RFC 8058, delivery 1.1)."""

import re
from html.parser import HTMLParser

import pytest
from web_support import CANARY, Api

from postroom.messages.suppressions import LATEST, Entry, Suppressions
from postroom.messages.unsubscribing import Subscription, Unsubscribing
from postroom.wiring import Application

KEY = b"k" * 32
ADDRESS = f"{CANARY}@example.com"
ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ELSEWHERE = "203.0.113.9"


def links_of(api: Api) -> Api:
    """The same application, with links."""
    return Api(api.app, unsubscribing=Unsubscribing([KEY], "https://postroom.example.com"))


def path_to(app: Application, topic: str = "news", message_id: str = "m-1") -> str:
    key = Suppressions(app.records.vault).key("email", ADDRESS)
    return f"/u/{Unsubscribing([KEY], None).token(Subscription(key, 'email', topic, message_id))}"


async def entries(app: Application) -> list[Entry]:
    ledger = Suppressions(app.records.vault)
    return await app.store.read(lambda t: ledger.page(t, LATEST, 100, history=True))


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.given: dict[str, dict[str, str | None]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append(tag)
        self.given[tag] = dict(attrs)


async def test_one_click_unsubscribes_without_a_cookie(production: Api) -> None:
    """From anywhere, however often; 200 and no redirect."""
    api = links_of(production)
    path = path_to(api.app)

    first = await api.post(path, ONE_CLICK, headers=FORM, peer=ELSEWHERE)
    second = await api.post(path, ONE_CLICK, headers=FORM, peer=ELSEWHERE)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text == second.text
    (entry,) = await entries(api.app)
    assert (entry.topic, entry.source, entry.state, entry.evidence) == (
        "news",
        "unsubscribe",
        "suppressed",
        "m-1",
    )


async def test_one_click_may_be_multipart(api: Api) -> None:
    """RFC 8058 3.2 allows both encodings of a form."""
    body = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'

    answer = await links_of(api).post(
        path_to(api.app), body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert answer.status_code == 200
    assert len(await entries(api.app)) == 1


async def test_looking_at_the_page_changes_nothing(api: Api) -> None:
    """Scanners follow links. Its form posts what a mailbox provider posts."""
    site = links_of(api)
    answer = await site.get(path_to(api.app), peer=ELSEWHERE)

    page = Page(answer.text)
    assert answer.status_code == 200
    assert await entries(api.app) == []
    assert page.given["form"] == {"method": "post"}
    assert page.given["html"] == {"lang": "en"}
    field = page.given["input"]
    await site.post(path_to(api.app), f"{field['name']}={field['value']}", headers=FORM)
    assert len(await entries(api.app)) == 1


async def test_page_has_no_script_and_a_strict_policy(api: Api) -> None:
    """It loads nothing, and its own style is allowed."""
    answer = await links_of(api).get(path_to(api.app))

    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        "default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        policy,
    )
    assert answer.headers["content-type"].startswith("text/html")
    assert not {"script", "img", "link", "iframe"} & set(Page(answer.text).tags)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_topic_on_the_page_is_escaped(api: Api) -> None:
    """Whatever it is called; the address is not on the page."""
    answer = await links_of(api).get(path_to(api.app, topic="<script>alert(1)</script>"))

    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert CANARY not in answer.text


@pytest.mark.parametrize("body", ["", "List-Unsubscribe=Two-Click", "{}", "x" * 10_000, "=&=&&", "\xff\x00"])
async def test_post_that_is_no_one_click_changes_nothing(api: Api, body: str) -> None:
    """It is shown the page."""
    answer = await links_of(api).post(path_to(api.app), body, headers=FORM)

    assert answer.status_code == 400
    assert "form" in Page(answer.text).tags
    assert await entries(api.app) == []


async def test_broken_link_gets_a_calm_page(api: Api) -> None:
    """404 by GET and by POST; also one made with another key, and where there are no links at all."""
    good = path_to(api.app)
    other = f"/u/{Unsubscribing([b'x' * 32], None).token(Subscription('k', 'email', 'news', 'm-1'))}"

    for site, path in (
        (links_of(api), good[:-3]),
        (links_of(api), other),
        (links_of(api), "/u/x"),
        (Api(api.app, unsubscribing=None), good),
    ):
        for answer in (await site.get(path), await site.post(path, ONE_CLICK, headers=FORM)):
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("text/html")
            assert "does not work" in answer.text
    assert await entries(api.app) == []


async def test_address_is_kept_where_the_message_is_known(api: Api) -> None:
    """So that colleagues see, masked, who it was."""
    site = links_of(api)
    draft = {"channel": "email", "messageId": "m-1", "recipient": ADDRESS, "subject": "x", "content": "x"}
    await site.post("/api/messages", draft)

    await site.post(path_to(api.app), ONE_CLICK, headers=FORM)

    shown = (await site.get("/api/suppressions")).json()["suppressions"]
    assert [(one["recipient"], one["actor"]) for one in shown] == [("C***@example.com", "recipient")]
