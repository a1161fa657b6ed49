"""Between a message and a provider: failover, doubt, policy, budgets (messages/claims.py, spec 1.9)."""

import pytest
from workflow_support import (
    ACCEPTED,
    BAD_ADDRESS,
    BEN,
    BROKEN,
    DOWN,
    LATER,
    OPTED_OUT,
    REFUSED,
    UNKNOWN,
    Asked,
    Keyed,
    Open,
    Scripted,
    an_event,
    approved,
    deliveries_of,
    record_of,
    report,
    status_of,
    timeline,
)

from postroom.delivery import LookupFailed, Outcome, Verdict
from postroom.delivery.routing import CircuitMoved, Route
from postroom.jobs import EmailJob
from postroom.messages import FailedOver
from postroom.queues.testing import VirtualClock

MINUTE = 60


async def sent_with(
    open_app: Open, clock: VirtualClock, *routes: Route, advance: float = 5, **settings: str
) -> dict[str, object]:
    """Send one message; what it came to."""
    async with open_app(routes, **settings) as app, app.queues.running():
        await approved(app)
        await clock.advance(advance)
        return {
            "status": await status_of(app),
            "deliveries": [(one["provider"], one["verdict"]) for one in await deliveries_of(app)],
            "duplicate": (await record_of(app)).possible_duplicate,
        }


@pytest.mark.parametrize("first", [DOWN, BROKEN], ids=["down", "misconfigured"])
async def test_next_provider_gets_it_when_the_first_is_at_fault(
    open_app: Open, clock: VirtualClock, first: Outcome
) -> None:
    """At once, and somebody is told though it worked."""
    one, two = Scripted(first, name="one"), Scripted(name="two")
    alerts: list[FailedOver] = []
    async with open_app([Route(one, True), Route(two, True)]) as app, app.queues.running():
        app.queues.events.subscribe(FailedOver, alerts.append)
        await approved(app)
        await clock.advance(5)

        assert await status_of(app) == "sent"
        assert (await record_of(app)).provider == "two"
    assert [(alert.failed, alert.provider) for alert in alerts] == [("one", "two")]


@pytest.mark.parametrize(
    ("answer", "status"), [(BAD_ADDRESS, "failed"), (OPTED_OUT, "failed")], ids=["bad address", "opted out"]
)
async def test_refused_people_are_not_tried_elsewhere(
    open_app: Open, clock: VirtualClock, answer: Outcome, status: str
) -> None:
    """Neither is what may have left already."""
    two = Scripted(name="two")

    found = await sent_with(open_app, clock, Route(Scripted(answer), True), Route(two, True), advance=3600)

    assert (found["status"], two.calls) == (status, [])


async def test_busy_provider_is_tried_twice_before_the_next_one(open_app: Open, clock: VirtualClock) -> None:
    """Temporary rejections go elsewhere only when they do not end."""
    one, two = Scripted(LATER, LATER, LATER, name="one"), Scripted(name="two")

    found = await sent_with(open_app, clock, Route(one, True), Route(two, True), advance=3600)

    assert found["status"] == "sent"
    assert (len(one.calls), len(two.calls)) == (2, 1)


async def test_health_data_goes_only_where_it_may(open_app: Open, clock: VirtualClock) -> None:
    """Not by a failover either."""
    vendor = Scripted(name="vendor")

    found = await sent_with(
        open_app, clock, Route(Scripted(*[DOWN] * 9), True), Route(vendor, False), advance=3600
    )

    assert (found["status"], vendor.calls) == ("failed", [])


async def test_unknown_outcome_is_not_sent_elsewhere(open_app: Open, clock: VirtualClock) -> None:
    """It may have left: a second copy comes from the same place, after the wait, and is marked."""
    one, two = Scripted(UNKNOWN, name="one"), Scripted(name="two")

    found = await sent_with(
        open_app, clock, Route(one, True, wait_seconds=900), Route(two, True), advance=MINUTE
    )
    assert (found["status"], len(one.calls)) == ("retry_scheduled", 1)


@pytest.mark.parametrize(("policy", "calls", "status"), [("resend", 2, "sent"), ("hold", 1, "uncertain")])
async def test_policy_decides_after_the_wait(
    open_app: Open, clock: VirtualClock, policy: str, calls: int, status: str
) -> None:
    """Once more and marked as a possible duplicate, or a person's queue."""
    one, two = Scripted(UNKNOWN, name="one"), Scripted(name="two")

    found = await sent_with(
        open_app,
        clock,
        Route(one, True, wait_seconds=900),
        Route(two, True),
        advance=16 * MINUTE,
        uncertain=policy,
    )

    assert (len(one.calls), len(two.calls), found["status"]) == (calls, 0, status)
    assert found["duplicate"] == (policy == "resend")


async def test_message_s_own_policy_wins(open_app: Open, clock: VirtualClock) -> None:
    """The template's, or its author's."""
    one = Scripted(UNKNOWN)
    async with open_app([Route(one, True)]) as app, app.queues.running():
        await approved(app, policy="at_most_once")
        await clock.advance(3600)

        assert (await status_of(app), len(one.calls)) == ("uncertain", 1)


async def test_callback_resolves_the_doubt(open_app: Open, clock: VirtualClock) -> None:
    """The token comes back although the reply was lost: nothing is sent again."""
    one = Scripted(UNKNOWN)
    async with open_app([Route(one, True, wait_seconds=900)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(5)
        (delivery,) = await deliveries_of(app)

        await report(app, an_event("delivered", delivery))
        await clock.advance(3600)

        assert (await status_of(app), len(one.calls)) == ("delivered", 1)
        assert not (await record_of(app)).possible_duplicate


async def test_lookup_resolves_the_doubt(open_app: Open, clock: VirtualClock) -> None:
    """The provider is asked before anything else."""
    one = Asked(UNKNOWN, known=an_event("sent"))
    async with open_app([Route(one, True, wait_seconds=60)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(2 * MINUTE)

        assert (await status_of(app), len(one.calls), one.asked) == ("sent", 1, 1)


async def test_provider_that_never_got_it_gets_it_again(open_app: Open, clock: VirtualClock) -> None:
    """Then the second call is no duplicate."""
    one = Asked(UNKNOWN, known=None)

    found = await sent_with(open_app, clock, Route(one, True, wait_seconds=60), advance=2 * MINUTE)

    assert (found["status"], found["duplicate"], len(one.calls)) == ("sent", False, 2)


async def test_lookup_that_fails_tells_nothing(open_app: Open, clock: VirtualClock) -> None:
    """The policy decides."""
    one = Asked(UNKNOWN, known=LookupFailed("not now"))

    found = await sent_with(open_app, clock, Route(one, True), advance=10 * MINUTE, uncertain="hold")

    assert (found["status"], len(one.calls)) == ("uncertain", 1)


async def test_idempotency_key_makes_a_second_call_safe(open_app: Open, clock: VirtualClock) -> None:
    """The same key and content, no duplicate, whatever the policy."""
    one = Keyed(UNKNOWN)

    found = await sent_with(open_app, clock, Route(one, True), advance=10 * MINUTE, uncertain="hold")

    assert (found["status"], found["duplicate"]) == ("sent", False)
    assert len({call.idempotency_key for call in one.calls}) == 1


async def test_key_that_is_forgotten_is_no_help(open_app: Open, clock: VirtualClock) -> None:
    """After 24 hours a retry needs a fresh decision."""
    one = Keyed(UNKNOWN)
    async with open_app([Route(one, True)], uncertain="hold") as app, app.queues.running():
        await approved(app)
        await clock.advance(5)
        await app.queues["message-delivery"].pause()
        await clock.advance(25 * 3600)
        await app.queues["message-delivery"].resume()
        await clock.advance(5)

        assert (await status_of(app), len(one.calls)) == ("uncertain", 1)


async def test_budget_delays_and_does_not_fail(open_app: Open, clock: VirtualClock) -> None:
    """Ten messages at one a second take nine seconds, and none of them loses an attempt."""
    one = Scripted()
    async with open_app([Route(one, True, rate=1, burst=1)]) as app, app.queues.running():
        for number in range(10):
            await approved(app, f"m-{number}")
        await clock.advance(5)
        assert 3 <= len(one.taken) <= 6

        await clock.advance(30)

        assert len(one.taken) == 10
        assert {(await record_of(app, f"m-{number}")).status for number in range(10)} == {"sent"}


async def test_throttled_provider_gets_the_pause_it_asks_for(open_app: Open, clock: VirtualClock) -> None:
    """From every message, not just the one that it told."""
    slow = Outcome(Verdict.THROTTLED, "429", "too fast", retry_after_seconds=30)
    one = Scripted(slow)
    async with open_app([Route(one, True)]) as app, app.queues.running():
        await approved(app, "m-1")
        await clock.advance(5)
        await approved(app, "m-2")
        await clock.advance(20)
        assert len(one.calls) == 1

        await clock.advance(60)

        assert len(one.taken) == 2


async def test_being_too_fast_costs_no_attempt(open_app: Open, clock: VirtualClock) -> None:
    """However often a provider says so: the message waits longer each time, and is not given up."""
    slow = Outcome(Verdict.THROTTLED, "429", "too fast")
    one = Scripted(*[slow] * 8)

    found = await sent_with(open_app, clock, Route(one, True), advance=2 * 3600)

    assert (found["status"], len(one.calls)) == ("sent", 9)


async def test_throttled_for_too_long_goes_elsewhere(open_app: Open, clock: VirtualClock) -> None:
    """After two short pauses, or at once when the pause is a long one."""
    slow = Outcome(Verdict.THROTTLED, "429", "too fast", retry_after_seconds=3600)
    one, two = Scripted(*[slow] * 9, name="one"), Scripted(name="two")
    async with open_app([Route(one, True), Route(two, True)]) as app, app.queues.running():
        await approved(app, "m-1")
        await approved(app, "m-2")
        await clock.advance(5)

        assert [await status_of(app, id_) for id_ in ("m-1", "m-2")] == ["sent", "sent"]
        assert (len(one.calls) <= 2, len(two.taken)) == (True, 2)


async def test_long_pause_is_waited_for_when_nobody_else_is_left(open_app: Open, clock: VirtualClock) -> None:
    """The only provider asks for an hour: the message is planned for then."""
    one = Scripted(Outcome(Verdict.THROTTLED, "429", "too fast", retry_after_seconds=3600))
    async with open_app([Route(one, True)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(1800)
        assert (await status_of(app), len(one.calls)) == ("scheduled", 1)

        await clock.advance(1900)

        assert await status_of(app) == "sent"


async def test_doubt_does_not_end_as_a_failure(open_app: Open, clock: VirtualClock) -> None:
    """The attempts are over and a call may have been accepted: a person decides, and nobody else gets it."""
    one, two = Keyed(*[UNKNOWN] * 9, name="one"), Scripted(name="two")

    found = await sent_with(open_app, clock, Route(one, True), Route(two, True), advance=3600)

    assert (found["status"], two.calls) == ("uncertain", [])
    assert len({call.idempotency_key for call in one.calls}) == 1


async def test_circuit_opens_and_closes_again(open_app: Open, clock: VirtualClock) -> None:
    """After failures in a row nobody calls it, until one trial succeeds."""
    one, two = Scripted(*[DOWN] * 5, name="one"), Scripted(name="two")
    moves: list[CircuitMoved] = []
    async with open_app([Route(one, True), Route(two, True)]) as app, app.queues.running():
        app.queues.events.subscribe(CircuitMoved, moves.append)
        for number in range(7):
            await approved(app, f"m-{number}")
            await clock.advance(2)
        assert (len(one.calls), len(two.taken)) == (5, 7)

        await clock.advance(60)
        await approved(app, "m-9")
        await clock.advance(5)

        assert len(one.taken) == 1
    assert [move.circuit for move in moves] == ["open", "closed"]


async def test_open_circuit_is_known_to_all_workers(open_app: Open, clock: VirtualClock) -> None:
    """It is in the store: a process that starts later does not call either."""
    one, two = Scripted(BROKEN, name="one"), Scripted(name="two")
    async with open_app([Route(one, True), Route(two, True)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(5)

    other = Scripted(name="one")
    async with open_app([Route(other, True), Route(two, True)]) as app, app.queues.running():
        await approved(app, "m-2")
        await clock.advance(5)

    assert (other.calls, len(two.taken)) == ([], 2)


async def test_programs_messages_go_the_same_way(open_app: Open, clock: VirtualClock) -> None:
    """An enqueued email_send fails over as a written message does."""
    one, two = Scripted(DOWN, name="one"), Scripted(name="two")
    async with open_app([Route(one, True), Route(two, True)]) as app, app.queues.running():
        await app.producer.enqueue_job(
            EmailJob(message_id="m-1", recipient="anna@example.com", subject="Hi", content="Hello")
        )
        await clock.advance(5)

        assert (await status_of(app), len(two.taken)) == ("sent", 1)


async def test_call_is_on_record_before_it_is_made(open_app: Open, clock: VirtualClock) -> None:
    """A worker that dies in the call leaves a row that says so."""

    class Looking(Scripted):
        async def send(self, envelope):  # type: ignore[no-untyped-def]
            self.seen = await deliveries_of(app)
            return await super().send(envelope)

    one = Looking(ACCEPTED)
    async with open_app([Route(one, True)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(5)

    assert [(row["id"], row["verdict"]) for row in one.seen] == [(one.calls[0].attempt_id, None)]


async def test_resend_by_a_person_is_a_new_generation(open_app: Open, clock: VirtualClock) -> None:
    """With a key of its own, so that no provider takes it for the first one."""
    one = Keyed(REFUSED)
    async with open_app([Route(one, True)]) as app, app.queues.running():
        await approved(app)
        await clock.advance(5)
        await app.desk.resend(BEN, "m-1")
        await clock.advance(5)

        assert await status_of(app) == "sent"
    assert len({call.idempotency_key for call in one.calls}) == 2


async def test_timeline_tells_every_call(open_app: Open, clock: VirtualClock) -> None:
    """Claimed and concluded, with provider and code."""
    async with (
        open_app([Route(Scripted(DOWN), True), Route(Scripted(name="two"), True)]) as app,
        app.queues.running(),
    ):
        await approved(app)
        await clock.advance(5)

        calls = [
            (one["kind"], one["provider"], one["code"])
            for one in await timeline(app) if one["kind"] in ("claimed", "concluded")
        ]  # fmt: skip

    assert calls == [
        ("claimed", "one", None), ("concluded", "one", "421"), ("claimed", "two", None), ("concluded", "two", "250"),
    ]  # fmt: skip


async def test_long_text_of_which_a_part_is_missing_was_not_delivered(
    open_app: Open, clock: VirtualClock
) -> None:
    """Parts are reported one by one, in any order: a part that came back is not undone by another that arrived."""
    for number, kinds in enumerate((("delivered", "bounced"), ("bounced", "delivered"))):
        async with open_app([Route(Scripted(), True)]) as app, app.queues.running():
            await approved(app, f"m-{number}")
            await clock.advance(5)
            (delivery,) = await deliveries_of(app, f"m-{number}")

            for part, kind in enumerate(kinds):
                bounce = "soft" if kind == "bounced" else None
                await report(app, an_event(kind, delivery, provider_message_id=f"part-{part}", bounce=bounce))

            assert await status_of(app, f"m-{number}") == "bounced"
