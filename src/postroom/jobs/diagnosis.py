"""The slow way from JSON to a job: read again, field by field, to say everything that is wrong.

`validation` comes here with what its one fast pass refused. No text repeats a value, because recipients, subjects
and contents are health data: a problem names the field, the rule, sizes and positions. Unknown fields and types are
named where they look like names.
"""

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from postroom.jobs.models import RULES, Job, Moment, Refused, Surroundings
from postroom.jobs.problem import PROBLEMS_MAX, ROOT, JobInvalid, Problem
from postroom.jobs.registry import TYPE_FIELD, TYPE_NAME, JobRegistry

Read: TypeAlias = Callable[[Any, Any], Any]
"""Reads a raw value as a type; raises what msgspec raises."""

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MALFORMED = re.compile(r"JSON is malformed: (.+) \(byte ([0-9]+)\)")
_LOCATED = re.compile(r"(.+) - at `\$([\w.\[\]-]*)`", re.DOTALL)
_NAMED = re.compile(r"Object (?:contains )?(missing required|unknown) field `(.*)`")
_QUOTED = re.compile(r"`([^`]*)`")
_WORDS: Final = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_by_field(data: bytes | str | Mapping[str, Any], registry: JobRegistry, around: Surroundings) -> Job:
    """The job, read slowly; raises JobInvalid with all that is wrong with it.

    It succeeds where the fast way is stricter than we are: a plain date, a `type` that is written twice.
    """
    parts, read = (_open(data), _decode) if isinstance(data, (bytes, str)) else (data, msgspec.convert)
    model = _model_of(parts, read, registry)
    fields = msgspec.structs.fields(model)
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for field in fields:
        if field.encode_name in parts:
            try:
                values[field.name] = _read_field(model, field, parts[field.encode_name], read, around)
            except JobInvalid as error:
                problems += error.problems
        elif field.required:
            problems.append(Problem(field.encode_name, "is missing"))
    if model.__struct_config__.forbid_unknown_fields:
        problems += _unknown_fields(parts, [field.encode_name for field in fields])
    if not problems:
        try:
            return model(**values)
        except JobInvalid as error:
            problems += error.problems
        except (ValueError, TypeError) as error:
            problems.append(Problem(ROOT, f"was refused by {model.__name__} ({type(error).__name__})"))
    raise JobInvalid(problems)


def _open(data: bytes | str) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, unread; the last one wins where a name comes twice."""
    try:
        return _split(data)
    except msgspec.ValidationError as error:
        reason = _in_words(str(error))
    except RecursionError:
        reason = "is nested too deeply"
    except (UnicodeError, msgspec.DecodeError) as error:
        reason = _malformed(data, error)
    raise _one(ROOT, reason)


def _malformed(data: bytes | str, error: Exception) -> str:
    """Where and why the input is not JSON; the parser's words are fixed, without a value in them."""
    if not data.strip():
        return "is empty"
    try:
        size = len(data.encode() if isinstance(data, str) else bytes(data).decode().encode())
    except (UnicodeEncodeError, UnicodeDecodeError) as wrong:
        return f"is not valid UTF-8 from position {wrong.start}"
    known = _MALFORMED.fullmatch(str(error))
    what, byte = known.groups() if known else ("ends too early", size)
    return f"is not valid JSON: {what} (byte {byte})"


def _decode(raw: msgspec.Raw, kind: Any) -> Any:
    return msgspec.json.decode(raw, type=kind)


def _model_of(parts: Mapping[str, Any], read: Read, registry: JobRegistry) -> type[Job]:
    known = f"known types: {', '.join(registry.types)}"
    if TYPE_FIELD not in parts:
        raise _one(TYPE_FIELD, f"is missing; {known}")
    try:
        name = read(parts[TYPE_FIELD], str)
    except (ValueError, RecursionError):
        name = None
    if name is None:
        raise _one(TYPE_FIELD, f"must be a string; {known}")
    if name in registry.types:
        return registry.model(name)
    if not TYPE_NAME.fullmatch(name):
        raise _one(TYPE_FIELD, f"is not a known type; {known}")
    raise _one(TYPE_FIELD, f'"{name}" is not a known type{_did_you_mean(name, registry.types)}; {known}')


def _read_field(
    model: type[Job], field: msgspec.structs.FieldInfo, raw: Any, read: Read, around: Surroundings
) -> Any:
    """The field's value, normalised. Raises JobInvalid with the field's problems."""
    wire = field.encode_name
    rule = RULES.get(model, {}).get(field.name)
    try:
        value = _read_moment(raw, read) if field.type == Moment else read(raw, field.type)
    except Refused as refused:
        reason = str(refused)
    except msgspec.ValidationError as error:
        raise JobInvalid(_explain(error, wire, field.type)) from None
    except RecursionError:
        reason = "is nested too deeply"
    except UnicodeError:
        reason = "is not valid UTF-8"
    except ValueError:
        reason = "is not valid JSON"
    else:
        try:
            return rule(value, around) if rule is not None else value
        except Refused as refused:
            reason = str(refused)
    raise _one(wire, reason)


def _read_moment(raw: Any, read: Read) -> dt.datetime:
    """An aware datetime, or the midnight UTC of a plain date. Raises Refused."""
    given = read(raw, Any)
    try:
        if isinstance(given, str) and _PLAIN_DATE.fullmatch(given):
            given = dt.date.fromisoformat(given)
        if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
            return dt.datetime.combine(given, dt.time(), dt.UTC)
        return msgspec.convert(given, Moment)
    except ValueError:
        raise Refused(
            "must be an ISO 8601 date, or date and time with a zone: 2026-01-31 or 2026-01-31T08:00:00Z"
        ) from None


def _unknown_fields(parts: Iterable[object], known: Sequence[str]) -> Iterable[Problem]:
    unknown = [name for name in parts if name not in known and name != TYPE_FIELD]
    for count, name in enumerate(unknown):
        if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name):
            yield Problem(ROOT, "has a field whose name is not one")
            continue
        # Looking for likenesses is slow, so not for more than are listed.
        like = _did_you_mean(name, known) if count < PROBLEMS_MAX else ""
        yield Problem(name, f"is not a known field{like or '; known fields: ' + ', '.join(known)}")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    like = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean "{like[0]}"?' if like else ""


def _explain(error: msgspec.ValidationError, wire: str, kind: Any) -> list[Problem]:
    """What msgspec found wrong with one field, in plain words and without the value."""
    located = _LOCATED.fullmatch(str(error))
    text, path = located.groups() if located else (str(error), "")
    field = wire + path
    cause = error.__cause__
    if isinstance(cause, JobInvalid):
        return [Problem(field if p.field == ROOT else f"{field}.{p.field}", p.reason) for p in cause.problems]
    if cause is not None:
        return [Problem(field, f"was refused by its model ({type(cause).__name__})")]
    if named := _NAMED.fullmatch(text):
        if not _FIELD_NAME.fullmatch(named[2]):
            return [Problem(field, "has a field whose name is not one")]
        reason = "is missing" if named[1] == "missing required" else "is not a known field"
        return [Problem(f"{field}.{named[2]}", reason)]
    if text.startswith("Invalid enum value") and not path:
        allowed = _allowed(msgspec.inspect.type_info(kind))
        return [Problem(field, f"must be one of: {', '.join(map(str, allowed))}")]
    return [Problem(field, _in_words(text))]


def _allowed(info: msgspec.inspect.Type) -> Sequence[object]:
    """The values of the first Literal or enum in a type."""
    match info:
        case msgspec.inspect.LiteralType():
            return info.values
        case msgspec.inspect.EnumType():
            return [member.value for member in info.cls]
        case msgspec.inspect.UnionType():
            return next(filter(None, map(_allowed, info.types)), ())
        case _:
            return ()


def _in_words(text: str) -> str:
    """msgspec's description of what it expected, as a predicate in JSON's words; never with a value."""
    if text.startswith(("Invalid enum value", "Invalid value")):
        return "is not one of the allowed values"
    text = _QUOTED.sub(lambda m: " or ".join(_WORDS.get(kind, kind) for kind in m[1].split(" | ")), text)
    if text.startswith("Expected "):
        return "must be " + text.removeprefix("Expected ").replace(", got ", ", not ")
    return f"is not valid: {text[0].lower()}{text[1:]}"


def _one(field: str, reason: str) -> JobInvalid:
    return JobInvalid([Problem(field, reason)])


def unwritable(job: Job) -> Iterable[Problem]:
    """The fields of a job whose values JSON cannot hold."""
    for name, wire in zip(job.__struct_fields__, job.__struct_encode_fields__, strict=True):
        try:
            msgspec.json.encode(getattr(job, name))
        except (TypeError, ValueError, OverflowError, RecursionError):
            yield Problem(wire, "holds something that JSON cannot")
