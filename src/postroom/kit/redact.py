"""Masking: what may be shown of a recipient, and values that keep quiet about themselves.

Owns the masked forms for screens (`a***@example.com`, `+1******1234`) and `Discreet`, the base of values whose
repr must not show what they hold. It does not decide where a masked form may appear: logs and traces get none
at all, not even a masked one.
"""

import re
from typing import Any, ClassVar

import msgspec

HIDDEN = "***"
"""What stands for anything that is not recognised: nothing of it is shown."""

_EMAIL = re.compile(r"([^\s@\"<>(),;:\\\[\]]{1,64})@([^\W_](?:[\w.-]{0,251}[^\W_])?)")
_PHONE = re.compile(r"\+?[0-9]{8,15}")
_PHONE_SEPARATORS = str.maketrans("", "", " -.()/")


def mask_email(address: object) -> str:
    """`a***@example.com` for `anna@example.com`: the first character and the domain; `***` for what is no address.

    A local part of one character is hidden whole. Never raises.
    """
    match = _EMAIL.fullmatch(address) if isinstance(address, str) else None
    if match is None:
        return HIDDEN
    local, domain = match.groups()
    return f"{local[0] if len(local) > 1 else ''}{HIDDEN}@{domain}"


def mask_phone(number: object) -> str:
    """`+1******1234` for `+12125551234`: the plus and first digit, and the last four; `***` for what is no number.

    A number has 8 to 15 digits (E.164), with or without a plus; spaces, hyphens, dots, slashes and round brackets
    between them are dropped. Fewer digits are hidden whole. Never raises.
    """
    if not isinstance(number, str):
        return HIDDEN
    digits = number.translate(_PHONE_SEPARATORS)
    if _PHONE.fullmatch(digits) is None:
        return HIDDEN
    shown = 2 if digits.startswith("+") else 1
    return f"{digits[:shown]}{'*' * (len(digits) - shown - 4)}{digits[-4:]}"


def mask(recipient: object) -> str:
    """The masked form of an email address or a telephone number, whichever it is; `***` for anything else."""
    if isinstance(recipient, str) and "@" in recipient:
        return mask_email(recipient)
    return mask_phone(recipient)


class Discreet(msgspec.Struct, frozen=True):
    """A frozen value whose repr, also rich's, shows the fields named in `shown` and no others."""

    shown: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """The class and the fields that may be shown."""
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The fields that may be shown, for `rich` and for `repr`."""
        return [(name, getattr(self, name)) for name in self.shown]
