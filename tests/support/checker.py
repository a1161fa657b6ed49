"""The checker: from a history and what is left in the file to a verdict.

It knows nothing of how the queue works, only what it promises: what was acknowledged to a sender is not lost;
what comes twice has an explanation; attempts count 1, 2, 3 without gaps; nothing comes before its delay or
after its ack; two processes never hold a message at one time; who gives up does so after exactly
`max_retries + 1` deliveries. A call whose end is missing is unknown, and either story is allowed for it; its
process must have been killed.

After Jepsen's total-queue checker, which only means something when the run ends with a full drain.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from support.database import Left
from support.history import History, Hold, Told
from support.ledger import BEGUN, DONE, FAILED, LOST, Entry

TOLERANCE_US = 20_000
"""Two processes stamp with the wall clock, which may be slewed, and ledgers are written after the fact."""


class Verdict(msgspec.Struct, kw_only=True):
    """What the checker found. Only `lost`, `unexpected` and `violations` are faults."""

    sent: int = 0
    """Sends that were acknowledged to their senders."""
    unknown: int = 0
    """Sends whose answer nobody saw."""
    recovered: int = 0
    """Of those, how many were stored nevertheless."""
    delivered: int = 0
    lost: list[str] = []
    """Keys that were acknowledged to a sender and are nowhere."""
    unexpected: list[str] = []
    """Keys that came out and were never sent."""
    duplicated: int = 0
    """Deliveries beyond the first of each message that nobody asked for by a retry."""
    explained: Counter[str] = msgspec.field(default_factory=Counter)
    """Why they came: killed, stopped, moved clock, lease lost, settle refused."""
    violations: list[str] = []

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.unexpected or self.violations)

    def assert_good(self) -> None:
        """Fail with the first of each kind of fault."""
        assert self.good, (
            f"lost {len(self.lost)}: {self.lost[:5]}; unexpected {len(self.unexpected)}: {self.unexpected[:5]}; "
            f"{len(self.violations)} violations:\n" + "\n".join(self.violations[:10])
        )


def check(
    history: Sequence[Entry],
    left: Iterable[Left] = (),
    *,
    queue: str,
    max_retries: int | None = None,
    clocks_moved: bool = False,
    answers_lost: bool = False,
) -> Verdict:
    """The verdict over one queue; `left` is what was in the file at the end.

    `max_retries` checks where the consumer gave up. With `clocks_moved` nothing is said about moments (delays,
    overlapping leases), because the store's moments come from clocks that the test moved. With `answers_lost` the
    network swallowed answers, so a settlement that was repeated and found its lease gone may have been the cause itself.
    """
    return _Checker(history, list(left), queue, max_retries, clocks_moved, answers_lost).verdict()


class _Checker:
    def __init__(
        self,
        history: Sequence[Entry],
        left: list[Left],
        queue: str,
        max_retries: int | None,
        clocks_moved: bool,
        answers_lost: bool,
    ) -> None:
        self._left = left
        self._max_retries = max_retries
        self._moments = not clocks_moved
        self._unsure = (BEGUN, FAILED, LOST) if answers_lost else ()
        self._history = History(history, queue)
        self._result = Verdict(violations=self._history.contradictions)

    def verdict(self) -> Verdict:
        """Judge every message."""
        result = self._result
        remaining = {one.key: one for one in self._left}
        for message in self._history.messages.values():
            sent = message.begun_us > 0
            if not sent and message.holds:
                result.unexpected.append(message.key)
            result.sent += message.stored
            result.unknown += sent and not message.stored
            result.recovered += sent and not message.stored and bool(message.holds)
            result.delivered += sum(hold.delivered_us is not None for hold in message.holds)
            if message.stored and message.key not in remaining and not self._gone(message):
                result.lost.append(message.key)
            self._judge(message, remaining.get(message.key))
        twice = [key for key, times in Counter(one.key for one in self._left).items() if times > 1 and key]
        result.violations += [f"{key} is in the file twice" for key in twice]
        result.unexpected += [key for key in remaining if key and key not in self._history.messages]
        return result

    # Judging.

    def _gone(self, message: Told) -> bool:
        """Whether somebody acknowledged it, or may have before it was killed."""
        return any(
            hold.fate in ("ack", "drop")
            and (
                hold.step == DONE
                or hold.step in self._unsure
                or (hold.step in (BEGUN, FAILED) and self._history.struck(hold))
            )
            for hold in message.holds
        )

    def _judge(self, message: Told, remaining: Left | None) -> None:
        violations = self._result.violations
        holds = message.holds
        acked = [
            hold
            for hold in holds
            if hold.fate in ("ack", "drop") and hold.step == DONE and not self._overtaken(hold, holds)
        ]
        if len(acked) > 1:
            violations.append(f"{message.key} was acknowledged {len(acked)} times")
        for ack in acked:
            violations += [
                f"{message.key} was leased after its ack (attempt {hold.attempt} by {hold.process})"
                for hold in holds
                if hold.asked_us > ack.settled_us
            ]
            if remaining is not None:
                violations.append(f"{message.key} is in the file after its ack")
        if holds and self._moments and message.begun_us:
            early_us = message.begun_us + message.delay_us - holds[0].taken_us
            if early_us > TOLERANCE_US:
                violations.append(
                    f"{message.key} came {early_us} us before its delay of {message.delay_us} us"
                )
        before: Hold | None = None
        for hold in holds:
            self._follow(message, before, hold)
            before = hold
        self._judge_end(message, remaining)

    def _follow(self, message: Told, before: Hold | None, hold: Hold) -> None:
        """Whether one lease may follow the other."""
        violations, name = self._result.violations, f"{message.key} (attempt {hold.attempt})"
        expected = 1 if before is None else before.attempt + 1
        released = before is not None and before.fate == "release" and before.step in (DONE, BEGUN)
        if released and before is not None and (before.step == DONE or hold.attempt == before.attempt):
            expected = before.attempt
        if hold.attempt < expected:
            violations.append(f"{name}: attempt {expected} was to come; attempts never repeat")
        elif hold.attempt > expected:
            since_us = message.begun_us if before is None else before.asked_us
            missing = hold.attempt - expected
            if missing > self._history.kills(since_us, hold.taken_us):
                violations.append(
                    f"{name}: {missing} attempts before it are missing, more than were killed meanwhile"
                )
        if before is None:
            return
        if hold.taken_us < before.asked_us:
            violations.append(f"{name} came before attempt {before.attempt}")
        if self._moments:
            self._judge_moments(name, before, hold)
        if before.delivered_us is None or released:
            return
        if before.fate == "retry" and before.step == DONE:
            return
        if hold.delivered_us is not None:
            self._result.duplicated += 1
            why = self._explanation(before, hold)
            if why is None:
                violations.append(f"{name} by {hold.process}: a duplicate that nothing explains")
            else:
                self._result.explained[why] += 1

    def _judge_moments(self, name: str, before: Hold, hold: Hold) -> None:
        if (
            before.step in (DONE, BEGUN, FAILED, *self._unsure)
            and before.settling_us <= hold.taken_us
            and before.fate
        ):
            if before.fate == "retry" and before.step == DONE:
                early_us = before.settling_us + before.delay_us - hold.taken_us
                if early_us > TOLERANCE_US:
                    self._result.violations.append(f"{name} came {early_us} us before its retry delay")
            return
        early_us = before.runs_until_us - hold.taken_us
        if early_us > TOLERANCE_US:
            self._result.violations.append(
                f"{name}: {hold.process} took it {early_us} us before the lease of {before.process} ran out"
            )

    def _explanation(self, before: Hold, hold: Hold) -> str | None:
        struck = self._history.struck(before, hold.taken_us)
        if struck is not None:
            return struck
        if self._history.suffered(hold.process, "clock moved"):
            # By its own clock the lease had run out.
            return "clock moved"
        if before.step == FAILED:
            return "settle refused"
        if self._overtaken(before, [hold]):
            return "settle without an answer"
        if before.step == LOST or before.lost:
            # Found out by the loser itself: its heartbeat came too late.
            return "lease lost"
        return None

    def _overtaken(self, hold: Hold, holds: Sequence[Hold]) -> bool:
        """Whether its settlement, asked for again and again without an answer, outlasted its lease."""
        return bool(self._unsure) and any(
            hold.settling_us <= other.taken_us <= hold.settled_us for other in holds if other is not hold
        )

    def _judge_end(self, message: Told, remaining: Left | None) -> None:
        """Where it gave up: after `max_retries + 1` deliveries, neither earlier nor later."""
        if self._max_retries is None:
            return
        violations, most = self._result.violations, self._max_retries + 1
        violations += [
            f"{message.key} was handed over at attempt {hold.attempt} of {most}"
            for hold in message.holds
            if hold.attempt > most and hold.delivered_us is not None
        ]
        dead = remaining.dead if remaining is not None else None
        if dead is not None and dead["reason"].startswith("gave up") and dead["attempts"] != most:
            violations.append(f"{message.key} was given up after {dead['attempts']} deliveries, not {most}")
        if message.holds and dead is None:
            last = message.holds[-1]
            if last.attempt >= most and last.fate == "retry" and last.step == DONE:
                violations.append(f"{message.key} had its last delivery and was not given up")
