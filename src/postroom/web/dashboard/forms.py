"""What a form sent, and proof that it was a form of ours.

Every POST below `/app` comes through `read_form` and `check_token` before any handler sees it (`app`): a session's
form carries the session's token, a form without a session has to come from a page of this site by what the browser
says. Handlers find the form with `form_of`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from postroom.web.auth import CSRF, Headers, Identity, only_this_site
from postroom.web.dependencies import Asked
from postroom.web.problems import FORBIDDEN, REQUEST_INVALID, FieldProblem, Kind, Refusal

CSRF_FIELD: Final = "_csrf"
CONFIRM: Final = "confirm"
"""The field into which the name of what is concerned is typed, where an act asks for that."""
FIELDS_MAX: Final = 2_000
MEDIA_TYPE: Final = b"application/x-www-form-urlencoded"
UNSUPPORTED: Final = Kind("unsupported-media-type", 415, "This is not a form")


class Form:
    """The fields of a form. Its repr shows no values."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        return f"Form({', '.join(self._fields)})"

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def raw(self, name: str) -> str:
        """The value as it came, empty when there is none; line ends are bare."""
        return self._fields.get(name, [""])[-1].replace("\r\n", "\n")

    def text(self, name: str) -> str | None:
        """The value without space around it; None for an empty one."""
        return self.raw(name).strip() or None

    def checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return name in self._fields and self.raw(name) not in ("", "no", "false", "0")

    def all(self, name: str) -> list[str]:
        """All values of that name."""
        return list(self._fields.get(name, ()))

    def under(self, prefix: str) -> dict[str, str]:
        """Values of names that begin so, without the beginning: `var.name` under `var.` is `name`."""
        return {name[len(prefix) :]: self.raw(name) for name in self._fields if name.startswith(prefix)}

    def whole(self, name: str) -> int | None:
        """A whole number; None when it is none. It has at most 15 digits."""
        text = self.text(name)
        return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else None

    def confirmed(self, word: str) -> bool:
        """Whether the word was typed that the confirmation asks for."""
        return self.text(CONFIRM) == word


def read_form(headers: Mapping[bytes, bytes], body: bytes) -> Form:
    """The fields of a body; raises Refusal for what is no form."""
    kind = headers.get(b"content-type", MEDIA_TYPE).partition(b";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise Refusal(UNSUPPORTED, "Send application/x-www-form-urlencoded.")
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("$", "is not a form")]) from None
    return Form(fields)


def check_token(identity: Identity, headers: Headers, form: Form) -> None:
    """Raise Refusal unless it is a form of ours, sent by somebody's own will."""
    session = identity.session
    if session is None:
        only_this_site(headers)
    elif not session.is_csrf(headers.get(CSRF, b"").decode("latin-1") or form.raw(CSRF_FIELD)):
        raise Refusal(
            FORBIDDEN, "The form is no longer good: it was made for another session. Load the page again."
        )


def form_of(request: Asked) -> Form:
    """The form that a request sent; an empty one if it sent none."""
    return cast(dict[str, Any], request.scope).get("form") or Form()
