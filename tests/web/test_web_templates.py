"""Templates over HTTP (web/api/templates.py)."""

from typing import Any

import httpx
import pytest
from web_support import CANARY, OPERATOR_TOKEN, Api, errors_of


def a_template(**fields: Any) -> dict[str, Any]:
    given = {
        "templateId": "reminder", "channel": "email", "subject": "Hello {{ name }}", "content": "On {{ day }}.",
        "html": "<p>On {{ day }}, {{ name }}.</p>",
        "variables": [{"name": "name", "sample": "Anna & Bob"}, {"name": "day", "type": "date", "sample": "2026-12-01"}],
    }  # fmt: skip
    return {**given, **fields}


def a_text(**fields: Any) -> dict[str, Any]:
    return {
        name: value for name, value in a_template(**fields).items() if name not in ("templateId", "channel")
    }


async def made(api: Api, **fields: Any) -> httpx.Response:
    answer = await api.post("/api/templates", a_template(**fields))
    assert answer.status_code == 201, answer.text
    return answer


async def test_template_is_made_and_found(api: Api) -> None:
    """At version 1, with its ETag and its place."""
    answer = await made(api)

    found = await api.get(answer.headers["location"])
    assert found.json() == answer.json()
    assert (found.json()["version"], found.headers["etag"]) == (1, '"v1"')
    assert [one["templateId"] for one in (await api.get("/api/templates")).json()["templates"]] == [
        "reminder"
    ]


async def test_new_version_needs_what_was_seen(api: Api) -> None:
    """412 when another came in between, 428 without If-Match; the old version can still be read."""
    await made(api)
    path = "/api/templates/reminder"
    missing = await api("PUT", path, a_text(content="New"))
    done = await api("PUT", path, a_text(content="New"), headers={"If-Match": '"v1"'})
    stale = await api("PUT", path, a_text(content="Newer"), headers={"If-Match": '"v1"'})

    assert (missing.status_code, done.status_code, stale.status_code) == (428, 200, 412)
    assert done.headers["etag"] == stale.headers["etag"] == '"v2"'
    assert stale.json()["title"] == "The template has changed meanwhile"
    assert (await api.get(path)).json()["content"] == "New"
    assert (await api.get(f"{path}?version=1")).json()["content"] == "On {{ day }}."
    versions = (await api.get(f"{path}/versions?limit=1")).json()
    assert [one["version"] for one in versions["templates"]] == [2]
    older = (await api.get(f"{path}/versions?before={versions['next']}")).json()
    assert ([one["version"] for one in older["templates"]], older["next"]) == ([1], None)


async def test_archived_template_is_out_of_the_way(api: Api) -> None:
    """Until it is asked for, or restored."""
    await made(api)
    archived = await api("PATCH", "/api/templates/reminder", {"archived": True})

    async def ids(query: str = "") -> list[str]:
        return [one["templateId"] for one in (await api.get(f"/api/templates{query}")).json()["templates"]]

    assert archived.json()["archived"] is True
    assert (await ids(), await ids("?archived=yes"), await ids("?archived=all")) == (
        [],
        ["reminder"],
        ["reminder"],
    )
    await api("PATCH", "/api/templates/reminder", {"archived": False})
    assert (await ids(), await ids("?channel=sms")) == (["reminder"], [])


async def test_preview_shows_a_message(api: Api) -> None:
    """With samples, or with variables of one's own; escaped in HTML alone."""
    await made(api)

    sample = (await api.post("/api/templates/reminder/preview")).json()
    own = await api.post(
        "/api/templates/reminder/preview", {"variables": {"name": "Cara", "day": "2027-01-01"}}
    )
    wrong = await api.post("/api/templates/reminder/preview", {"variables": {"name": CANARY, "dey": CANARY}})

    assert (sample["subject"], sample["html"]) == (
        "Hello Anna & Bob",
        "<p>On 2026-12-01, Anna &amp; Bob.</p>",
    )
    assert own.json()["content"] == "On 2027-01-01."
    assert (wrong.status_code, errors_of(wrong).keys()) == (422, {"variables.dey", "variables.day"})
    assert CANARY not in wrong.text


async def test_fault_has_line_and_column(api: Api) -> None:
    """In the field that it is in."""
    answer = await api.post("/api/templates", a_template(content="Dear\n {{{ name }}}", subject=None))

    assert answer.status_code == 422
    assert errors_of(answer).keys() == {"subject", "content"}
    assert errors_of(answer)["content"].startswith("line 2, column 2: has three braces")


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "{}", '{"templateId":"x","channel":"fax","content":"x"}', '{"templateId":1}', '{"a":"b"}'],
)
async def test_junk_is_refused(api: Api, body: str) -> None:
    """As a problem."""
    for method, path in (
        ("POST", "/api/templates"),
        ("PUT", "/api/templates/x"),
        ("PATCH", "/api/templates/x"),
    ):
        answer = await api(method, path, body, headers={"If-Match": "*"})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_unknown_and_double_templates_are_refused(api: Api) -> None:
    """404 and 409."""
    await made(api)

    assert (await api.post("/api/templates", a_template())).status_code == 409
    assert (await api.get("/api/templates/nope")).status_code == 404
    assert (await api.get("/api/templates/nope/versions")).status_code == 404
    assert (await api.get("/api/templates/reminder?version=9")).status_code == 404
    assert (await api.post("/api/templates/nope/preview")).status_code == 404
    assert (await api("PUT", "/api/templates/nope", a_text(), headers={"If-Match": "*"})).status_code == 404
    assert (await api("PATCH", "/api/templates/nope", {"archived": True})).status_code == 404
    assert (await api.get("/api/templates?channel=fax")).status_code == 400


async def test_only_some_roles_change_templates(production: Api) -> None:
    """An operator looks at them."""
    token = OPERATOR_TOKEN
    assert (await production.get("/api/templates", token=token)).status_code == 200
    assert (await production.get("/api/templates")).status_code == 401
    for method, path in (
        ("POST", "/api/templates"),
        ("PUT", "/api/templates/x"),
        ("PATCH", "/api/templates/x"),
    ):
        assert (await production(method, path, a_template(), token=token)).status_code == 403
