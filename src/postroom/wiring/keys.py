"""Keys that must be there: from the settings, or made once and kept in a file beside the database, or in PostgreSQL."""

import hmac
import os
import secrets
from pathlib import Path

from msgspec.structs import replace

from postroom.audit import Chain, Key
from postroom.queues import Queues
from postroom.settings import Settings
from postroom.store.vault import MasterKey, NoVault, Vault


def audit_chain(settings: Settings) -> Chain:
    """The audit trail's chain."""
    given = settings.audit_keys or (_kept(_key_file(settings)),)
    return Chain([Key.of(secret) for secret in given])


def purpose_keys(settings: Settings, purpose: str) -> list[bytes]:
    """Keys for one purpose, derived from the keys of the audit trail or from the kept one; newest first."""
    secrets_ = settings.audit_keys or (_kept(_key_file(settings)),)
    return [hmac.digest(secret, f"postroom {purpose}".encode(), "sha256") for secret in secrets_]


async def with_kept_key(settings: Settings, queues: Queues) -> Settings:
    """The settings with the key that PostgreSQL keeps, where they have none: a file would be one machine's."""
    if settings.audit_keys or not settings.on_postgresql:
        return settings
    from postroom.store.postgresql.keeping import kept_key

    return replace(settings, audit_keys=(await queues.transact(kept_key),))


def make_vault(settings: Settings) -> Vault | NoVault:
    """What seals recipients and contents: a vault where keys are configured."""
    if not settings.encryption_keys:
        return NoVault()
    return Vault([MasterKey(id_, secret) for id_, secret in settings.encryption_keys])


def kept_beside(database: Path) -> bytes | None:
    """The key that lies beside a file, if one does."""
    file = database.with_name(database.name + ".key")
    return bytes.fromhex(file.read_text(encoding="ascii").strip()) if file.exists() else None


def _key_file(settings: Settings) -> Path:
    return settings.database_path.with_name(settings.database_path.name + ".key")


def _kept(file: Path) -> bytes:
    """The secret in a file that only its owner can read, made when it is not there."""
    while True:
        try:
            return bytes.fromhex(file.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            made = secrets.token_hex(32)
        # Written whole before it has its name: another process may be starting too.
        part = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(made + "\n")
        try:
            os.link(part, file)
        except FileExistsError:
            pass
        finally:
            part.unlink()
