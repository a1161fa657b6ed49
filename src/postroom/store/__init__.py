"""The application's database: jobs, messages, attempts, exports and the audit trail, in the queue's own database."""

from postroom.store.opening import open_store
from postroom.store.store import Store
from postroom.store.transaction import AuditChain, Conflict, Row, StoreTransaction

__all__ = ["AuditChain", "Conflict", "Row", "Store", "StoreTransaction", "open_store"]
