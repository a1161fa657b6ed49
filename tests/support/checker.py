"""The checker: from a history and what is left in the file to a verdict.

It knows nothing of how the queue works, only what it promises: what was acknowledged to a sender is not lost;
what comes twice has an explanation; attempts count 1, 2, 3 without gaps; nothing comes before its delay or
after its ack; two processes never hold a message at one time; who gives up does so after exactly
`max_retries + 1` deliveries. A call whose end is missing is unknown, and either story is allowed for it; its
process must have been killed.

After Jepsen's total-queue checker, which only means something when the run ends with a full drain.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from support.database import Left
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


class _Hold(msgspec.Struct):
    """One lease of one message, from the moment it was taken."""

    id: str
    queue: str
    attempt: int
    lease: int
    process: str
    asked_us: int
    """When the call that took it began."""
    taken_us: int
    """When that call had ended."""
    runs_until_us: int
    """The earliest moment at which it may run out."""
    delivered_us: int | None = None
    fate: str = ""
    step: str = ""
    """Of the settlement: empty for none, begun, done, failed or lost."""
    settling_us: int = 0
    settled_us: int = 0
    delay_us: int = 0
    lost: bool = False
    """A heartbeat said so."""


class _Message(msgspec.Struct):
    key: str
    id: str = ""
    begun_us: int = 0
    delay_us: int = 0
    stored: bool = False
    holds: list[_Hold] = []


def check(
    history: Sequence[Entry],
    left: Iterable[Left] = (),
    *,
    queue: str,
    max_retries: int | None = None,
    clocks_moved: bool = False,
) -> Verdict:
    """The verdict over one queue; `left` is what was in the file at the end.

    `max_retries` checks where the consumer gave up. With `clocks_moved` nothing is said about moments (delays,
    overlapping leases), because the store's moments come from clocks that the test moved.
    """
    return _Checker(history, list(left), queue, max_retries, clocks_moved).verdict()


class _Checker:
    def __init__(
        self,
        history: Sequence[Entry],
        left: list[Left],
        queue: str,
        max_retries: int | None,
        clocks_moved: bool,
    ) -> None:
        self._left = left
        self._max_retries = max_retries
        self._moments = not clocks_moved
        self._result = Verdict()
        self._faults: dict[str, list[Entry]] = defaultdict(list)
        self._messages: dict[str, _Message] = {}
        self._by_lease: dict[tuple[int, str], _Hold] = {}
        self._asked: dict[tuple[str, int], int] = {}
        for entry in history:
            if entry.op == "fault":
                self._faults[entry.process].append(entry)
            elif entry.queue == queue:
                getattr(self, f"_{entry.op}")(entry)

    def verdict(self) -> Verdict:
        """Judge every message."""
        result = self._result
        remaining = {one.key: one for one in self._left}
        for message in self._messages.values():
            sent = message.begun_us > 0
            if not sent and message.holds:
                result.unexpected.append(message.key)
            result.sent += message.stored
            result.unknown += sent and not message.stored
            result.recovered += sent and not message.stored and bool(message.holds)
            result.delivered += sum(hold.delivered_us is not None for hold in message.holds)
            # Two processes may write down their leases in another order than they took them.
            message.holds.sort(key=lambda hold: (hold.attempt, hold.taken_us))
            if message.stored and message.key not in remaining and not self._gone(message):
                result.lost.append(message.key)
            self._judge(message, remaining.get(message.key))
        twice = [key for key, times in Counter(one.key for one in self._left).items() if times > 1 and key]
        result.violations += [f"{key} is in the file twice" for key in twice]
        result.unexpected += [key for key in remaining if key and key not in self._messages]
        return result

    # Reading the history.

    def _message(self, key: str) -> _Message:
        return self._messages.setdefault(key, _Message(key))

    def _send(self, entry: Entry) -> None:
        message = self._message(entry.key)
        if entry.step == BEGUN:
            message.begun_us, message.delay_us = entry.monotonic_us, entry.delay_us
        elif entry.step == DONE:
            message.id, message.stored = entry.id, True

    def _lease(self, entry: Entry) -> None:
        if entry.step == BEGUN:
            self._asked[entry.process, entry.call] = entry.monotonic_us
            return
        message = self._message(entry.key)
        if message.id not in ("", entry.id):
            self._result.violations.append(f"{entry.key} was sent as {message.id} and came as {entry.id}")
        asked_us = self._asked[entry.process, entry.call]
        hold = _Hold(
            id=entry.id,
            queue=entry.queue,
            attempt=entry.attempt,
            lease=entry.lease,
            process=entry.process,
            asked_us=asked_us,
            taken_us=entry.monotonic_us,
            runs_until_us=asked_us + entry.visibility_us,
        )
        message.holds.append(hold)
        self._by_lease[entry.lease, entry.id] = hold

    def _deliver(self, entry: Entry) -> None:
        self._by_lease[entry.lease, entry.id].delivered_us = entry.monotonic_us

    def _extend(self, entry: Entry) -> None:
        hold = self._by_lease[entry.lease, entry.id]
        if entry.step == BEGUN:
            self._asked[entry.process, entry.call] = entry.monotonic_us
        elif entry.step == DONE:
            asked_us = self._asked[entry.process, entry.call]
            hold.runs_until_us = max(hold.runs_until_us, asked_us + entry.visibility_us)
        elif entry.step == LOST:
            hold.lost = True

    def _settle(self, entry: Entry) -> None:
        hold = self._by_lease[entry.lease, entry.id]
        hold.step, hold.fate, hold.delay_us = entry.step, entry.fate, entry.delay_us
        if entry.step == BEGUN:
            hold.settling_us = entry.monotonic_us
        else:
            hold.settled_us = entry.monotonic_us

    # Judging.

    def _gone(self, message: _Message) -> bool:
        """Whether somebody acknowledged it, or may have before it was killed."""
        return any(
            hold.fate in ("ack", "drop")
            and (hold.step == DONE or (hold.step in (BEGUN, FAILED) and self._struck(hold)))
            for hold in message.holds
        )

    def _struck(self, hold: _Hold, until_us: int | None = None) -> str | None:
        """What was done to the process that holds it, after it took it (and before a moment)."""
        for fault in self._faults[hold.process]:
            if fault.monotonic_us >= hold.asked_us and (until_us is None or fault.monotonic_us <= until_us):
                return fault.detail
        return None

    def _judge(self, message: _Message, remaining: Left | None) -> None:
        violations = self._result.violations
        holds = message.holds
        acked = [hold for hold in holds if hold.fate in ("ack", "drop") and hold.step == DONE]
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
        before: _Hold | None = None
        for hold in holds:
            self._follow(message, before, hold)
            before = hold
        self._judge_end(message, remaining)

    def _follow(self, message: _Message, before: _Hold | None, hold: _Hold) -> None:
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
            if missing > self._kills(since_us, hold.taken_us):
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

    def _judge_moments(self, name: str, before: _Hold, hold: _Hold) -> None:
        if before.step in (DONE, BEGUN, FAILED) and before.settling_us <= hold.taken_us and before.fate:
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

    def _explanation(self, before: _Hold, hold: _Hold) -> str | None:
        struck = self._struck(before, hold.taken_us)
        if struck is not None:
            return struck
        if any(fault.detail == "clock moved" for fault in self._faults[hold.process]):
            # By its own clock the lease had run out.
            return "clock moved"
        if before.step == FAILED:
            return "settle refused"
        if before.step == LOST or before.lost:
            # Found out by the loser itself: its heartbeat came too late.
            return "lease lost"
        return None

    def _kills(self, since_us: int, until_us: int) -> int:
        """Leases that may have been taken by processes that did not live to write it down."""
        return sum(
            since_us <= fault.monotonic_us <= until_us and fault.detail == "killed"
            for faults in self._faults.values()
            for fault in faults
        )

    def _judge_end(self, message: _Message, remaining: Left | None) -> None:
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
