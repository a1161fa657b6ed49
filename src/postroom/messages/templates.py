"""Templates: what they may say, with which variables, and how a message is made of one. Pure.

Owns the declaration of a template, its rules, and rendering. Where versions are kept is `template_versions`' business;
the syntax is `placeholders`'. An error names a variable or a place in the text, never a value: values are health data.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from postroom.delivery.address import parse_mailbox
from postroom.delivery.errors import Unsendable
from postroom.jobs.models import EMAIL_CONTENT_BYTES_MAX, SMS_CONTENT_CHARS_MAX, SUBJECT_CHARS_MAX
from postroom.jobs.validation import Problem
from postroom.kit.redact import Discreet
from postroom.messages.drafts import HTML_BYTES_MAX, TOPIC_CHARS_MAX, MessageChannel, MessageInvalid, Policy
from postroom.messages.placeholders import Part, Placeholder, PlaceholderError, check_html, fill, read_parts

VARIABLES_MAX: Final = 50
USES_MAX: Final = 200
"""Placeholders in one text."""
VALUE_CHARS_MAX: Final = 10_000
VALUE_CHARS_DEFAULT: Final = 200
WAIT_SECONDS_MAX: Final = 604_800.0
EVERYTHING: Final = "*"
"""No topic may be called so: in the ledger of wishes it stands for all of them."""

VariableType: TypeAlias = Literal["text", "date", "number", "url"]

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME: Final = re.compile(r"[a-z][A-Za-z0-9_]{0,63}")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,15})?", re.ASCII)
_BREAKS: Final = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")
_URL_CHARS: Final = re.compile(r"[!-~]+")
_TEXT_SENDER: Final = re.compile(r"\+[1-9]\d{6,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", re.ASCII)
"""An E.164 number, or an alphanumeric sender id of at most 11 characters."""


class Variable(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What may be filled in."""

    name: str
    type: VariableType = "text"
    """text; date: 2026-01-31 or 2026-01-31T14:00; number: with a point or comma; url: http or https."""
    required: bool = True
    """Whether a message must have it; where it is missing and need not be there, nothing is filled in."""
    max_chars: Annotated[int, msgspec.Meta(ge=1, le=VALUE_CHARS_MAX)] = VALUE_CHARS_DEFAULT
    sample: str
    """What previews show."""


class TemplateText(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a version of a template says, and how messages made of it are sent."""

    subject: str | None = None
    content: str
    html: str | None = None
    variables: tuple[Variable, ...] = ()
    topic: str | None = None
    """What one unsubscribes from; null for what is no subscription (an appointment, a code)."""
    policy: Policy | None = None
    """What happens when it is unknown whether a message left; null: the setting."""
    health_data: bool = True
    uncertain_wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_SECONDS_MAX)] | None = None
    """How long such a message can wait for news of a call in doubt: a code 30, a reminder 900; null: any time."""
    sender: str | None = None
    """Who it comes from, where not the usual sender."""


class NewTemplate(TemplateText, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A template to be made, with its first version."""

    template_id: str
    channel: MessageChannel


class Rendered(Discreet, frozen=True):
    """What a message says; its repr shows none of it."""

    shown: ClassVar[tuple[str, ...]] = ()

    subject: str | None
    content: str
    html: str | None


class TemplateInvalid(MessageInvalid):
    """A template that cannot be published; `problems` names field, place and reason."""


class _Field(NamedTuple):
    name: str
    text: str


def check_template(channel: str, text: TemplateText, template_id: str | None = None) -> None:
    """Raises TemplateInvalid with everything that is wrong."""
    problems = []
    if template_id is not None and _ID.fullmatch(template_id) is None:
        problems.append(
            Problem("templateId", "must have 1 to 64 letters, digits, dots, hyphens and underscores")
        )
    problems += [*_text_problems(channel, text), *_setting_problems(channel, text)]
    problems += _variable_problems(text.variables)
    declared = {variable.name: variable for variable in text.variables}
    for field in _fields(text):
        problems += _placeholder_problems(field, declared)
    if problems:
        raise TemplateInvalid(problems)


def render(text: TemplateText, variables: Mapping[str, str]) -> Rendered:
    """The message. Raises MessageInvalid, naming each variable that is missing, unknown or wrong."""
    declared = {variable.name: variable for variable in text.variables}
    problems = []
    if any(_NAME.fullmatch(name) is None for name in variables):
        problems.append(Problem("variables", "has a name that no variable can have"))
    problems += [
        Problem(f"variables.{name}", "is not known to the template")
        for name in variables
        if name not in declared and _NAME.fullmatch(name)
    ]
    values = {}
    for name, variable in declared.items():
        values[name] = variables.get(name, "")
        reason = _refused(variable, values[name])
        if reason is not None:
            problems.append(Problem(f"variables.{name}", reason))
    problems += [
        Problem(f"variables.{part.name}", "must not have line breaks: it stands in the subject")
        for part in _read(text.subject or "")
        if isinstance(part, Placeholder) and _BREAKS.search(values.get(part.name, ""))
    ]
    if problems:
        raise MessageInvalid(problems)
    return Rendered(
        subject=None if text.subject is None else fill(_read(text.subject), values),
        content=fill(_read(text.content), values),
        html=None if text.html is None else fill(_read(text.html), values, html=True),
    )


def samples_of(text: TemplateText) -> dict[str, str]:
    """The values that previews show."""
    return {variable.name: variable.sample for variable in text.variables}


@lru_cache(maxsize=512)
def _read(text: str) -> tuple[Part, ...]:
    return read_parts(text)


def _fields(text: TemplateText) -> list[_Field]:
    given = (("subject", text.subject), ("content", text.content), ("html", text.html))
    return [_Field(name, value) for name, value in given if value is not None]


def _text_problems(channel: str, text: TemplateText) -> list[Problem]:
    problems = []
    if channel == "sms":
        problems += [
            Problem(name, "must be left out: text messages have none")
            for name, value in (("subject", text.subject), ("html", text.html))
            if value is not None
        ]
        if len(text.content) > SMS_CONTENT_CHARS_MAX:
            problems.append(Problem("content", f"must have at most {SMS_CONTENT_CHARS_MAX:,} characters"))
    elif not text.subject or len(text.subject) > SUBJECT_CHARS_MAX or _BREAKS.search(text.subject):
        problems.append(
            Problem("subject", f"must have 1 to {SUBJECT_CHARS_MAX} characters and no line breaks")
        )
    if not text.content.strip():
        problems.append(Problem("content", "must not be empty"))
    sizes = (("content", text.content, EMAIL_CONTENT_BYTES_MAX), ("html", text.html or "", HTML_BYTES_MAX))
    problems += [
        Problem(name, f"must have at most {most:,} bytes")
        for name, value, most in sizes
        if len(value.encode()) > most
    ]
    problems += [Problem(name, "must not hold NUL characters") for name, value, _ in sizes if "\0" in value]
    return problems


def _setting_problems(channel: str, text: TemplateText) -> list[Problem]:
    problems = []
    topic = text.topic
    if topic is not None and not (
        0 < len(topic) <= TOPIC_CHARS_MAX and topic.isprintable() and topic != EVERYTHING
    ):
        problems.append(
            Problem("topic", f"must have 1 to {TOPIC_CHARS_MAX} printable characters and not be *")
        )
    if text.sender is not None and channel == "sms" and _TEXT_SENDER.fullmatch(text.sender) is None:
        problems.append(
            Problem("sender", "must be an E.164 number, or a sender id of up to 11 letters and digits")
        )
    if text.sender is not None and channel != "sms":
        try:
            parse_mailbox(text.sender, "sender")
        except Unsendable:
            problems.append(Problem("sender", "must be an address, as a@b or Name <a@b>"))
    return problems


def _variable_problems(variables: Sequence[Variable]) -> list[Problem]:
    problems = []
    names = [variable.name for variable in variables]
    if len(names) > VARIABLES_MAX:
        problems.append(Problem("variables", f"must be at most {VARIABLES_MAX}"))
    for number, variable in enumerate(variables):
        field = f"variables[{number}]"
        if _NAME.fullmatch(variable.name) is None:
            problems.append(
                Problem(f"{field}.name", "must be a letter from a to z, then letters, digits and underscores")
            )
        if names.index(variable.name) < number:
            problems.append(Problem(f"{field}.name", "is declared twice"))
        reason = _refused(variable, variable.sample)
        if reason is not None:
            problems.append(Problem(f"{field}.sample", reason))
    return problems


def _placeholder_problems(field: _Field, declared: Mapping[str, Variable]) -> list[Problem]:
    try:
        parts = read_parts(field.text)
        used = [part for part in parts if isinstance(part, Placeholder)]
        if len(used) > USES_MAX:
            return [Problem(field.name, f"must have at most {USES_MAX} placeholders")]
        for part in used:
            if part.name not in declared:
                raise PlaceholderError(f"names {part.name}, which is not declared", field.text, part.at)
        if field.name == "html":
            check_html(field.text, parts, lambda name: declared[name].type == "url")
    except PlaceholderError as error:
        return [Problem(field.name, str(error))]
    return []


def _refused(variable: Variable, value: str) -> str | None:
    """What is wrong with a value, as a predicate; None when nothing is."""
    if not value.strip():
        return "is missing" if variable.required else None
    if len(value) > variable.max_chars:
        return f"must have at most {variable.max_chars:,} characters"
    match variable.type:
        case "text":
            return "must not have control characters" if _CONTROLS.search(value) else None
        case "date":
            return None if _is_date(value) else "must be a date, as 2026-01-31 or 2026-01-31T14:00"
        case "number":
            return None if _NUMBER.fullmatch(value) else "must be a number, as 12 or 12.50"
        case "url":
            return None if _is_url(value) else "must be an address that begins with https:// or http://"


def _is_date(value: str) -> bool:
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return _DATE.fullmatch(value) is not None


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        named = parts.hostname
    except ValueError:
        return False
    plain = _URL_CHARS.fullmatch(value) is not None and parts.username is None
    return plain and bool(named) and parts.scheme in ("https", "http")
