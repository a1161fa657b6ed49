"""The history of messages, from ledgers: who held which message when, and what was done to whom."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from support.ledger import BEGUN, DONE, FAILED, LOST, Entry


class Hold(msgspec.Struct):
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


class Told(msgspec.Struct):
    key: str
    id: str = ""
    begun_us: int = 0
    delay_us: int = 0
    stored: bool = False
    holds: list[Hold] = []


class History:
    """What the entries of one queue tell, message by message."""

    def __init__(self, entries: Sequence[Entry], queue: str) -> None:
        self.messages: dict[str, Told] = {}
        self.contradictions: list[str] = []
        """Ids that changed on the way."""
        self._faults: dict[str, list[Entry]] = defaultdict(list)
        self._by_lease: dict[tuple[int, str], Hold] = {}
        self._unanswered: list[tuple[int, int]] = []
        """Leases that were asked for and had no answer: begin and end of the call."""
        self._asked: dict[tuple[str, int], int] = {}
        for entry in entries:
            if entry.op == "fault":
                self._faults[entry.process].append(entry)
            elif entry.queue == queue:
                getattr(self, f"_{entry.op}")(entry)
        for message in self.messages.values():
            # Two processes may write down their leases in another order than they took them.
            message.holds.sort(key=lambda hold: (hold.attempt, hold.taken_us))

    def struck(self, hold: Hold, until_us: int | None = None) -> str | None:
        """What was done to the process that holds it, after it took it (and before a moment)."""
        for fault in self._faults[hold.process]:
            if fault.monotonic_us >= hold.asked_us and (until_us is None or fault.monotonic_us <= until_us):
                return fault.detail
        return None

    def suffered(self, process: str, what: str) -> bool:
        """Whether that was ever done to the process."""
        return any(fault.detail == what for fault in self._faults[process])

    def kills(self, since_us: int, until_us: int) -> int:
        """How many leases may be unknown from that time: of processes that were killed, and those without an answer."""
        unanswered = sum(begun <= until_us and ended >= since_us for begun, ended in self._unanswered)
        return unanswered + sum(
            since_us <= fault.monotonic_us <= until_us and fault.detail == "killed"
            for faults in self._faults.values()
            for fault in faults
        )

    # Reading.

    def _message(self, key: str) -> Told:
        return self.messages.setdefault(key, Told(key))

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
        if entry.step == FAILED:
            self._unanswered.append((self._asked[entry.process, entry.call], entry.monotonic_us))
            return
        message = self._message(entry.key)
        if message.id not in ("", entry.id):
            self.contradictions.append(f"{entry.key} was sent as {message.id} and came as {entry.id}")
        asked_us = self._asked[entry.process, entry.call]
        hold = Hold(
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
