"""Answers to people who write STOP, START or HELP: one text message each, through the queue like every other.

Providers answer such words by themselves until that is turned off there, so there are answers of ours only where they
are configured. One confirmation of an opt-out may follow it, without advertising (47 CFR 64.1200(a)(12)): an answer is
therefore sent although its recipient has opted out, at once, and not at all when it would be late.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from postroom.kit.actor import WEBHOOK
from postroom.kit.clock import MICROSECOND
from postroom.messages.keywords import Wish
from postroom.messages.outbox import Outbox
from postroom.messages.records import Records, note
from postroom.messages.states import MessageState
from postroom.store import StoreTransaction

MOST_A_DAY: Final = 5
"""Answers to one number in a day: two machines that answer one another must come to an end."""
DAY_SECONDS: Final = 86_400
LATE_SECONDS: Final = 3_600
"""An answer that could not leave for so long is dropped."""


class Answers:
    """Gives them, in the transaction that takes note of the word; `texts` has those that are configured."""

    def __init__(self, records: Records, outbox: Outbox, texts: Mapping[Wish, str]) -> None:
        self._records = records
        self._outbox = outbox
        self._texts = dict(texts)

    def give(
        self, transaction: StoreTransaction, word: Wish, number: str, evidence: str, now_us: int
    ) -> str | None:
        """The id of the answer; None where none is configured, or when the number has had enough of them."""
        text = self._texts.get(word)
        if text is None or self._count(transaction, number, now_us) >= MOST_A_DAY:
            return None
        message_id = f"answer-{hashlib.sha256(evidence.encode()).hexdigest()[:24]}"
        put = self._outbox.put(transaction, message_id, "high", now_us=now_us)
        self._records.insert(
            transaction, message_id,
            {
                "channel": "sms", "recipient": number, "content": text, "status": MessageState.QUEUED,
                "priority": "high", "health_data": False, "policy": "at_most_once", "answers": word,
                "expires_us": now_us + LATE_SECONDS * MICROSECOND, "job_id": put.job_id, "now_us": now_us,
            },
        )  # fmt: skip
        note(
            transaction, message_id=message_id, at_us=now_us, kind="created", after=MessageState.QUEUED,
            actor=WEBHOOK.name, details={"answers": word},
        )  # fmt: skip
        return message_id

    def _count(self, transaction: StoreTransaction, number: str, now_us: int) -> int:
        row = transaction.one(
            "count_answers", recipient_key=self._records.vault.index(number),
            since_us=now_us - DAY_SECONDS * MICROSECOND,
        )  # fmt: skip
        return int(row["count"]) if row is not None else 0
