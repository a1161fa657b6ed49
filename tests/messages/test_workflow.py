"""The acts of people on messages (messages/workflow.py): who may do what, in which state, and what is on record."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from workflow_support import (
    ANNA,
    BEN,
    CARA,
    REVIEWER,
    STAFF,
    Open,
    a_draft,
    approved,
    deliveries_of,
    drafted,
    nothing,
    person,
    record_of,
    status_of,
    submitted,
    timeline,
    trail,
)

from postroom.accounts import MATRIX, Role
from postroom.kit.clock import to_us
from postroom.messages import Changes, IllegalMove, MessageInvalid, NoSuchMessage, NotAllowed, VersionMoved
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application

HOUR = 3_600


async def test_message_is_drafted_reviewed_approved_and_sent(app: Application, clock: VirtualClock) -> None:
    """The whole way, and every step on record."""
    await drafted(app)
    waiting = await app.desk.submit(ANNA, "m-1")
    queued = await app.desk.approve(BEN, "m-1", waiting.version, "fine")
    await clock.advance(5)

    assert (waiting.status, queued.status, await status_of(app)) == ("pending_review", "queued", "sent")
    moves = [(one["before"], one["after"]) for one in await timeline(app) if one["kind"] == "moved"]
    assert moves == [
        ("draft", "pending_review"), ("pending_review", "queued"), ("queued", "processing"), ("processing", "sent"),
    ]  # fmt: skip
    assert [row["action"] for row in await trail(app)] == [
        "message.drafted", "message.submitted", "message.approved", "job.done",
    ]  # fmt: skip


async def test_recipient_is_stored_in_its_standard_form(app: Application) -> None:
    """As jobs are."""
    assert (await drafted(app)).recipient == "Patient@example.com"


async def test_nobody_approves_their_own_message(app: Application) -> None:
    """Whatever their role; the refusal is on record."""
    own = await submitted(app, by=BEN)

    with pytest.raises(NotAllowed, match="their own"):
        await app.desk.approve(BEN, "m-1", own.version)

    assert await status_of(app) == "pending_review"
    assert (await timeline(app))[-1]["kind"] == "refused"
    assert (await trail(app))[-1]["action"] == "message.refused"


async def test_own_messages_may_be_approved_where_the_setting_says_so(open_app: Open) -> None:
    """POSTROOM_REVIEW_OWN."""
    async with open_app(review_own="yes") as app:
        own = await submitted(app, by=BEN)

        assert (await app.desk.approve(BEN, "m-1", own.version)).status == "queued"


async def test_staff_cannot_approve_or_send(app: Application) -> None:
    """That needs the permission."""
    found = await submitted(app)

    for act in (app.desk.approve, app.desk.reject, app.desk.send):
        with pytest.raises(NotAllowed):
            await act(ANNA, "m-1", found.version)


async def test_rejected_message_goes_back_with_a_note(app: Application) -> None:
    """And can be edited and submitted again."""
    found = await submitted(app)

    rejected = await app.desk.reject(BEN, "m-1", found.version, "Name the place.")

    assert (rejected.status, rejected.review_note) == ("rejected", "Name the place.")
    edited = await app.desk.edit(
        ANNA, "m-1", Changes(content="It is tomorrow at 2 pm in room 4."), rejected.version
    )
    assert edited.status == "draft"
    assert (await app.desk.submit(ANNA, "m-1")).status == "pending_review"


async def test_reviewer_may_edit_during_review(app: Application) -> None:
    """It stays under review, and the history says what changed by counts and hashes."""
    found = await submitted(app)

    edited = await app.desk.edit(BEN, "m-1", Changes(content="Tomorrow at 2 pm."), found.version)

    assert edited.status == "pending_review"
    entry = (await timeline(app))[-1]
    assert entry["kind"] == "edited"
    assert found.content_sha256 is not None
    assert found.content_sha256 in entry["details"]
    assert "Tomorrow" not in entry["details"]


async def test_what_it_said_before_an_edit_is_kept(app: Application) -> None:
    """For who may read it, with who replaced it; an edit that changes neither text nor recipient keeps nothing."""
    found = await submitted(app)
    edited = await app.desk.edit(BEN, "m-1", Changes(content="Tomorrow at 3 pm."), found.version)
    await app.desk.edit(BEN, "m-1", Changes(zone="Europe/Berlin"), edited.version)

    reading = await app.desk.compare(ANNA, "m-1")

    assert [(one.content, one.editor, one.version) for one in reading.earlier] == [
        ("It is tomorrow at 2 pm.", "ben", found.version)
    ]
    assert reading.now.content == "Tomorrow at 3 pm."
    with pytest.raises(NotAllowed):
        await app.desk.compare(person("dan", STAFF), "m-1")


async def test_preview_is_what_would_be_sent(app: Application) -> None:
    """The sender, the parts of a text message, a portal's notice; of a draft that is not on record."""
    now_us = app.clock.now_us()

    mail = await app.store.read(lambda t: app.previews.of_draft(t, a_draft(), now_us))
    text = a_draft(channel="sms", recipient="+491512345678", subject=None, content="a" * 161)
    sms = await app.store.read(lambda t: app.previews.of_draft(t, text, now_us))
    portal = await app.store.read(lambda t: app.previews.of_draft(t, a_draft(channel="portal"), now_us))

    assert (mail.way, mail.subject, mail.content) == ("email", "Your appointment", "It is tomorrow at 2 pm.")
    assert sms.segments is not None
    assert (sms.segments.parts, sms.segments.encoding) == (2, "gsm-7")
    assert portal.behind is not None
    assert portal.behind.content == "It is tomorrow at 2 pm."
    assert "tomorrow" not in portal.content


async def test_others_cannot_edit_a_draft(app: Application) -> None:
    """Only its author."""
    found = await drafted(app)

    with pytest.raises(NotAllowed):
        await app.desk.edit(BEN, "m-1", Changes(content="Mine now."), found.version)


async def test_approval_is_of_the_version_that_was_seen(app: Application) -> None:
    """An edit in between makes the reviewer look again."""
    seen = await submitted(app)
    await app.desk.edit(ANNA, "m-1", Changes(content="Something else."), seen.version)

    with pytest.raises(VersionMoved):
        await app.desk.approve(BEN, "m-1", seen.version)


async def test_edit_of_an_approved_message_takes_the_approval_away(
    app: Application, clock: VirtualClock
) -> None:
    """It is a draft again, and its job does nothing when its moment comes."""
    later = clock.now() + timedelta(hours=2)
    found = await approved(app, send_at=later)
    assert found.status == "scheduled"

    edited = await app.desk.edit(ANNA, "m-1", Changes(content="Something else."), found.version)
    await clock.advance(3 * HOUR)

    assert (edited.status, edited.approved_by) == ("draft", None)
    assert await status_of(app) == "draft"
    assert await deliveries_of(app) == []


async def test_edit_of_the_zone_keeps_the_approval(app: Application, clock: VirtualClock) -> None:
    """What was approved is the content and the recipient."""
    found = await approved(app, send_at=clock.now() + timedelta(hours=2))

    edited = await app.desk.edit(ANNA, "m-1", Changes(zone="Europe/Berlin"), found.version)
    await clock.advance(3 * HOUR)

    assert (edited.status, edited.approved_by) == ("scheduled", "ben")
    assert await status_of(app) == "sent"


async def test_approval_ends(open_app: Open, clock: VirtualClock) -> None:
    """A message that could not leave in time goes back to review."""
    async with open_app(approval_hours="1") as app:
        found = await approved(app, content="test-temporary")
        async with app.queues.running():
            await clock.advance(10)
            assert await status_of(app) == "retry_scheduled"
            await app.queues["message-delivery"].pause()
            await clock.advance(2 * HOUR)
            await app.queues["message-delivery"].resume()
            await clock.advance(10)

        assert found.approval_ends_us is not None
        assert await status_of(app) == "pending_review"


async def test_scheduled_message_leaves_at_its_moment(app: Application, clock: VirtualClock) -> None:
    """However far away."""
    await approved(app, send_at=clock.now() + timedelta(days=40))

    await clock.advance(40 * 24 * HOUR - 10)
    assert await status_of(app) == "scheduled"
    await clock.advance(15)

    assert await status_of(app) == "sent"


async def test_scheduled_message_can_be_moved(app: Application, clock: VirtualClock) -> None:
    """To another moment; the first one passes without effect."""
    found = await approved(app, send_at=clock.now() + timedelta(hours=1))
    await app.desk.schedule(ANNA, "m-1", found.version, to_us(clock.now() + timedelta(hours=5)))

    await clock.advance(2 * HOUR)
    assert await status_of(app) == "scheduled"
    await clock.advance(4 * HOUR)

    assert await status_of(app) == "sent"
    assert len(await deliveries_of(app)) == 1


async def test_plan_of_a_draft_is_kept_until_it_is_approved(app: Application, clock: VirtualClock) -> None:
    """Planning is not sending."""
    found = await drafted(app)
    planned = await app.desk.schedule(ANNA, "m-1", found.version, to_us(clock.now() + timedelta(hours=1)))
    await app.desk.submit(ANNA, "m-1")

    approved_ = await app.desk.approve(BEN, "m-1", None)

    assert (planned.status, approved_.status) == ("draft", "scheduled")


async def test_cancelled_message_does_not_leave(app: Application, clock: VirtualClock) -> None:
    """Its job does nothing."""
    await approved(app, send_at=clock.now() + timedelta(hours=1))

    await app.desk.cancel(ANNA, "m-1")
    await clock.advance(2 * HOUR)

    assert await status_of(app) == "cancelled"
    assert await deliveries_of(app) == []


async def test_sent_message_cannot_be_cancelled(app: Application, clock: VirtualClock) -> None:
    """The refusal says what can be done instead, and is on record."""
    await approved(app)
    await clock.advance(5)

    with pytest.raises(IllegalMove, match="sent cannot be moved by cancel"):
        await app.desk.cancel(ANNA, "m-1")

    assert (await timeline(app))[-1]["kind"] == "refused"


async def test_reviewer_sends_directly(app: Application, clock: VirtualClock) -> None:
    """Without anybody's review: that is a permission of its own."""
    found = await drafted(app, by=CARA)

    await app.desk.send(CARA, "m-1", found.version)
    await clock.advance(5)

    assert await status_of(app) == "sent"


async def test_failed_message_is_resent_on_the_strength_of_its_approval(
    app: Application, clock: VirtualClock
) -> None:
    """By its author, while the approval holds."""
    await approved(app, content="test-failure")
    await clock.advance(5)
    assert await status_of(app) == "failed"

    again = await app.desk.resend(ANNA, "m-1")
    await clock.advance(5)

    assert (again.status, again.generation) == ("queued", 2)
    assert [one["generation"] for one in await deliveries_of(app)] == [1, 2]


async def test_late_reminder_is_dropped(app: Application, clock: VirtualClock) -> None:
    """With a reason, and not sent late in a burst."""
    await app.queues["message-delivery"].pause()
    await approved(app, expires_at=clock.now() + timedelta(hours=1))
    await clock.advance(2 * HOUR)

    await app.queues["message-delivery"].resume()
    await clock.advance(5)

    found = await record_of(app)
    assert (found.status, found.code) == ("expired", "expired")
    assert await deliveries_of(app) == []


async def test_reading_is_audited_before_anything_is_shown(app: Application) -> None:
    """Who read whose message; who may not read is on record too."""
    await drafted(app)

    assert (await app.desk.read(ANNA, "m-1")).content == "It is tomorrow at 2 pm."
    assert (await app.desk.read(BEN, "m-1")).content == "It is tomorrow at 2 pm."
    with pytest.raises(NotAllowed):
        await app.desk.read(person("dora", {"draft"}), "m-1")

    assert [(row["actor"], row["action"]) for row in (await trail(app))[-3:]] == [
        ("anna", "message.read"), ("ben", "message.read"), ("dora", "message.read_refused"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"recipient": "nobody"}, "recipient"),
        ({"subject": "two\nlines"}, "subject"),
        ({"content": ""}, "content"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"channel": "sms", "recipient": "+14155552671"}, "subject"),
        ({"topic": ""}, "topic"),
    ],
)
async def test_draft_that_makes_no_sense_is_refused(
    app: Application, values: dict[str, str], field: str
) -> None:
    """Each problem is named by its field, and nothing is stored."""
    with pytest.raises(MessageInvalid) as caught:
        await drafted(app, **values)

    assert field in {problem.field for problem in caught.value.problems}
    with pytest.raises(NoSuchMessage):
        await app.desk.submit(ANNA, "m-1")


async def test_expiry_in_the_past_is_refused(app: Application, clock: VirtualClock) -> None:
    """And one before the planned moment."""
    now = clock.now()
    for values in (
        {"expires_at": now},
        {"expires_at": now + timedelta(hours=1), "send_at": now + timedelta(hours=2)},
    ):
        with pytest.raises(MessageInvalid):
            await drafted(app, **values)


async def test_draft_needs_permission_and_a_free_id(app: Application) -> None:
    """An auditor writes nothing; an id names one message."""
    with pytest.raises(NotAllowed):
        await app.desk.draft(person("eve", {"see_audit"}), a_draft(), nothing)
    await drafted(app)
    with pytest.raises(IllegalMove):
        await drafted(app)


async def test_stranger_cannot_cancel(app: Application) -> None:
    """Its author may, and who may send directly."""
    await drafted(app)

    with pytest.raises(NotAllowed):
        await app.desk.cancel(person("dora", {"draft"}), "m-1")

    assert (await app.desk.cancel(person("ben", REVIEWER), "m-1")).status == "cancelled"


ACTS = """
          staff reviewer doctor admin auditor producer operator author
draft     yes   yes      yes    yes   no      no       no       yes
edit      no    yes      yes    yes   no      no       no       yes
submit    no    yes      yes    yes   no      no       no       yes
approve   no    yes      yes    yes   no      no       no       no
reject    no    yes      yes    yes   no      no       no       no
send      no    yes      yes    yes   no      no       no       no
schedule  no    yes      yes    yes   no      no       no       yes
cancel    no    yes      yes    yes   no      no       no       yes
resend    no    yes      yes    yes   no      no       no       no
resolve   no    yes      yes    yes   no      no       no       no
read      no    yes      yes    yes   no      no       no       yes
"""
ACT_ROWS = [line.split() for line in ACTS.strip().splitlines()]


@pytest.mark.parametrize("act", [row[0] for row in ACT_ROWS[1:]])
async def test_who_may_do_what_with_anna_s_message(app: Application, act: str) -> None:
    """By every role, and by Anna herself, who is staff; whatever the message's state then says."""
    row = next(row for row in ACT_ROWS if row[0] == act)
    await submitted(app)
    for role, allowed in zip(ACT_ROWS[0], row[1:], strict=True):
        who = ANNA if role == "author" else person(role, set(map(str, MATRIX[Role(role)])))
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "draft": lambda: app.desk.draft(who, a_draft(f"by-{role}"), nothing),  # noqa: B023
            "edit": lambda: app.desk.edit(who, "m-1", Changes(topic="news"), None),  # noqa: B023
            "resolve": lambda: app.desk.resolve(who, "m-1", True),  # noqa: B023
            "read": lambda: app.desk.read(who, "m-1"),  # noqa: B023
            "send": lambda: app.desk.send(who, "m-1", -1),  # noqa: B023
            "schedule": lambda: app.desk.schedule(who, "m-1", -1, None),  # noqa: B023
            **{name: partial(getattr(app.desk, name), who, "m-1", -1)
               for name in ("submit", "approve", "reject", "cancel", "resend")},
        }  # fmt: skip
        try:
            await calls[act]()
            done = True
        except NotAllowed:
            done = False
        except (IllegalMove, VersionMoved):
            # Nobody has seen version -1: allowed, and stopped by that alone.
            done = True

        assert done == (allowed == "yes"), role
