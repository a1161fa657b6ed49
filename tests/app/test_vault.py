"""Encryption at rest (store/vault.py): what is sealed cannot be read, moved, changed, or opened once shredded."""

import secrets
from pathlib import Path

import pytest
from app_support import Open

from postroom.jobs import EmailJob
from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction
from postroom.store.vault import MasterKey, NoVault, Shredded, Vault, VaultError
from postroom.wiring import Application

OLD, NEW = MasterKey("old", secrets.token_bytes(32)), MasterKey("new", secrets.token_bytes(32))
FIELDS = {"recipient": "anna@example.com", "content": "Grüße — 2 pm"}


async def sealed(app: Application, vault: Vault | NoVault, message_id: str = "m") -> dict[str, str]:
    return await app.store.write(lambda transaction: vault.seal_all(transaction, message_id, FIELDS))


async def opened(
    app: Application, vault: Vault | NoVault, fields: dict[str, str], message_id: str = "m"
) -> dict[str, str]:
    return await app.store.write(lambda transaction: vault.open_all(transaction, message_id, fields))


async def test_what_is_sealed_can_be_opened(app: Application) -> None:
    """And does not look like what it was."""
    found = await sealed(app, Vault([NEW]))

    assert "anna" not in str(found)
    assert await opened(app, Vault([NEW]), found) == FIELDS


@pytest.mark.parametrize("damage", ["swapped fields", "changed", "other message"])
async def test_tampering_is_noticed(app: Application, damage: str) -> None:
    """A ciphertext belongs to its message and its field."""
    vault = Vault([NEW])
    found, other = await sealed(app, vault), await sealed(app, vault, "other")
    damaged = {
        "swapped fields": {"recipient": found["content"], "content": found["recipient"]},
        "changed": {**found, "content": found["content"][:-4] + "AAAA"},
        "other message": other,
    }[damage]

    with pytest.raises(VaultError):
        await opened(app, vault, damaged)


async def test_wrong_or_missing_key_opens_nothing(app: Application) -> None:
    """The reason says what to do."""
    found = await sealed(app, Vault([NEW]))

    with pytest.raises(VaultError, match="not configured"):
        await opened(app, Vault([OLD]), found)
    with pytest.raises(VaultError, match="another one"):
        await opened(app, Vault([MasterKey("new", OLD.secret)]), found)
    with pytest.raises(VaultError, match="POSTROOM_ENCRYPTION_KEYS"):
        await opened(app, NoVault(), found)


async def test_key_may_come_later(app: Application) -> None:
    """What was stored plainly stays readable."""
    assert await opened(app, Vault([NEW]), FIELDS) == FIELDS


async def test_rotation_wraps_keys_anew(app: Application) -> None:
    """Afterwards the old master key is not needed."""
    found = await sealed(app, Vault([OLD]))

    count = await app.store.write(lambda transaction: Vault([NEW, OLD]).rotate(transaction))

    assert count == 1
    assert await opened(app, Vault([NEW]), found) == FIELDS


async def test_shredded_message_is_gone(app: Application) -> None:
    """Whoever has the master key."""
    vault = Vault([NEW])
    found = await sealed(app, vault)

    await app.store.write(lambda transaction: vault.shred(transaction, "m"))

    with pytest.raises(Shredded):
        await opened(app, vault, found)


def test_bodies_carry_their_own_key() -> None:
    """And are opened with any master key that is known."""
    vault = Vault([OLD])
    body = vault.seal_body(b'{"type":"email_send"}')

    assert b"email" not in body
    assert Vault([NEW, OLD]).open_body(body) == b'{"type":"email_send"}'
    assert vault.open_body(b"{}") == b"{}"
    with pytest.raises(VaultError):
        vault.open_body(body[:-1] + b"x")
    with pytest.raises(VaultError):
        NoVault().open_body(body)


def test_index_ignores_case_and_depends_on_the_key() -> None:
    """So that an address is found however it is written, and by nobody without the key."""
    assert Vault([OLD]).index("Anna@Example.com") == Vault([NEW, OLD]).index("anna@example.com")
    assert Vault([OLD]).index("a") != Vault([NEW]).index("a")


async def test_nothing_readable_is_in_the_file(open_app: Open, clock: VirtualClock, tmp_path: Path) -> None:
    """Not in the tables, not in the queue, not in the journal; and the message is sent all the same."""
    async with open_app(encryption_keys=f"k1:{secrets.token_hex(32)}") as app:
        job = EmailJob(message_id="m", recipient="CaNaRy@example.com", subject="CaNaRy", content="CaNaRy")
        await app.producer.enqueue_job(job)
        before = b"".join(file.read_bytes() for file in tmp_path.glob("app.db*") if file.is_file())
        async with app.queues.running():
            await clock.advance(5)

        def look(transaction: StoreTransaction) -> tuple[str, str]:
            record = app.records.find(transaction, "m")
            assert record is not None
            return record.status, record.content

        assert await app.store.read(look) == ("sent", "CaNaRy")
        after = b"".join(file.read_bytes() for file in tmp_path.glob("app.db*") if file.is_file())
    assert b"canary" not in before.lower()
    assert b"canary" not in after.lower()
