"""From a form to a draft or to changes of one, and from what is wrong with those back to the form's fields."""

from datetime import datetime
from typing import Any, Final

import msgspec

from postroom.jobs.validation import Problem
from postroom.kit.clock import to_datetime, to_us
from postroom.messages import Changes, Draft, MessageInvalid
from postroom.messages.drafts import is_zone, local_moment
from postroom.web.dashboard.forms import Form
from postroom.web.people import refusal_of
from postroom.web.problems import Refusal

LATER: Final = "later"
FREE_TEXT: Final = ""
FIELDS: Final = {"sendAt": "at", "expiresAt": "expires", "messageId": "id"}
"""Where the API's name of a field is not the form's."""
LABELS: Final = {
    "recipient": "The recipient", "subject": "The subject", "content": "The text", "html": "The HTML",
    "at": "The time", "expires": "The time after which it is dropped", "zone": "The time zone",
    "topic": "The topic", "template": "The template", "channel": "The channel", "priority": "The priority",
    "id": "The id", "note": "The note",
}  # fmt: skip
"""How the list of problems names a field."""
VALUES: Final = (
    "channel", "template", "recipient", "subject", "content", "html", "when", "at", "zone", "expires", "priority",
    "topic", "policy", "id",
)  # fmt: skip


def read_draft(form: Form, reader_zone: str) -> Draft:
    """What was written; raises MessageInvalid for what no draft can have."""
    channel, template = form.raw("channel"), form.text("template")
    given: dict[str, Any] = {
        "channel": channel, "recipient": form.text("recipient") or "", "messageId": form.text("id"),
        "priority": form.text("priority") or "normal", "topic": form.text("topic"), "policy": form.text("policy"),
        "zone": form.text("zone"), "sendAt": None, "expiresAt": None,
    }  # fmt: skip
    if template is not None:
        given["template"] = template
        given["variables"] = form.under("var.")
    else:
        given["content"] = form.raw("content")
        given["subject"] = form.text("subject") if channel != "sms" else None
        given["healthData"] = form.checked("health_data")
    problems: list[Problem] = []
    if form.raw("when") == LATER:
        given["sendAt"] = _moment(form, "at", "sendAt", reader_zone, problems)
    if form.text("expires") is not None:
        given["expiresAt"] = _moment(form, "expires", "expiresAt", reader_zone, problems)
    if problems:
        raise MessageInvalid(problems)
    try:
        return msgspec.convert(given, Draft)
    except msgspec.ValidationError as error:
        # The text names the type that was expected and the path, never a value.
        reason, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`") or "$"
        raise MessageInvalid([Problem(field, f"cannot be used: {reason.lower()}")]) from None


def read_changes(form: Form, channel: str, reader_zone: str) -> Changes:
    """What an edit sets; raises MessageInvalid."""
    problems: list[Problem] = []
    expires = _moment(form, "expires", "expiresAt", reader_zone, problems) if form.text("expires") else None
    if problems:
        raise MessageInvalid(problems)
    given: dict[str, Any] = {
        "recipient": form.text("recipient") or "", "content": form.raw("content"), "zone": form.text("zone"),
        "topic": form.text("topic"), "priority": form.text("priority") or "normal", "expiresAt": expires,
    }  # fmt: skip
    if channel != "sms":
        given["subject"] = form.text("subject")
    if "html" in form:
        given["html"] = form.raw("html").strip() or None
    try:
        return msgspec.convert(given, Changes)
    except msgspec.ValidationError:
        raise MessageInvalid([Problem("priority", "must be high, normal or low")]) from None


def read_plan(form: Form, reader_zone: str) -> int | None:
    """When it is to leave, in microseconds; None for as soon as it may. Raises MessageInvalid."""
    if form.raw("when") != LATER:
        return None
    problems: list[Problem] = []
    found = _moment(form, "at", "sendAt", reader_zone, problems)
    if problems or found is None:
        raise MessageInvalid(problems)
    return to_us(found)


def values_of(form: Form) -> dict[str, Any]:
    """What was typed, to be shown again."""
    return {
        **{name: form.raw(name) for name in VALUES}, "health_data": form.checked("health_data"),
        "variables": form.under("var."),
    }  # fmt: skip


def errors_of(error: Exception) -> dict[str, str]:
    """What is wrong, by the form's fields; raises the error when it is about no field."""
    refusal = error if isinstance(error, Refusal) else refusal_of(error)
    if refusal is None or not refusal.errors:
        raise error
    return {_field(one.field): one.reason for one in refusal.errors}


def _field(name: str) -> str:
    if name.startswith("variables."):
        return "var." + name.removeprefix("variables.")
    return FIELDS.get(name, name)


def _moment(form: Form, name: str, field: str, reader_zone: str, problems: list[Problem]) -> datetime | None:
    """A local time of the zone that is given, else of the reader's."""
    zone = form.text("zone") or reader_zone
    if not is_zone(zone):
        problems.append(Problem("zone", "must be an IANA time zone, for example Europe/Berlin"))
        return None
    text = form.text(name)
    found = local_moment(text, zone) if text else None
    if found is None:
        problems.append(Problem(field, "must be a date and a time"))
        return None
    return to_datetime(found)
