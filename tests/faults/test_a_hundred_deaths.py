"""A worker is killed a hundred times between the provider's acceptance and its record: what did the provider receive?

At most once: one copy each, and a person decides. At least once: a second copy, marked as a possible duplicate.
"""

from collections import Counter
from pathlib import Path

import pytest

from postroom.delivery.mailbox import Mailbox
from postroom.store import StoreTransaction
from postroom.wiring import open_application
from support.children import Children
from support.database import assert_sound
from support.patience import until
from support.service import an_email, running_application, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LIVES = 100


@pytest.mark.parametrize(("uncertain", "copies", "status"), [("hold", 1, "uncertain"), ("resend", 2, "sent")])
async def test_hundred_deaths_after_acceptance(
    place: Path, children: Children, uncertain: str, copies: int, status: str
) -> None:
    """Every message has the copies that its policy allows, and the record says which are in doubt."""
    options = {"lease_ms": 60_000, "batch": 1, "concurrency": 1, "uncertain": uncertain}
    settings = settings_in(place, **options)  # type: ignore[arg-type]
    async with open_application(settings, consume=False) as app:
        for start in range(0, LIVES, 50):
            await app.producer.enqueue_batch([an_email(f"m{number}") for number in range(start, start + 50)])
    async with Mailbox() as mailbox:
        dying = await children.start("dying", place=place, port=mailbox.port, settings=options, lives=LIVES)
        assert await dying.hear("dead", within=100) == f"dead {LIVES}"
        assert await dying.ended() == 0
        assert len(mailbox.received) == LIVES

        # The leases of the dead end; nothing else is changed.
        shorter = settings_in(place, lease_ms=200, uncertain=uncertain)
        async with open_application(shorter, consume=False) as app:
            await app.store.write(
                lambda t: t.connection.execute(
                    "UPDATE postroom_messages SET due_us = 0 WHERE lease IS NOT NULL"
                )
            )
        async with running_application(shorter, mailbox.port) as app:

            def states(transaction: StoreTransaction) -> dict[str, int]:
                return {row["status"]: row["count"] for row in transaction.all("count_messages")}

            async def over() -> bool:
                return await app.store.read(states) == {status: LIVES}

            await until(over, f"every message is {status}", within=60)
            marked = await app.store.read(
                lambda t: t.connection.execute("SELECT sum(possible_duplicate) FROM messages").fetchone()[0]
            )

    received = Counter(one.message_id for one in mailbox.received)
    assert set(received.values()) == {copies}
    assert len(received) == LIVES
    assert marked == (LIVES if uncertain == "resend" else 0)
    assert_sound(place / "postroom.db")
