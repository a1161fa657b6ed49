UPDATE sessions SET seen_us = :now_us WHERE digest = :digest
