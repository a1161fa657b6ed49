"""`dlq ...`: dead letters, what became of them and how they come back."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import click

from postroom.cli.errors import CommandGroup, Failure, only_sure
from postroom.cli.opening import audit, dead_letters_of, opened, run
from postroom.cli.queue import as_json_option, record_reveal, reveal_option, show_body, yes_option
from postroom.cli.redrives import redrives
from postroom.cli.redriving import redrive_on_record
from postroom.cli.screen import (
    add,
    ago,
    in_line,
    masked,
    message_view,
    plain,
    print_json,
    readable,
    screen,
    table,
)
from postroom.kit.clock import to_datetime
from postroom.messages.history import describe
from postroom.queues import Filter, PeekedMessage, Redriven
from postroom.queues.broker import Browsed
from postroom.queues.results import peeked
from postroom.wiring import Application

PAGE: Final = 100
HISTORY: Final = ("number", "startedAt", "outcome", "code", "reason")
"""What is shown of an attempt."""

queue_name_option = click.option(
    "--queue-name", metavar="NAME", help="Another dead letter queue than the configured one."
)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose dead letters; all that are given must hold."""
    command = click.option("--queue", "origin", metavar="NAME", help="Those that failed on this queue.")(
        command
    )
    return click.option("--reason", metavar="TEXT", help="Those whose reason or code has this in it.")(
        command
    )


@click.group(cls=CommandGroup)
def dlq() -> None:
    """Look at dead letters, bring them back, or delete them."""


dlq.add_command(redrives)


@dlq.command("list")
@choosing
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@queue_name_option
@as_json_option
def list_(reason: str | None, origin: str | None, limit: int, queue_name: str | None, as_json: bool) -> None:
    """List dead letters, oldest first, with the reason why they failed."""

    async def look() -> tuple[str, int, list[PeekedMessage]]:
        async with opened() as app:
            name = dead_letters_of(app, queue_name)
            total = (await app.queues.info(name)).backlog.messages
            found: list[PeekedMessage] = []
            async for message in _matching(app, name, Filter(reason=reason, queue=origin)):
                found.append(peeked(message))
                if len(found) == limit:
                    break
            return name, total, found

    name, total, found = run(look())
    if as_json:
        print_json([message_view(message, reveal=False) for message in found])
        return
    if not found:
        click.echo(f"no dead letters in {name}" + (" match" if total else ""))
        return
    made = table("id", "died", "failed on", "deliveries", "reason", "message", right=("deliveries",))
    for message in found:
        dead = message.dead_lettered
        died = ago(to_datetime(dead.at_us)) if dead else "-"
        add(made, message.id, died, dead and dead.queue, dead and dead.attempts, dead and dead.reason,
            in_line(masked(message.body)))  # fmt: skip
    screen().print(made)
    if len(found) == limit and total > limit:
        click.echo(f"note: {total:,} in {name}; --limit shows more", err=True)


@dlq.command()
@click.argument("id_", metavar="ID")
@queue_name_option
@reveal_option
@as_json_option
def show(id_: str, queue_name: str | None, reveal: bool, as_json: bool) -> None:
    """Show one dead letter with its history; the beginning of its ID is enough."""

    async def look() -> tuple[PeekedMessage, list[dict[str, Any]]]:
        async with opened() as app:
            name = dead_letters_of(app, queue_name)
            message = peeked(await _find(app, name, id_))
            if reveal:
                await record_reveal(app, name, [message.id])
            known = await app.store.read(lambda transaction: describe(transaction, message.id))
            dead = message.dead_lettered
            return message, _history(known or (dead.details if dead else None))

    message, history = run(look())
    view = message_view(message, reveal=reveal)
    if as_json:
        print_json({**view, "history": history})
        return
    facts = table("", "")
    facts.show_header = False
    dead = view.pop("deadLetter", None)
    body = view.pop("body")
    for key, value in {**view, **{f"deadLetter.{key}": value for key, value in (dead or {}).items()}}.items():
        add(facts, key, value)
    screen().print(facts)
    if history:
        made = table(*HISTORY, right=("number",))
        for attempt in history:
            add(made, *(attempt[key] for key in HISTORY))
        click.echo("\nHistory:")
        screen().print(made)
    click.echo("\nBody:" if reveal else "\nBody, health data hidden (--reveal shows it):")
    show_body(readable(body))


@dlq.command()
@choosing
@click.option("--id", "ids", multiple=True, metavar="ID", help="This one; may be given many times.")
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
@click.option("--to", metavar="NAME", help="The queue they go to; by default each to the one it failed on.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="At most N messages a second."
)
@queue_name_option
@as_json_option
def redrive(
    reason: str | None, origin: str | None, ids: tuple[str, ...], everything: bool, to: str | None, dry_run: bool,
    rate: float | None, queue_name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring dead letters back to the queues they failed on, their attempts starting again."""
    matching = _filter(reason, origin, ids, everything)

    async def act() -> tuple[str, Redriven]:
        async with opened() as app:
            name = dead_letters_of(app, queue_name)
            source = app.queues[name]
            await app.queues.info(name)
            planned = await source.redrive(to=to, matching=matching, dry_run=True)
            if dry_run or not planned.matched:
                return name, planned
            await audit(
                app, "queue.redrive", name, {"to": to, "ids": len(ids), "byReason": reason is not None}
            )
            wanted = partial(source.redrive, to=to, matching=matching, rate=rate)
            return name, await redrive_on_record(app, name, planned.matched - planned.unroutable, wanted)

    name, done = run(act())
    if as_json:
        print_json({"dryRun": dry_run, "matched": done.matched, "moved": done.moved, "targets": done.targets,
                    "unroutable": done.unroutable})  # fmt: skip
    else:
        click.echo(_told(name, done, dry_run))
    missing = len(set(ids)) - done.matched
    if ids and missing > 0 and not (reason or origin):
        raise Failure(f"{missing} of the given ids {'is' if missing == 1 else 'are'} not in {name}")
    if done.unroutable:
        raise Failure(
            f"{done.unroutable} of them were sent to {name} directly; name a queue for them with --to"
        )


@dlq.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@choosing
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
@queue_name_option
@yes_option
def delete(
    ids: tuple[str, ...],
    reason: str | None,
    origin: str | None,
    everything: bool,
    queue_name: str | None,
    yes: bool,
) -> None:
    """Delete dead letters for good."""
    matching = _filter(reason, origin, ids, everything)

    async def look() -> tuple[str, frozenset[str]]:
        async with opened() as app:
            name = dead_letters_of(app, queue_name)
            await app.queues.info(name)
            chosen = [one.id async for one in _matching(app, name, matching) if not one.leased]
            return name, frozenset(chosen)

    name, chosen = run(look())
    if not chosen:
        raise Failure(f"nothing in {name} matches")
    # Asked outside the event loop, where Ctrl-C reaches the prompt.
    letters = f"{len(chosen):,} dead letter{'' if len(chosen) == 1 else 's'}"
    only_sure(f"Delete {letters} from {name} for good?", yes)

    async def act() -> int:
        async with opened() as app:
            # What arrived since is not among the chosen, and stays.
            exactly = Filter(ids=chosen)
            keys = [one.key async for one in _matching(app, name, exactly) if not one.leased]
            await audit(app, "dead_letters.deleted", name, {"count": len(keys)})
            gone = 0
            for start in range(0, len(keys), PAGE):
                gone += await app.queues.broker.remove(name, keys[start : start + PAGE])
            return gone

    click.echo(f"deleted {run(act()):,} from {name}")


async def _matching(app: Application, name: str, matching: Filter) -> AsyncIterator[Browsed]:
    """The dead letters that a filter accepts, in the order of their arrival."""
    after: Any = None
    while page := await app.queues.broker.browse(name, after=after, limit=PAGE):
        after = page[-1].key
        for message in page:
            if matching.accepts(message):
                yield message


async def _find(app: Application, name: str, beginning: str) -> Browsed:
    """The one message whose id begins so."""
    await app.queues.info(name)
    found = [one async for one in _matching(app, name, Filter()) if one.id.startswith(beginning)]
    if not found:
        raise Failure(f"no message {plain(beginning)} in {name}; `postroom dlq list` shows what is there")
    if len(found) > 1:
        raise Failure(f"{len(found)} messages in {name} begin with {plain(beginning)}; give more of the id")
    return found[0]


def _filter(reason: str | None, origin: str | None, ids: tuple[str, ...], everything: bool) -> Filter:
    chosen = bool(reason or origin or ids)
    if chosen == everything:
        raise click.UsageError("say which: ids, --reason or --queue; or --all alone for every dead letter")
    return Filter(ids=frozenset(ids) if ids else None, queue=origin, reason=reason)


def _history(details: Any) -> list[dict[str, Any]]:
    """The attempts, of each only what is known to hold no health data."""
    attempts = details.get("attempts") if isinstance(details, dict) else None
    if not isinstance(attempts, list):
        return []
    return [{key: one.get(key) for key in HISTORY} for one in attempts if isinstance(one, dict)]


def _told(name: str, done: Redriven, dry_run: bool) -> str:
    if not done.matched:
        return f"nothing in {name} matches"
    where = ", ".join(f"{count:,} to {queue}" for queue, count in sorted(done.targets.items())) or "none"
    if dry_run:
        return f"{done.matched:,} match; would move {where}"
    return f"moved {done.moved:,} of {done.matched:,} ({where})"
