"""How many parts a text message travels in, and why: what one pays for.

GSM-7 has 160 septets in one part and 153 in each of several, UCS-2 70 and 67 code units; some characters of GSM-7
cost two septets (3GPP TS 23.038). One character outside GSM-7 turns the whole text into UCS-2.
"""

from typing import Final, Literal, NamedTuple

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("^{}\\[~]|€\f")
"""Two septets each."""
GSM_ONE, GSM_MANY = 160, 153
UCS_ONE, UCS_MANY = 70, 67


class Segments(NamedTuple):
    """What a text comes to."""

    encoding: Literal["gsm-7", "ucs-2"]
    units: int
    """Septets, or code units of 16 bits."""
    parts: int


def segments(text: str) -> Segments:
    """The parts of a text; an empty one has one."""
    if all(char in BASIC or char in EXTENDED for char in text):
        units = sum(2 if char in EXTENDED else 1 for char in text)
        # An escape and its character are not torn apart.
        return Segments(
            "gsm-7", units, _parts([2 if char in EXTENDED else 1 for char in text], GSM_ONE, GSM_MANY)
        )
    sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return Segments("ucs-2", sum(sizes), _parts(sizes, UCS_ONE, UCS_MANY))


def _parts(sizes: list[int], one: int, many: int) -> int:
    if sum(sizes) <= one:
        return 1
    count, room = 1, many
    for size in sizes:
        if size > room:
            count, room = count + 1, many
        room -= size
    return count
