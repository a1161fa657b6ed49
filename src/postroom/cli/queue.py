"""`queue ...`: what operators look at and do to queues, directly on the database file."""

import asyncio
import re
import sys
from collections.abc import Callable
from typing import Any

import click
import msgspec

from postroom.cli.errors import CommandGroup, Failure, only_sure
from postroom.cli.opening import audit, opened, run, who
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
    size,
    table,
)
from postroom.cli.service import consume
from postroom.cli.status import status
from postroom.cli.trying import demo, test
from postroom.kit.clock import MICROSECOND, isoformat, to_datetime
from postroom.operations import Hold, HoldKind
from postroom.queues import PeekedMessage, QueueInfo, QueueOptions
from postroom.queues.content import CONTENT_TYPES
from postroom.wiring import Application


@click.group(cls=CommandGroup)
def queue() -> None:
    """Look after queues, beside a running service."""


queue.add_command(demo)
queue.add_command(status)
queue.add_command(test)
queue.add_command(consume, "consumer")

_LASTING = re.compile(r"([0-9]{1,7})([smhd]?)")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
reveal_option = click.option(
    "--reveal",
    is_flag=True,
    help="Show bodies as they are: health data; the audit trail records that you did.",
)


@queue.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List the queues and what waits in them."""
    infos = run(_infos())
    if as_json:
        print_json([_facts(info) for info in infos])
        return
    right = ("ready", "delayed", "in flight", "bytes")
    made = table("queue", *right, "oldest", "delivery", right=right)
    for info in infos:
        add(made, info.name, info.ready, info.delayed, info.in_flight, size(info.backlog.bytes),
            _since(info.backlog.oldest_us), "paused" if info.paused else "on")  # fmt: skip
    screen().print(made)


@queue.command()
@click.argument("name")
@as_json_option
def info(name: str, as_json: bool) -> None:
    """Show one queue with its settings."""

    async def look() -> dict[str, Any]:
        async with opened() as app:
            found = await app.queues.info(name)
            consumer = app.queues.config.consumers.get(name)
            return {
                **_facts(found),
                "settings": msgspec.to_builtins(found.options),
                "consumer": msgspec.to_builtins(consumer),
            }

    facts = run(look())
    if as_json:
        print_json(facts)
        return
    made = table("", "")
    made.show_header = False
    for key, value in facts.items():
        if isinstance(value, dict):
            for setting, given in value.items():
                add(made, f"{key}.{setting}", given)
        else:
            add(made, key, value)
    screen().print(made)


@queue.command()
@click.argument("name")
@click.option(
    "--delivery-delay", type=int, metavar="SECONDS", help="Before a sent message becomes available."
)
@click.option(
    "--retention", type=int, metavar="SECONDS", help="After which an undelivered message is deleted."
)
@click.option(
    "--deduplication-window", type=int, metavar="SECONDS", help="For which deduplication ids are known."
)
def create(
    name: str, delivery_delay: int | None, retention: int | None, deduplication_window: int | None
) -> None:
    """Make a queue, or change the settings of one that exists."""
    given = {
        "delivery_delay": delivery_delay,
        "message_retention_period": retention,
        "deduplication_window": deduplication_window,
    }
    changes = {key: value for key, value in given.items() if value is not None}

    async def make() -> bool:
        async with opened() as app:
            known = name in await app.queues.names()
            before = (await app.queues.info(name)).options if known else QueueOptions()
            options = msgspec.structs.replace(before, **changes) if changes else None
            new = await app.queues.create(name, options)
            if new or changes:
                await audit(app, "queue.created" if new else "queue.changed", name, changes)
            return new

    if run(make()):
        click.echo(f"created {name}")
    else:
        click.echo(f"{name} exists already" + ("; its settings were changed" if changes else ""))


@queue.command()
@click.argument("name")
@yes_option
def delete(name: str, yes: bool) -> None:
    """Delete a queue with everything in it, for good."""
    count = run(_info(name)).backlog.messages
    only_sure(f"Delete queue {name} with its {_messages(count)}?", yes)

    async def act() -> bool:
        async with opened() as app:
            await audit(app, "queue.deleted", name, {"count": count})
            await app.queues.delete(name)
            return name in app.queues.config.names()

    configured = run(act())
    click.echo(f"deleted {name} with {_messages(count)}")
    if configured:
        click.echo("note: the configuration names it, so it comes back empty with the next opening", err=True)


@queue.command()
@click.argument("name")
@yes_option
def purge(name: str, yes: bool) -> None:
    """Delete everything in a queue that is ready or delayed, for good."""
    found = run(_info(name))
    only_sure(f"Delete {_messages(found.ready + found.delayed)} from {name}?", yes)

    async def act() -> int:
        async with opened() as app:
            await audit(app, "queue.purged", name)
            return await app.queues[name].purge()

    click.echo(f"deleted {_messages(run(act()))} from {name}")


def holding(command: Callable[..., None]) -> Callable[..., None]:
    """The options of what holds a queue."""
    command = click.option(
        "--for", "seconds", metavar="TIME", help="Ends by itself, for example 30m, 2h, 1d."
    )(command)
    return click.option("--reason", metavar="TEXT", help="Why: shown to who looks.")(command)


@queue.command()
@click.argument("name")
@holding
def pause(name: str, reason: str | None, seconds: str | None) -> None:
    """Stop delivery, in every process and over restarts; sending goes on."""
    hold = run(_hold(name, HoldKind.PAUSE, reason, seconds))
    click.echo(f"delivery of {name} is paused{_until(hold)}; `postroom queue resume {name}` continues it")


@queue.command()
@click.argument("name")
@holding
def drain(name: str, reason: str | None, seconds: str | None) -> None:
    """Take nothing new from producers, while delivery goes on until the queue is empty."""
    hold = run(_hold(name, HoldKind.DRAIN, reason, seconds))
    click.echo(f"{name} takes nothing new{_until(hold)}; `postroom queue resume {name}` lets it take again")


@queue.command()
@click.argument("name")
def resume(name: str) -> None:
    """Deliver again, and take again."""

    async def act() -> None:
        async with opened() as app:
            await app.holds.resume(name, who())

    run(act())
    click.echo(f"delivery of {name} is on")


@queue.command()
@click.argument("name")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many messages."
)
@reveal_option
@as_json_option
def peek(name: str, limit: int, reveal: bool, as_json: bool) -> None:
    """Look at the next messages without touching them; what they say is hidden."""

    async def look() -> list[PeekedMessage]:
        async with opened() as app:
            await app.queues.info(name)
            found = await app.queues[name].peek(batch_size=limit)
            if reveal:
                await record_reveal(app, name, [message.id for message in found])
            return found

    messages = run(look())
    if as_json:
        print_json([message_view(message, reveal=reveal) for message in messages])
        return
    made = table("id", "sent", "available", "tries", "priority", "body", right=("tries",))
    for message in messages:
        available = "in flight" if message.in_flight else ago(message.available_at)
        body = readable(message.body) if reveal else masked(message.body)
        add(
            made,
            message.id,
            ago(message.timestamp),
            available,
            message.attempts,
            message.priority,
            in_line(body),
        )
    screen().print(made)


@queue.command()
@click.argument("name")
@click.argument("body")
@click.option("--content-type", type=click.Choice(CONTENT_TYPES), default="json", show_default=True)
@click.option("--delay", type=float, metavar="SECONDS", help="By default the queue's delivery delay.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="normal", show_default=True)
@click.option("--deduplication-id", metavar="ID", help="Store it only once under this id.")
def send(
    name: str, body: str, content_type: str, delay: float | None, priority: str, deduplication_id: str | None
) -> None:
    """Send one message; BODY is its text, or - to read standard input.

    It goes into the queue as it is. For jobs use the HTTP API, which checks and records them.
    """
    content = _content(body, content_type)

    async def act() -> None:
        async with opened() as app:
            await app.queues.info(name)
            sent = await app.queues[name].send(
                content, content_type=content_type, delay_seconds=delay, priority=priority,
                deduplication_id=deduplication_id,
            )  # fmt: skip
            click.echo(sent.id)
            if sent.duplicate:
                click.echo("note: that deduplication id is known, so nothing was stored", err=True)

    run(act())


async def record_reveal(app: Application, name: str, ids: list[str]) -> None:
    """Health data is about to be shown: write down to whom."""
    await audit(app, "queue.revealed", name, {"ids": ids})


def show_body(body: Any) -> None:
    """Write a revealed body; a terminal gets no control characters."""
    text = (
        body if isinstance(body, str) else msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
    )
    click.echo(plain(text))


def _content(body: str, content_type: str) -> Any:
    # What the shell gave may be no UTF-8; surrogateescape gives back its bytes.
    data = sys.stdin.buffer.read() if body == "-" else body.encode(errors="surrogateescape")
    if content_type == "bytes":
        return data
    try:
        return msgspec.json.decode(data) if content_type == "json" else data.decode()
    except UnicodeDecodeError:
        raise Failure(f"BODY is not UTF-8 text; content type {content_type} needs that") from None
    except msgspec.DecodeError:
        # The decoder's text may quote the body.
        raise Failure(
            "BODY is not JSON; quote it for the shell, or use --content-type text",
        ) from None


async def _hold(name: str, kind: HoldKind, reason: str | None, seconds: str | None) -> Hold:
    lasting = None if seconds is None else _lasting(seconds)
    async with opened() as app:
        until_us = None if lasting is None else app.clock.now_us() + lasting * MICROSECOND
        return await app.holds.hold(name, kind, who(), reason=reason, until_us=until_us)


def _until(hold: Hold) -> str:
    return "" if hold.until_us is None else f" until {isoformat(hold.until_us)}"


def _lasting(text: str) -> int:
    """Seconds of `90`, `30m`, `2h` or `1d`."""
    found = _LASTING.fullmatch(text)
    if found is None or not int(found[1]):
        raise click.BadParameter(
            f"{text!r} is no time; write for example 90, 30m, 2h or 1d", param_hint="--for"
        )
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


async def _info(name: str) -> QueueInfo:
    async with opened() as app:
        return await app.queues.info(name)


async def _infos() -> list[QueueInfo]:
    async with opened() as app:
        return list(await asyncio.gather(*(app.queues.info(name) for name in await app.queues.names())))


def _facts(info: QueueInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "paused": info.paused,
        "ready": info.ready,
        "delayed": info.delayed,
        "inFlight": info.in_flight,
        "backlogCount": info.backlog.messages,
        "backlogBytes": info.backlog.bytes,
        "oldestMessageAt": isoformat(info.backlog.oldest_us),
        "createdAt": isoformat(info.created_us),
    }


def _since(moment_us: int | None) -> str:
    return "-" if moment_us is None else ago(to_datetime(moment_us))


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"
