"""The workflow over HTTP: drafts, reviews, ETags, and no recipient or content where it does not belong."""

import pytest
from web_support import CANARY, Api, errors_of

from postroom.queues.testing import VirtualClock


def a_draft(**fields: object) -> dict[str, object]:
    given = {"channel": "email", "messageId": "m-1", "recipient": f"{CANARY}@example.com", "subject": CANARY}
    return {**given, "content": CANARY, **fields}


async def drafted(api: Api, **fields: object) -> str:
    answer = await api.post("/api/messages", a_draft(**fields))
    assert answer.status_code == 201, answer.text
    return answer.headers["etag"]


async def test_message_goes_from_draft_to_sent(api: Api, clock: VirtualClock) -> None:
    """Each answer has the new version as its ETag."""
    await drafted(api)
    submitted = await api.post("/api/messages/m-1/submit")
    assert submitted.json()["status"] == "pending_review"
    waiting = (await api.get("/api/reviews")).json()["messages"]
    assert [one["messageId"] for one in waiting] == ["m-1"]

    rejected = await api.post(
        "/api/messages/m-1/reject", {"note": "Name the room."}, headers={"If-Match": "*"}
    )
    edited = await api(
        "PATCH", "/api/messages/m-1", {"content": "Room 4"}, headers={"If-Match": rejected.headers["etag"]}
    )
    sent = await api.post("/api/messages/m-1/send", headers={"If-Match": edited.headers["etag"]})
    async with api.app.queues.running():
        await clock.advance(5)

    assert (rejected.json()["status"], edited.json()["status"], sent.json()["status"]) == (
        "rejected",
        "draft",
        "queued",
    )
    assert (await api.get("/api/messages/m-1")).json()["status"] == "sent"


async def test_recipient_and_content_are_only_under_content(api: Api) -> None:
    """Everywhere else they are masked or missing."""
    await drafted(api)
    await api.post("/api/messages/m-1/submit")
    for path in ("/api/messages/m-1", "/api/messages", "/api/reviews", "/api/messages/m-1/events"):
        assert CANARY not in (await api.get(path)).text

    found = (await api.get("/api/messages/m-1/content")).json()

    assert (found["content"], found["recipient"]) == (CANARY, f"{CANARY}@example.com")
    assert (await api.get("/api/messages/m-1/events")).json()["events"][-1]["kind"] == "viewed"


async def test_stale_version_is_refused(api: Api) -> None:
    """412 with the present version; without If-Match 428."""
    seen = await drafted(api)
    changed = await api("PATCH", "/api/messages/m-1", {"content": "New"}, headers={"If-Match": seen})

    stale = await api("PATCH", "/api/messages/m-1", {"content": "Newer"}, headers={"If-Match": seen})
    missing = await api("PATCH", "/api/messages/m-1", {"content": "Newer"})
    junk = await api("PATCH", "/api/messages/m-1", {"content": "Newer"}, headers={"If-Match": "junk"})

    assert (stale.status_code, missing.status_code, junk.status_code) == (412, 428, 400)
    assert stale.headers["etag"] == changed.headers["etag"]


async def test_illegal_move_says_what_is_possible(api: Api) -> None:
    """409, and the message is as it was."""
    await drafted(api)

    answer = await api.post("/api/messages/m-1/resend")

    assert answer.status_code == 409
    assert "It is draft; possible now: edit, submit, send, schedule, cancel." in answer.json()["detail"]


async def test_wrong_draft_names_its_fields(api: Api) -> None:
    """And repeats no value."""
    answer = await api.post(
        "/api/messages", a_draft(recipient=f"{CANARY}!", zone="Mars", expiresAt="2001-01-01T00:00:00Z")
    )

    assert answer.status_code == 422
    assert errors_of(answer).keys() == {"recipient", "zone", "expiresAt"}
    assert CANARY not in answer.text


@pytest.mark.parametrize("body", ["{", '{"channel":"fax"}', '{"channel":"email","recipient":1}', "[]"])
async def test_junk_is_refused(api: Api, body: str) -> None:
    """As a problem."""
    answer = await api.post("/api/messages", body)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_local_time_with_zone_is_scheduled(api: Api, clock: VirtualClock) -> None:
    """In the recipient's zone."""
    await drafted(api)

    planned = await api.post(
        "/api/messages/m-1/schedule",
        {"sendAt": "2030-07-01T09:00", "zone": "Europe/Berlin"},
        headers={"If-Match": "*"},
    )
    wrong = await api.post(
        "/api/messages/m-1/schedule", {"sendAt": "2030-07-01T09:00"}, headers={"If-Match": "*"}
    )

    assert planned.json()["scheduledFor"] == "2030-07-01T07:00:00Z"
    assert errors_of(wrong).keys() == {"sendAt"}


async def test_messages_are_listed_by_filter_and_page(api: Api) -> None:
    """Newest first, by state, author, recipient and channel."""
    for number in range(3):
        await drafted(api, messageId=f"m-{number}", recipient=f"p{number}@example.com")
    await api.post("/api/messages/m-1/submit")

    async def ids(query: str) -> list[str]:
        return [one["messageId"] for one in (await api.get(f"/api/messages?{query}")).json()["messages"]]

    assert await ids("") == ["m-2", "m-1", "m-0"]
    assert await ids("status=draft") == ["m-2", "m-0"]
    assert await ids("author=nobody") == []
    assert await ids("since=2999-01-01T00:00:00Z") == await ids("until=2000-01-01T00:00:00Z") == []
    assert await ids("topic=news&until=2999-01-01T00:00:00Z") == []
    first = (await api.get("/api/messages?limit=2")).json()
    assert await ids(f"limit=2&before={first['next']}") == ["m-0"]


async def test_recipient_is_asked_for_in_a_body(api: Api) -> None:
    """URLs are written down in places where recipients must not be."""
    for number in range(3):
        await drafted(api, messageId=f"m-{number}", recipient=f"p{number % 2}@example.com")

    async def found(**body: object) -> list[str]:
        answer = await api.post("/api/messages/search", {"recipient": "P0@example.com", **body})
        return [one["messageId"] for one in answer.json()["messages"]]

    assert await found() == ["m-2", "m-0"]
    assert await found(status="sent") == await found(channel="sms") == []
    first = (await api.post("/api/messages/search", {"recipient": "p0@example.com", "limit": 1})).json()
    assert await found(before=first["next"]) == ["m-0"]
    refused = await api.get("/api/messages?recipient=p1@example.com")
    assert (refused.status_code, errors_of(refused).keys()) == (400, {"recipient"})


async def test_reviews_are_paged_oldest_first(api: Api, clock: VirtualClock) -> None:
    """Also those that were submitted in one moment."""
    for number in range(5):
        await drafted(api, messageId=f"m-{number}")
    for number in (3, 1, 0, 2, 4):
        await api.post(f"/api/messages/m-{number}/submit")
        await clock.advance(1 if number == 3 else 0)
    seen, after = [], ""
    while True:
        page = (await api.get(f"/api/reviews?limit=2{after}")).json()
        seen += [one["messageId"] for one in page["messages"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert seen == ["m-3", "m-0", "m-1", "m-2", "m-4"]
    assert (await api.get("/api/reviews?channel=sms")).json()["messages"] == []
    assert (await api.get("/api/reviews?after=x")).status_code == 400


async def test_unknown_message_is_not_found(api: Api) -> None:
    """By every way."""
    for path in ("", "/content", "/events"):
        assert (await api.get(f"/api/messages/nope{path}")).status_code == 404
    for act in ("submit", "cancel", "resend"):
        assert (await api.post(f"/api/messages/nope/{act}")).status_code == 404
