"""Exports, archives and cleanups, made from the settings."""

from datetime import datetime
from typing import NamedTuple

from postroom.exports import DownloadLinks, ExportDesk, ExportGenerator
from postroom.exports.generate import Enlist
from postroom.jobs import JobProducer
from postroom.jobs.models import EmailJob, Job
from postroom.kit.actor import SYSTEM
from postroom.kit.clock import Clock
from postroom.kit.ids import new_id
from postroom.kit.storage import Storage, open_storage
from postroom.messages import StoreLedger
from postroom.queues import Queue, Queues
from postroom.queues.events import MessagesExpired
from postroom.retention import Archives, Cleanup, Places, give_back, with_days
from postroom.settings import Settings
from postroom.store import Store, StoreTransaction
from postroom.store.vault import Sealing
from postroom.wiring.keys import purpose_keys

SUBJECT = "Your export is ready"
TEXT = "Your export {id} is ready.\n\nSign in and fetch it here: {url}/api/exports/{id}/file\n"


class Storages(NamedTuple):
    """Where exports and archives are kept."""

    exports: Storage
    archive: Storage


def open_storages(settings: Settings) -> Storages:
    """A folder each, or one bucket with a prefix each."""

    def of(folder_name: str) -> Storage:
        folder = settings.exports_dir if folder_name == "exports" else settings.archive_dir
        return open_storage(
            settings.storage_url, folder, folder_name, access_key_id=settings.aws_access_key_id,
            secret_access_key=settings.aws_secret_access_key, session_token=settings.aws_session_token,
        )  # fmt: skip

    return Storages(of("exports"), of("archive"))


def enlisting(producer: JobProducer, ledger: StoreLedger, queue: Queue) -> Enlist:
    """Enqueue a job in a transaction."""

    def enlist(transaction: StoreTransaction, job: Job, send_at: datetime | None) -> None:
        ledger.enlist(transaction, queue, [producer.prepare(job, send_at=send_at)], SYSTEM)

    return enlist


def make_export_generator(
    settings: Settings, store: Store, storage: Storage, vault: Sealing, enlist: Enlist, url: str
) -> ExportGenerator:
    """The processor."""

    def notice(transaction: StoreTransaction, user: str, export_id: str) -> Job | None:
        row = transaction.one("find_user_by_name", name=user)
        if row is None or not row["email"] or row["disabled"]:
            return None
        return EmailJob(
            message_id=f"export-{new_id()}", recipient=row["email"], subject=SUBJECT,
            content=TEXT.format(id=export_id, url=url),
        )  # fmt: skip

    return ExportGenerator(
        store, storage, vault, scratch=settings.exports_dir, keep_seconds=settings.export_keep_hours * 3600,
        enlist=enlist, notice=notice, log_bytes_max=settings.export_log_mb * 1_000_000,
    )  # fmt: skip


def make_cleanup(
    settings: Settings, store: Store, queues: Queues, storages: Storages, archives: Archives
) -> Cleanup:
    """The processor of cleanups."""

    async def expire() -> int:
        gone, before = 0, -1

        def count(event: MessagesExpired) -> None:
            nonlocal gone
            gone += event.count

        unsubscribe = queues.events.subscribe(MessagesExpired, count)
        try:
            while gone > before:
                before = gone
                for name in await queues.names():
                    # Whoever looks at a queue has some of its expired messages dropped.
                    await queues.info(name)
        finally:
            unsubscribe()
        return gone

    places = Places(storages.exports, archives, settings.archive_dir, settings.exports_dir)
    return Cleanup(
        store, places, with_days(dict(settings.retention)), expire=expire, give_back=lambda: give_back(store)
    )


def make_export_desk(
    settings: Settings, store: Store, storage: Storage, vault: Sealing, producer: JobProducer, clock: Clock
) -> ExportDesk:
    """Who asks for exports and fetches them."""
    links = DownloadLinks(purpose_keys(settings, "exports"), seconds=settings.link_minutes * 60)
    return ExportDesk(store, storage, producer, links, clock, index=vault.index)
