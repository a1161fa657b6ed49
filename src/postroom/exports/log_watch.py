"""How long the write-ahead log may grow while an export reads its snapshot.

What is written meanwhile stays in the log until the snapshot is let go, however often the log is moved. Where rows never
change the snapshot can be taken anew in the middle and the file is the same; where they do, the export has to end.
"""

from collections.abc import Mapping
from typing import Any, Final

DISK_FREE_BYTES: Final = 256 * 1024 * 1024
"""When so little room is left, a log that has grown at all is too long."""


class LogWatch:
    """Looks at what `Store.storage` tells; where there is no such log nothing is ever too long."""

    def __init__(self, bytes_max: int) -> None:
        self._most = bytes_max
        self._lowest: int | None = None

    def too_long(self, storage: Mapping[str, Any]) -> bool:
        """Whether the log has grown by more than it may since this snapshot was taken."""
        size = storage.get("walBytes")
        if size is None:
            return False
        self._lowest = size if self._lowest is None else min(self._lowest, size)
        grown = size - self._lowest
        free = storage.get("diskFreeBytes", DISK_FREE_BYTES)
        return bool(grown > self._most or (grown > 0 and free < DISK_FREE_BYTES))

    def begin(self) -> None:
        """A new snapshot: what the log has now is not its doing."""
        self._lowest = None
