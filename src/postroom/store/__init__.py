"""The application's database: jobs, messages, attempts, exports and the audit trail, in the queue's own file."""

from postroom.store.store import Store, StoreTransaction, open_store

__all__ = ["Store", "StoreTransaction", "open_store"]
