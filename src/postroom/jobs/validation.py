"""From JSON to a job that can be trusted, or to all the problems it has, by field.

The fast way is one pass of msgspec and the model's rules. Only what fails there is read again, field by field, to
say everything that is wrong (`diagnosis`).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from postroom.jobs.diagnosis import read_by_field, unwritable
from postroom.jobs.models import RULES, USUAL, EmailJob, Job, Refused, SmsJob, Surroundings
from postroom.jobs.problem import PROBLEMS_MAX, ROOT, JobInvalid, JobTooLarge, Problem
from postroom.jobs.registry import TYPE_FIELD, JobRegistry
from postroom.kit.clock import Clock

__all__ = [
    "INPUT_LENGTH_MAX",
    "JOB_BYTES_MAX",
    "PROBLEMS_MAX",
    "ROOT",
    "SAFE_LENGTH",
    "JobInvalid",
    "JobTooLarge",
    "Problem",
    "check_job",
    "decode_job",
]

JOB_BYTES_MAX: Final = 128_000
"""A job is one queue message (Cloudflare's limit): bytes of its JSON."""
INPUT_LENGTH_MAX: Final = 1_024_000
"""Longer input is not read: written the longest way, six characters for one, 128,000 bytes are 768,000."""
SAFE_LENGTH: Final = 30_000
"""Input of strings only that is no longer cannot become too large: a character is at most 4 bytes, and what
defaults and normalising add is under 1,000."""


def decode_job(
    data: bytes | str | Mapping[str, Any],
    registry: JobRegistry,
    *,
    clock: Clock = USUAL.clock,
    test_domains: bool = USUAL.test_domains,
) -> Job:
    """The job in `data` (JSON, or a mapping with wire names), checked and normalised.

    An address's domain becomes lower-case ASCII, `olderThan` a moment in UTC. `clock` says what lies in the
    future; `test_domains` lets addresses under `.test` pass, which can never be delivered (RFC 6761).
    Raises JobInvalid with the problems found, and MissingDependency where a recipient has to be checked
    without the `service` extra.
    """
    written = isinstance(data, (bytes, str))
    if written and len(data) > INPUT_LENGTH_MAX:
        reason = f"is longer than {INPUT_LENGTH_MAX:,}; at most {JOB_BYTES_MAX:,} bytes as JSON"
        raise JobTooLarge([Problem(ROOT, reason)])
    try:
        job = registry.decode(data) if isinstance(data, (bytes, str)) else registry.convert(data)
    except (ValueError, TypeError, RecursionError):
        # Neither kept nor chained: these errors may hold what they stumbled over.
        job = None
    around = USUAL if clock is USUAL.clock and test_domains else Surroundings(clock, test_domains)
    job = read_by_field(data, registry, around) if job is None else _obey_rules(job, around)
    if not written or len(data) > SAFE_LENGTH or type(job) not in (EmailJob, SmsJob):
        _check_size(job, registry)
    return job


def check_job(
    job: Job,
    registry: JobRegistry,
    *,
    clock: Clock = USUAL.clock,
    test_domains: bool = USUAL.test_domains,
) -> Job:
    """A job built in Python, checked and normalised like one that came as JSON.

    Raises JobInvalid and MissingDependency as `decode_job` does, and UnknownJobType.
    """
    names = zip(job.__struct_fields__, job.__struct_encode_fields__, strict=True)
    fields = {wire: getattr(job, name) for name, wire in names}
    fields[TYPE_FIELD] = registry.type_of(job)
    return decode_job(fields, registry, clock=clock, test_domains=test_domains)


def _obey_rules(job: Job, around: Surroundings) -> Job:
    """The job with its values normalised, or every rule that they break."""
    problems: list[Problem] = []
    changes: dict[str, Any] = {}
    for name, rule in RULES.get(type(job), {}).items():
        value = getattr(job, name)
        try:
            fit = rule(value, around)
        except Refused as refused:
            wire = job.__struct_encode_fields__[job.__struct_fields__.index(name)]
            problems.append(Problem(wire, str(refused)))
        else:
            if fit is not value:
                changes[name] = fit
    if problems:
        raise JobInvalid(problems)
    return msgspec.structs.replace(job, **changes) if changes else job


def _check_size(job: Job, registry: JobRegistry) -> None:
    try:
        size = len(registry.encode(job))
    except TypeError:
        size = None
    if size is None:
        raise JobInvalid(list(unwritable(job)))
    if size > JOB_BYTES_MAX:
        reason = f"is {size:,} bytes as JSON; a queue message holds at most {JOB_BYTES_MAX:,}"
        raise JobTooLarge([Problem(ROOT, reason)])
