"""`suppression ...`: who is not to be written to, directly on the database file. Addresses are shown masked."""

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from postroom.audit import record
from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, table
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime
from postroom.kit.redact import mask
from postroom.messages.drafts import TOPIC_CHARS_MAX
from postroom.messages.suppressions import (
    EVIDENCE_CHARS_MAX,
    LATEST,
    REASON_CHARS_MAX,
    AddressInvalid,
    Entry,
    NoSuchEntry,
    OnlyThePerson,
    Source,
    Suppressions,
    channel_of,
    normal_form,
)
from postroom.messages.templates import EVERYTHING
from postroom.store import StoreTransaction

T = TypeVar("T")

IMPORT_ROWS_MAX: Final = 25_000
"""Rows of one file: they are stored in one transaction (4 s when sealed), and others wait for 10 s to write."""
BAD_LINES_SHOWN: Final = 20
COLUMNS: Final = ("address", "channel", "topic", "evidence")
CHANNELS: Final = ("email", "sms")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
channel_option = click.option(
    "--channel", type=click.Choice(CHANNELS), help="By default what the address looks like."
)
reason_option = click.option("--reason", required=True, help="Why; the next one who looks wants to know.")


class Row(NamedTuple):
    """One row of a file."""

    channel: str
    address: str
    topic: str | None
    evidence: str | None

    def __repr__(self) -> str:
        return f"Row({self.channel!r})"


@click.group(cls=CommandGroup)
def suppression() -> None:
    """Look after who is not to be written to."""


@suppression.command("list")
@click.option("--channel", type=click.Choice(CHANNELS))
@click.option("--topic", help="Only of this topic; * for everything.")
@click.option("--source", type=click.Choice([str(source) for source in Source]))
@click.option("--address", help="Only of exactly this address or number.")
@click.option("--history", is_flag=True, help="Every entry, also what no longer holds.")
@click.option("--limit", default=100, type=click.IntRange(1, 100_000), show_default=True)
@as_json_option
def list_(
    channel: str | None, topic: str | None, source: str | None, address: str | None, history: bool, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """List what holds now, newest first."""

    def look(ledger: Suppressions, transaction: StoreTransaction) -> list[Entry]:
        key = None if address is None else ledger.key(channel or channel_of(address), address)
        return ledger.page(
            transaction, LATEST, limit, channel=channel, topic=topic, source=source, key=key, history=history
        )

    found = run(_reading(look))
    if as_json:
        print_json([_facts(one) for one in found])
        return
    made = table("id", "channel", "who", "topic", "state", "because", "since", "by")
    for one in found:
        add(made, one.id, one.channel, mask(one.address) if one.address else "***", one.topic, one.state,
            one.source.replace("_", " "), ago(to_datetime(one.at_us)), one.actor)  # fmt: skip
    screen().print(made if found else "nobody is suppressed")


@suppression.command("add")
@click.argument("address")
@channel_option
@click.option("--topic", help="What about; by default everything.")
@reason_option
def add_(address: str, channel: str | None, topic: str | None, reason: str) -> None:
    """Write to ADDRESS no more."""
    _bounded("--reason", reason, REASON_CHARS_MAX)
    _bounded("--topic", topic, TOPIC_CHARS_MAX)
    about = None if topic == EVERYTHING else topic

    def act(ledger: Suppressions, transaction: StoreTransaction, actor: Actor, now_us: int) -> bool:
        return ledger.suppress(
            transaction, channel or channel_of(address), address, about, Source.STAFF, actor=actor, now_us=now_us,
            reason=reason,
        )  # fmt: skip

    fresh = run(_acting(act))
    click.echo(
        f"{mask(address)} gets no more messages" if fresh else f"{mask(address)} was suppressed already"
    )


@suppression.command("lift")
@click.argument("entry_id")
@reason_option
@click.option("--evidence", help="Of new consent, and where it is kept; lifts complaints and STOP too.")
@click.option("--wording", help="The version of the words that were agreed to.")
def lift(entry_id: str, reason: str, evidence: str | None, wording: str | None) -> None:
    """Take back what the entry ENTRY_ID says; `suppression list` shows the ids."""
    _bounded("--reason", reason, REASON_CHARS_MAX)
    for name, given in (("--evidence", evidence), ("--wording", wording)):
        _bounded(name, given, EVIDENCE_CHARS_MAX)
    source = Source.STAFF if evidence is None else Source.OPT_IN

    def act(ledger: Suppressions, transaction: StoreTransaction, actor: Actor, now_us: int) -> Entry:
        return ledger.lift(
            transaction, entry_id, source, actor=actor, now_us=now_us, reason=reason, evidence=evidence,
            wording=wording,
        )  # fmt: skip

    lifted = run(_acting(act))
    who_ = mask(lifted.address) if lifted.address else "the person"
    click.echo(
        f"{who_} may be written to again{'' if lifted.topic == EVERYTHING else f' about {lifted.topic}'}"
    )


@suppression.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json_option
def import_(file: Path, as_json: bool) -> None:
    """Suppress all addresses of a CSV FILE, or none where a line is wrong.

    Its first line names the columns: address, and where wanted channel (email or sms), topic and evidence.
    """
    rows = _read(file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    fresh = run(_import(rows, sha256))
    if as_json:
        print_json({"rows": len(rows), "suppressed": fresh, "already": len(rows) - fresh})
    else:
        click.echo(f"{fresh:,} suppressed, {len(rows) - fresh:,} were so already")


def _read(file: Path) -> list[Row]:
    rows: list[Row] = []
    bad: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            _check_columns(reader.fieldnames)
            with click.progressbar(
                _numbered(reader), label="reading", file=sys.stderr, hidden=_quiet()
            ) as numbered:
                for line, values in numbered:
                    if len(rows) + len(bad) >= IMPORT_ROWS_MAX:
                        raise Failure(f"{file.name} has more than {IMPORT_ROWS_MAX:,} rows; split it")
                    found = _row(values)
                    if isinstance(found, Row):
                        rows.append(found)
                    else:
                        bad.append(f"line {line}: {found}")
    except UnicodeDecodeError:
        raise Failure(f"{file.name} is not UTF-8") from None
    except csv.Error as error:
        raise Failure(f"{file.name}, after line {reader.line_num}: {error}") from None
    if bad:
        more = [f"and {len(bad) - BAD_LINES_SHOWN:,} lines more"] if len(bad) > BAD_LINES_SHOWN else []
        raise Failure("\n".join([*bad[:BAD_LINES_SHOWN], *more, "nothing was imported"]))
    return rows


def _numbered(reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, Any]]]:
    for values in reader:
        yield reader.line_num, values


def _check_columns(names: Any) -> None:
    if not names or "address" not in names or not set(names) <= set(COLUMNS):
        raise Failure(
            f"the first line must name the columns: address, and where wanted {', '.join(COLUMNS[1:])}"
        )


def _row(values: dict[str, Any]) -> Row | str:
    """The row, or what is wrong with it; never its address."""
    if None in values or None in values.values():
        return "has not as many values as the first line has columns"
    given = {name: text.strip() for name, text in values.items()}
    channel = given.get("channel") or channel_of(given["address"])
    if channel not in CHANNELS:
        return "the channel must be email or sms"
    topic = given.get("topic") or None
    if topic is not None and (len(topic) > TOPIC_CHARS_MAX or not topic.isprintable()):
        return f"the topic must have at most {TOPIC_CHARS_MAX} printable characters"
    if len(given.get("evidence", "")) > EVIDENCE_CHARS_MAX:
        return f"the evidence must have at most {EVIDENCE_CHARS_MAX} characters"
    try:
        normal_form(channel, given["address"])
    except AddressInvalid as error:
        return f"the address {error}"
    return Row(
        channel, given["address"], None if topic == EVERYTHING else topic, given.get("evidence") or None
    )


async def _import(rows: list[Row], sha256: str) -> int:
    def act(ledger: Suppressions, transaction: StoreTransaction, actor: Actor, now_us: int) -> int:
        fresh = 0
        with click.progressbar(rows, label="storing", file=sys.stderr, hidden=_quiet()) as all_rows:
            for row in all_rows:
                fresh += ledger.suppress(
                    transaction, row.channel, row.address, row.topic, Source.IMPORT, actor=actor, now_us=now_us,
                    evidence=row.evidence,
                )  # fmt: skip
        details = {"rows": len(rows), "suppressed": fresh, "fileSha256": sha256}
        record(
            transaction, at_us=now_us, actor=actor, action="wish.imported", object_type="wish", object_id="many",
            details=details,
        )  # fmt: skip
        return fresh

    return await _acting(act)


async def _acting(act: Callable[[Suppressions, StoreTransaction, Actor, int], T]) -> T:
    async with opened() as app:
        ledger, actor, now_us = Suppressions(app.records.vault), Actor(who()), app.clock.now_us()
        try:
            return await app.store.write(lambda transaction: act(ledger, transaction, actor, now_us))
        except AddressInvalid as error:
            raise Failure(f"the address {error}") from None
        except NoSuchEntry as error:
            raise Failure(f"{error}; `postroom suppression list` shows what holds") from None
        except OnlyThePerson as error:
            raise Failure(f"{error}; give --evidence of it") from None


async def _reading(look: Callable[[Suppressions, StoreTransaction], T]) -> T:
    async with opened() as app:
        ledger = Suppressions(app.records.vault)
        try:
            return await app.store.read(lambda transaction: look(ledger, transaction))
        except AddressInvalid as error:
            raise Failure(f"the address {error}") from None


def _bounded(name: str, given: str | None, most: int) -> None:
    if given is not None and not 0 < len(given) <= most:
        raise Failure(f"{name} must have 1 to {most} characters")


def _quiet() -> bool:
    return not sys.stderr.isatty()


def _facts(one: Entry) -> dict[str, Any]:
    return {
        "suppressionId": one.id, "channel": one.channel, "recipient": mask(one.address) if one.address else None,
        "topic": one.topic, "state": one.state, "source": one.source, "evidence": one.evidence,
        "wording": one.wording, "reason": one.reason, "actor": one.actor, "at": isoformat(one.at_us),
    }  # fmt: skip
