"""Suppressions and unclear wishes over HTTP (web/api/suppressions.py, unclear.py)."""

from typing import Any

import pytest
from web_support import CANARY, OPERATOR_TOKEN, PRODUCER_TOKEN, Api, errors_of

from postroom.kit.actor import WEBHOOK
from postroom.messages.suppressions import Source, Suppressions
from postroom.messages.unclear import UnclearWishes

ADDRESS = f"{CANARY}@example.com"
NUMBER = "+12125551234"


async def suppressed(api: Api, recipient: str = ADDRESS, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/api/suppressions", {"recipient": recipient, "reason": "they rang up", **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def heard(api: Api, source: Source, address: str = NUMBER, channel: str = "sms") -> None:
    """As a provider's callback does."""
    ledger, now_us = Suppressions(api.app.records.vault), api.app.clock.now_us()
    await api.app.store.write(
        lambda t: ledger.suppress(
            t, channel, address, None, source, actor=WEBHOOK, now_us=now_us, evidence="e-1"
        )
    )


async def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/api/suppressions?{query}")
    assert answer.status_code == 200, answer.text
    assert CANARY not in answer.text
    found: list[dict[str, Any]] = answer.json()["suppressions"]
    return found


async def test_address_is_suppressed_once(api: Api) -> None:
    """The second time is answered alike, with 200."""
    first = await suppressed(api)
    again = await api.post("/api/suppressions", {"recipient": ADDRESS.lower(), "reason": "they rang again"})

    assert (first["recipient"], first["channel"], first["topic"], first["source"]) == (
        "C***@example.com", "email", "*", "staff",
    )  # fmt: skip
    assert (again.status_code, again.json()) == (200, first)
    assert (await api.get(f"/api/suppressions/{first['suppressionId']}")).json() == first


async def searched(api: Api, recipient: str, **body: object) -> list[dict[str, Any]]:
    answer = await api.post("/api/suppressions/search", {"recipient": recipient, **body})
    found: list[dict[str, Any]] = answer.json()["suppressions"]
    return found


async def test_suppressions_are_found_by_filter_and_page(api: Api) -> None:
    """Newest first, masked."""
    await suppressed(api)
    await suppressed(api, NUMBER)
    await suppressed(api, "ben@example.com", topic="news")
    await heard(api, Source.STOP_KEYWORD)

    assert [one["recipient"] for one in await listed(api)] == [
        "+1******1234",
        "b***@example.com",
        "C***@example.com",
    ]
    assert [one["source"] for one in await listed(api, "channel=sms")] == ["stop_keyword"]
    assert [one["source"] for one in await listed(api, "channel=sms&history=yes")] == [
        "stop_keyword",
        "staff",
    ]
    assert [one["topic"] for one in await listed(api, "topic=news")] == ["news"]
    assert [one["recipient"] for one in await listed(api, "source=staff")] == [
        "b***@example.com",
        "C***@example.com",
    ]
    assert len(await searched(api, "BEN@example.com")) == 1
    assert len(await searched(api, NUMBER, history=True)) == 2
    first = (await api.get("/api/suppressions?limit=2")).json()
    assert [one["recipient"] for one in await listed(api, f"before={first['next']}")] == ["C***@example.com"]


async def test_suppression_is_lifted_with_a_reason(api: Api) -> None:
    """The history keeps both entries; a second time there is nothing to lift."""
    path = f"/api/suppressions/{(await suppressed(api))['suppressionId']}"
    without = await api("DELETE", path, {})
    lifted = await api("DELETE", path, {"reason": "they asked for it"})
    again = await api("DELETE", path, {"reason": "they asked for it"})

    assert (without.status_code, lifted.status_code, again.status_code) == (422, 200, 404)
    assert (lifted.json()["state"], lifted.json()["reason"]) == ("allowed", "they asked for it")
    assert await listed(api) == []
    assert len(await listed(api, "history=yes")) == 2


async def test_stop_is_lifted_by_new_consent_alone(api: Api) -> None:
    """With evidence of it."""
    await heard(api, Source.STOP_KEYWORD)
    path = f"/api/suppressions/{(await listed(api))[0]['suppressionId']}"

    refused = await api("DELETE", path, {"reason": "they rang up"})
    lifted = await api(
        "DELETE", path, {"reason": "they rang up", "evidence": "form 7 of 2026-11-02", "wording": "3"}
    )

    assert (refused.status_code, refused.json()["type"]) == (409, "urn:postroom:problem:only-the-person")
    assert (lifted.json()["source"], lifted.json()["evidence"]) == ("opt_in", "form 7 of 2026-11-02")
    assert await listed(api) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"recipient": CANARY, "reason": "x"}, {"recipient"}),
        ({"recipient": CANARY, "channel": "email", "reason": "x"}, {"recipient"}),
        ({"recipient": ADDRESS, "channel": "sms", "reason": "x"}, {"recipient"}),
        ({"recipient": ADDRESS}, {"$"}),
        ({"recipient": ADDRESS, "reason": ""}, {"reason"}),
        ({"recipient": ADDRESS, "reason": "x", "state": "allowed"}, {"$"}),
    ],
)
async def test_wrong_request_names_its_fields(api: Api, body: dict[str, Any], fields: set[str]) -> None:
    """And repeats no value."""
    answer = await api.post("/api/suppressions", body)

    assert (answer.status_code, errors_of(answer).keys()) == (422, fields)
    assert CANARY not in answer.text


async def test_wrong_parameters_and_unknown_entries_are_refused(api: Api) -> None:
    """By every way."""
    for query in ("channel=fax", "source=x", "history=x", "recipient=x", "limit=0", "before=x"):
        assert (await api.get(f"/api/suppressions?{query}")).status_code == 400
    assert (await api.get("/api/suppressions/nope")).status_code == 404
    assert (await api("DELETE", "/api/suppressions/nope", {"reason": "x"})).status_code == 404
    assert (await api("DELETE", "/api/suppressions/nope")).status_code == 400


async def test_unclear_wish_is_read_and_decided(api: Api) -> None:
    """That it was read is audited; what was meant is done at once."""
    vault, now_us = api.app.records.vault, api.app.clock.now_us()
    wishes = UnclearWishes(vault, Suppressions(vault))
    await api.app.store.write(lambda t: wishes.add(t, "sms", NUMBER, "no more please", "e-1", now_us))

    page = (await api.get("/api/unclear-wishes")).json()
    path = f"/api/unclear-wishes/{page['wishes'][0]['wishId']}/decide"
    junk = await api.post(path, {"decision": "perhaps"})
    done = await api.post(path, {"decision": "stop"})
    again = await api.post(path, {"decision": "stop"})

    assert (page["wishes"][0]["text"], page["wishes"][0]["recipient"]) == ("no more please", "+1******1234")
    assert (junk.status_code, done.status_code, again.status_code) == (422, 200, 404)
    assert [one["source"] for one in await listed(api)] == ["stop_keyword"]
    assert (await api.get("/api/unclear-wishes")).json() == {"wishes": [], "next": None}
    rows = await api.app.store.read(lambda t: list(t.connection.execute("SELECT action FROM audit_log")))
    assert ("wish.read",) in rows


async def test_only_some_roles_see_suppressions(production: Api) -> None:
    """And fewer read what people wrote."""
    for path in ("/api/suppressions", "/api/suppressions/x", "/api/unclear-wishes"):
        assert (await production.get(path)).status_code == 401
        assert (await production.get(path, token=PRODUCER_TOKEN)).status_code == 403
    assert (await production.get("/api/suppressions", token=OPERATOR_TOKEN)).status_code == 200
    assert (await production.get("/api/unclear-wishes", token=OPERATOR_TOKEN)).status_code == 403
    body = {"recipient": ADDRESS, "reason": "x"}
    assert (await production.post("/api/suppressions", body, token=PRODUCER_TOKEN)).status_code == 403
