"""The local mailbox keeps what it receives and misbehaves on order (delivery/mailbox)."""

import asyncio
from pathlib import Path

import pytest
from email_support import OpenProvider, an_email

from postroom.delivery.mailbox import Mailbox, Received


async def test_mailbox_keeps_messages_as_files(open_provider: OpenProvider, tmp_path: Path) -> None:
    """Each message is a whole .eml file, and nothing else is left in the folder."""
    folder = tmp_path / "mail" / "box"
    async with Mailbox(folder=folder) as mailbox:
        provider = await open_provider(mailbox.port)

        for number in range(3):
            await provider.send(an_email(message_id=f"m{number}"))

    files = sorted(folder.iterdir())
    assert [path.read_bytes() for path in files] == [received.data for received in mailbox.received]
    assert {path.suffix for path in files} == {".eml"}


async def test_mailbox_that_cannot_store_says_try_later(open_provider: OpenProvider, tmp_path: Path) -> None:
    """A message is taken only when it is kept, and the error's text goes nowhere."""
    folder = tmp_path / "box"
    async with Mailbox(folder=folder) as mailbox:
        provider = await open_provider(mailbox.port)
        folder.rmdir()

        outcome = await provider.send(an_email())

        assert outcome.code == "451 4.3.0"
        assert not mailbox.received


async def test_wait_for_finds_what_is_here_and_what_will_come(open_provider: OpenProvider) -> None:
    """Past and future messages are found alike; the first that fits wins."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)
        coming = asyncio.create_task(
            mailbox.wait_for(lambda each: each.message_id == "<pr.m2@clinic.example>")
        )
        for number in range(3):
            await provider.send(an_email(message_id=f"m{number}"))

        assert (await coming).message_id == "<pr.m2@clinic.example>"
        assert (await mailbox.wait_for(lambda each: True)).message_id == "<pr.m0@clinic.example>"


async def test_wait_for_gives_up(open_provider: OpenProvider) -> None:
    """A message that never comes is a TimeoutError."""
    async with Mailbox() as mailbox:
        with pytest.raises(TimeoutError):
            await mailbox.wait_for(lambda each: True, timeout=0.01)


async def test_own_script_comes_before_the_general_one(open_provider: OpenProvider) -> None:
    """Then the general one, then the convention."""
    async with Mailbox() as mailbox:
        mailbox.script(None, ["450 4.2.0 general"])
        mailbox.script("bounce@example.com", ["accept"])
        provider = await open_provider(mailbox.port)

        codes = [(await provider.send(an_email("bounce@example.com"))).code for _ in range(3)]

        assert codes == ["250 2.0.0", "450 4.2.0", "550 5.1.1"]


@pytest.mark.parametrize("reply", ["", "maybe", "drop", "after-dot", "after-dot maybe"])
def test_script_refuses_what_it_does_not_know(reply: str) -> None:
    """A typing error in a test does not become an acceptance."""
    with pytest.raises(ValueError, match="not a reply"):
        Mailbox().script(None, [reply])


async def test_hanging_mailbox_can_be_stopped(open_provider: OpenProvider) -> None:
    """A connection amid a message does not keep the mailbox from stopping."""
    mailbox = Mailbox()
    await mailbox.start()
    await mailbox.start()
    mailbox.script(None, ["hang-after-dot"])
    provider = await open_provider(mailbox.port)
    sending = asyncio.create_task(provider.send(an_email()))
    await mailbox.wait_for(lambda each: True)

    await mailbox.stop()
    await mailbox.stop()

    assert (await sending).verdict == "unknown"


async def test_received_message_keeps_quiet(open_provider: OpenProvider) -> None:
    """What a failing test prints shows no address and no content."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)
        await provider.send(an_email())

        received: Received = mailbox.received[0]
        assert "anna" not in repr(received)
        assert "Tomorrow" not in repr(received)
        assert received.at.tzinfo is not None
