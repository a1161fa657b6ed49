"""Moving everything from an SQLite file to PostgreSQL while the service works; see `move`."""

from postroom.wiring.moving.freezing import freeze, frozen, thaw
from postroom.wiring.moving.move import Move, Moved, MoveRefused

__all__ = ["Move", "MoveRefused", "Moved", "freeze", "frozen", "thaw"]
