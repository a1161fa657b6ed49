"""What stands between a message and a call to a provider: every check at the last moment, and a row before the call.

`claim` looks at everything once more (was it approved as it is now, has it expired, does the person still want it, is
it night there, who may carry it) and then records the call that is about to be made, in one transaction. `conclude`
records what became of it. A call without a conclusion, or with an unknown one, is in doubt: it is resolved by a
callback, by a lookup or by an idempotency key, and after a bounded wait by the message's policy. So nothing is sent twice
by us unless the policy says so, and then it is marked.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from postroom.delivery import Envelope, Failover, Idempotent, Outcome, Searchable, Verdict
from postroom.delivery.routing import (
    WAIT_SECONDS_MAX,
    Chosen,
    CircuitMoved,
    Later,
    Nobody,
    Route,
    Router,
)
from postroom.jobs.outcome import Done, Failed, JobContext, RetryAfter, Uncertain
from postroom.jobs.outcome import Outcome as JobOutcome
from postroom.kit.actor import WORKER
from postroom.kit.clock import MICROSECOND
from postroom.kit.ids import new_id
from postroom.messages.envelopes import Envelopes
from postroom.messages.outbox import Outbox
from postroom.messages.records import MessageRecord, Records, note
from postroom.messages.states import MessageState
from postroom.messages.tracking import RANKS, Tracking
from postroom.messages.wishes import Refused, Wait, Wishes
from postroom.store import StoreTransaction

DIED: Final = "the worker died in its middle"
TRIES_MAX: Final = 2
"""Temporary failures of a message at one provider after which another one is tried."""
THROTTLES_MAX: Final = 20
"""Times that a message waits because its providers were too busy, before that counts as a failed attempt."""
THROTTLE_SECONDS: Final = 5.0
"""The first such wait where the provider names none; it doubles each time, up to the longest."""
THROTTLE_SECONDS_MAX: Final = 900.0
NAP_SECONDS_MAX: Final = 5.0
"""A wait for a provider's budget up to this is slept; a longer one goes back to the queue."""


class UncertainPolicy(StrEnum):
    """What to do when nobody knows whether a message left, and nobody could be asked."""

    RESEND = "resend"
    """Send it again with the same Message-ID: at least once, with a possible duplicate on record."""
    HOLD = "hold"
    """Leave it in the dead-letter queue for a person: at most once."""


AT_LEAST_ONCE: Final = "at_least_once"
AT_MOST_ONCE: Final = "at_most_once"


class Claimed(NamedTuple):
    """A call is on record and may be made."""

    delivery_id: str
    record: MessageRecord
    route: Route
    envelope: Envelope


class Ask(NamedTuple):
    """An earlier call is in doubt, and its provider can be asked."""

    delivery_id: str
    record: MessageRecord
    route: Route
    envelope: Envelope
    since_us: int
    provider_id: str | None


class Nap(NamedTuple):
    """Wait for a moment, then claim again."""

    seconds: float


class Stop(NamedTuple):
    """There is no call to make; this is what the job comes to."""

    outcome: JobOutcome


Step: TypeAlias = Claimed | Ask | Nap | Stop


class Concluded(NamedTuple):
    """What follows from a call."""

    outcome: JobOutcome | None
    """What the job comes to; None: another provider may be tried at once."""
    moved: CircuitMoved | None


class Claims:
    """Claims and concludes calls; every method runs inside a transaction of the caller's."""

    def __init__(
        self,
        records: Records,
        router: Router,
        outbox: Outbox,
        wishes: Wishes,
        envelopes: Envelopes,
        tracking: Tracking,
        *,
        policy: UncertainPolicy,
    ) -> None:
        self._records = records
        self._router = router
        self._outbox = outbox
        self._wishes = wishes
        self._envelopes = envelopes
        self._tracking = tracking
        self._policy = AT_MOST_ONCE if policy is UncertainPolicy.HOLD else AT_LEAST_ONCE

    def claim(
        self,
        transaction: StoreTransaction,
        message_id: str,
        context: JobContext,
        now_us: int,
        asked: Sequence[str] = (),
    ) -> Step:
        """The next step for a message that is being processed; `asked` are deliveries that were asked about in vain."""
        record = self._records.find(transaction, message_id)
        if record is None:
            return Stop(Failed("there is no such message", "no_message"))
        if record.job_id != context.job_id or record.status is not MessageState.PROCESSING:
            return Stop(Done(f"the message is {record.status}"))
        calls = transaction.all(
            "deliveries_of_generation", message_id=record.id, generation=record.generation
        )
        doubt = next((call for call in reversed(calls) if _in_doubt(call)), None)
        if doubt is not None:
            step = self._resolve(transaction, record, doubt, context, now_us, asked)
            if step is not None:
                return step
        return self._forbidden(transaction, record, now_us) or self._route(
            transaction, record, calls, doubt, context, now_us
        )

    def conclude(
        self,
        transaction: StoreTransaction,
        claimed: Claimed,
        outcome: Outcome,
        context: JobContext,
        now_us: int,
    ) -> Concluded:
        """Record what became of a call, and decide what follows."""
        record, route = claimed.record, claimed.route
        accepted = outcome.verdict is Verdict.ACCEPTED
        state = "sent" if accepted else "claimed" if outcome.verdict is Verdict.UNKNOWN else "failed"
        transaction.run(
            "conclude_delivery", id=claimed.delivery_id, verdict=outcome.verdict, code=outcome.code or None,
            detail=outcome.detail, provider_id=outcome.provider_message_id, now_us=now_us, state=state,
            rank=RANKS[state],
        )  # fmt: skip
        moved = self._router.report(transaction, route, outcome, now_us)
        note(
            transaction, message_id=record.id, at_us=now_us, kind="concluded", actor=WORKER.name,
            delivery_id=claimed.delivery_id, provider=route.name, code=outcome.code or None,
            reason=outcome.detail or None, details={"verdict": outcome.verdict},
        )  # fmt: skip
        if accepted:
            if self._processing(transaction, record.id):
                self._records.move(
                    transaction, record.id, "hand_over", actor=WORKER, now_us=now_us, job_id=context.job_id,
                    provider=route.name, provider_id=outcome.provider_message_id, sent_us=now_us,
                    delivery_id=claimed.delivery_id,
                )  # fmt: skip
            self._tracking.match(transaction, claimed.delivery_id, outcome.provider_message_id, now_us)
            return Concluded(Done(outcome.code or None, route.name, outcome.provider_message_id), moved)
        self._wishes.learn(transaction, record, outcome, claimed.delivery_id, now_us)
        if outcome.failover is Failover.NOW:
            return Concluded(None, moved)
        if outcome.verdict is Verdict.THROTTLED:
            waiting = self._throttled(transaction, record, outcome, now_us)
            if waiting is not None:
                return Concluded(None if waiting == "elsewhere" else waiting, moved)
        return Concluded(self._job_outcome(transaction, record, route, outcome), moved)

    def _throttled(
        self, transaction: StoreTransaction, record: MessageRecord, outcome: Outcome, now_us: int
    ) -> JobOutcome | Literal["elsewhere"] | None:
        """Being too fast is no failed attempt: wait as long as the provider asks, else longer each time.

        `elsewhere` when it asks for more than a preference is worth; None when the message has waited so often that
        somebody should see it fail.
        """
        calls = transaction.all(
            "deliveries_of_generation", message_id=record.id, generation=record.generation
        )
        times = sum(call["verdict"] == Verdict.THROTTLED for call in calls)
        if times >= THROTTLES_MAX:
            return None
        asked = outcome.retry_after_seconds or 0.0
        if asked > WAIT_SECONDS_MAX:
            return "elsewhere"
        seconds = max(asked, min(THROTTLE_SECONDS * 2 ** (times - 1), THROTTLE_SECONDS_MAX))
        until_us = now_us + round(seconds * MICROSECOND)
        reason = outcome.detail or "the provider is busy"
        return self._defer(transaction, record, now_us, until_us, reason).outcome

    def forget(self, transaction: StoreTransaction, delivery_id: str, now_us: int) -> None:
        """Its provider says that it never got the call: it is certainly unsent."""
        transaction.run("refute_delivery", id=delivery_id, now_us=now_us)

    def _processing(self, transaction: StoreTransaction, message_id: str) -> bool:
        row = transaction.one("find_message_state", id=message_id)
        return row is not None and row["status"] == MessageState.PROCESSING

    def _resolve(
        self,
        transaction: StoreTransaction,
        record: MessageRecord,
        call: Mapping[str, Any],
        context: JobContext,
        now_us: int,
        asked: Sequence[str],
    ) -> Step | None:
        """What to do about a call in doubt; None: go on and send, it is no duplicate or the policy takes the risk."""
        if call["verdict"] is None:
            transaction.run(
                "conclude_delivery", id=call["id"], verdict=Verdict.UNKNOWN, code=None, detail=DIED,
                provider_id=None, now_us=now_us, state="claimed", rank=0,
            )  # fmt: skip
            note(
                transaction, message_id=record.id, at_us=now_us, kind="concluded", actor=WORKER.name,
                delivery_id=call["id"], provider=call["provider"], reason=DIED, details={"verdict": Verdict.UNKNOWN},
            )  # fmt: skip
        channel, _ = self._envelopes.way(record)
        route = self._router.route(channel, call["provider"])
        if route is not None and _key_holds(route, call, now_us):
            return None
        if route is not None and isinstance(route.provider, Searchable) and call["id"] not in asked:
            envelope = self._envelopes.make(transaction, record, call["id"], call["idempotency_key"])
            return Ask(call["id"], record, route, envelope, call["claimed_us"], call["provider_id"])
        wait_seconds = self._wait_seconds(transaction, record, route)
        left = (call["claimed_us"] - now_us) / MICROSECOND + wait_seconds
        if left > 0:
            reason = "unknown whether it left; waiting for the provider to say"
            return Stop(RetryAfter(left, reason, "unknown", call["provider"]))
        if (record.policy or self._policy) == AT_MOST_ONCE:
            reason = "unknown whether it left; held for a person"
            return Stop(Uncertain(reason, "uncertain", call["provider"]))
        return None

    def _wait_seconds(
        self, transaction: StoreTransaction, record: MessageRecord, route: Route | None
    ) -> float:
        if route is None:
            return 0.0
        return min(route.wait_seconds, self._wishes.wait_seconds(transaction, record) or route.wait_seconds)

    def _forbidden(self, transaction: StoreTransaction, record: MessageRecord, now_us: int) -> Stop | None:
        """Why it must not leave now; None when it may."""
        if record.expires_us is not None and record.expires_us <= now_us:
            reason = "its time was over before it could leave"
            self._records.move(
                transaction, record.id, "expire", actor=WORKER, now_us=now_us, code="expired", reason=reason
            )
            return Stop(Done(reason))
        if record.author is not None:
            why = _unapproved(record, now_us)
            if why is not None:
                self._records.move(
                    transaction, record.id, "lapse", actor=WORKER, now_us=now_us, code="approval", reason=why
                )
                transaction.run("reopen_review", id=record.id, now_us=now_us)
                return Stop(Done(why))
        wish = self._wishes.check(transaction, record, now_us)
        if isinstance(wish, Refused):
            return Stop(Failed(wish.reason, wish.code))
        if isinstance(wish, Wait):
            return self._defer(transaction, record, now_us, wish.until_us, wish.reason)
        return None

    def _defer(
        self, transaction: StoreTransaction, record: MessageRecord, now_us: int, until_us: int, reason: str
    ) -> Stop:
        """Back to the queue for a later moment, under a new job, so that waiting is no failed attempt."""
        put = self._outbox.put(transaction, record.id, record.priority, now_us=now_us, send_at_us=until_us)
        self._records.move(
            transaction, record.id, "defer", actor=WORKER, now_us=now_us, new_job_id=put.job_id, reason=reason,
            code="deferred",
        )  # fmt: skip
        return Stop(Done(reason))

    def _route(
        self,
        transaction: StoreTransaction,
        record: MessageRecord,
        calls: Sequence[Mapping[str, Any]],
        doubt: Mapping[str, Any] | None,
        context: JobContext,
        now_us: int,
    ) -> Step:
        channel, _ = self._envelopes.way(record)
        again = self._router.route(channel, doubt["provider"]) if doubt is not None else None
        if doubt is not None and again is not None and _key_holds(again, doubt, now_us):
            # The same call once more, to the same provider, under the same key: it answers as the first one did.
            choice: Chosen | Later | Nobody = Chosen(again)
            key, duplicate = doubt["idempotency_key"], False
        else:
            failed, often = _tried(calls, context)
            if again is not None:
                # It may have it already: a second copy comes from the same place or not at all.
                failed = often = {route.name for route in self._router.routes if route.name != again.name}
            choice = self._choose(transaction, record, failed | often, now_us)
            if isinstance(choice, Nobody) and not often <= failed:
                # The others have had their chance too, so those that were busy get another one.
                choice = self._choose(transaction, record, failed, now_us)
            if isinstance(choice, Nobody) and (busy := _throttled_now(calls, context)):
                # Nobody else is left, so the pause is waited for.
                choice = self._choose(transaction, record, failed - busy, now_us)
            key, duplicate = f"pr-{record.id}-{record.generation}", doubt is not None
        match choice:
            case Chosen(route):
                return self._insert(transaction, record, route, key, duplicate, context, now_us)
            case Later(seconds, reason, code) if code == "throttled":
                if seconds <= NAP_SECONDS_MAX:
                    return Nap(seconds)
                return self._defer(transaction, record, now_us, now_us + round(seconds * MICROSECOND), reason)
            case Later(seconds, reason, code):
                return Stop(RetryAfter(None, reason, code))
            case Nobody(reason, code):
                last = next((call for call in reversed(calls) if call["detail"]), None)
                if code == "exhausted" and last is not None:
                    return Stop(RetryAfter(None, last["detail"], last["code"], last["provider"]))
                return Stop(RetryAfter(None, reason, code))

    def _choose(
        self, transaction: StoreTransaction, record: MessageRecord, tried: set[str], now_us: int
    ) -> Chosen | Later | Nobody:
        channel, health_data = self._envelopes.way(record)
        return self._router.choose(transaction, channel, health_data=health_data, tried=tried, now_us=now_us)

    def _insert(
        self,
        transaction: StoreTransaction,
        record: MessageRecord,
        route: Route,
        key: str,
        duplicate: bool,
        context: JobContext,
        now_us: int,
    ) -> Claimed:
        delivery_id = new_id()
        envelope = self._envelopes.make(transaction, record, delivery_id, key)
        transaction.run(
            "insert_delivery", id=delivery_id, message_id=record.id, job_id=context.job_id,
            job_attempt=context.try_number, generation=record.generation, provider=route.name,
            request_sha256=record.content_sha256 or "", idempotency_key=key, possible_duplicate=duplicate,
            now_us=now_us,
        )  # fmt: skip
        note(
            transaction, message_id=record.id, at_us=now_us, kind="claimed", actor=WORKER.name,
            delivery_id=delivery_id, provider=route.name, details={"possibleDuplicate": duplicate},
        )  # fmt: skip
        if duplicate:
            transaction.run("mark_duplicate", id=record.id)
        return Claimed(delivery_id, record, route, envelope)

    def _job_outcome(
        self, transaction: StoreTransaction, record: MessageRecord, route: Route, outcome: Outcome
    ) -> JobOutcome:
        """What a provider's outcome means for the job."""
        code, reason = outcome.code or outcome.verdict, outcome.detail or outcome.verdict
        match outcome.verdict:
            case Verdict.REJECTED_PERMANENT | Verdict.OPTED_OUT:
                return Failed(reason, code, route.name)
            case Verdict.UNKNOWN:
                # Where a key makes the same call safe there is nothing to wait for.
                keyed = isinstance(route.provider, Idempotent)
                wait = 0.0 if keyed else self._wait_seconds(transaction, record, route)
                if not wait and (record.policy or self._policy) == AT_MOST_ONCE and not _can_tell(route):
                    return Uncertain(
                        f"{reason}; unknown whether it left, held for a person", code, route.name
                    )
                return RetryAfter(wait or None, f"{reason}; unknown whether it left", code, route.name)
            case _:
                # Our own settings can be put right while the message waits.
                return RetryAfter(outcome.retry_after_seconds, reason, code, route.name)


def _in_doubt(call: Mapping[str, Any]) -> bool:
    return call["rank"] == RANKS["claimed"] and call["verdict"] in (None, Verdict.UNKNOWN)


def _can_tell(route: Route) -> bool:
    return isinstance(route.provider, Searchable | Idempotent)


def _key_holds(route: Route, call: Mapping[str, Any], now_us: int) -> bool:
    """Whether the provider still knows the call's idempotency key."""
    provider = route.provider
    if not isinstance(provider, Idempotent):
        return False
    return bool(now_us - call["claimed_us"] < provider.idempotency_seconds * MICROSECOND)


def _tried(calls: Sequence[Mapping[str, Any]], context: JobContext) -> tuple[set[str], set[str]]:
    """Providers that failed in this attempt, and those that failed so often that another one comes first."""
    failures: dict[str, int] = {}
    now = set()
    for call in calls:
        if call["verdict"] in (None, Verdict.ACCEPTED, Verdict.UNKNOWN):
            continue
        failures[call["provider"]] = failures.get(call["provider"], 0) + 1
        if call["job_id"] == context.job_id and call["job_attempt"] == context.try_number:
            now.add(call["provider"])
    return now, {name for name, count in failures.items() if count >= TRIES_MAX}


def _throttled_now(calls: Sequence[Mapping[str, Any]], context: JobContext) -> set[str]:
    """Providers that asked for a pause in this attempt."""
    return {
        call["provider"]
        for call in calls
        if (call["job_id"], call["job_attempt"]) == (context.job_id, context.try_number)
        and call["verdict"] == Verdict.THROTTLED
    }


def _unapproved(record: MessageRecord, now_us: int) -> str | None:
    if record.approved_sha256 is None or record.approved_sha256 != record.content_sha256:
        return "what was approved is not what would be sent"
    if record.approval_ends_us is not None and record.approval_ends_us <= now_us:
        return "its approval has ended"
    return None
