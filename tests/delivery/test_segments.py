"""Parts of text messages (delivery/segments.py; 3GPP TS 23.038)."""

import pytest

from postroom.delivery.segments import segments


@pytest.mark.parametrize(("text", "encoding", "units", "count"), [
    ("", "gsm-7", 0, 1), ("a" * 160, "gsm-7", 160, 1), ("a" * 161, "gsm-7", 161, 2), ("a" * 306, "gsm-7", 306, 2),
    ("a" * 307, "gsm-7", 307, 3), ("€" * 80, "gsm-7", 160, 1), ("€" * 81, "gsm-7", 162, 2), ("Grüße", "gsm-7", 5, 1),
    ("it’s", "ucs-2", 4, 1), ("ą" * 70, "ucs-2", 70, 1), ("ą" * 71, "ucs-2", 71, 2), ("😀" * 35, "ucs-2", 70, 1),
    ("😀" * 36, "ucs-2", 72, 2), ("a" * 152 + "€" + "a" * 152 + "€", "gsm-7", 308, 3),
])  # fmt: skip
def test_text_has_so_many_parts(text: str, encoding: str, units: int, count: int) -> None:
    """At the borders, with characters that cost two, and none torn apart."""
    assert segments(text) == (encoding, units, count)
