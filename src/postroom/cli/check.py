"""`check`: every setting with value and origin, the queues of the wrangler file, and whatever is wrong."""

from collections.abc import Mapping
from typing import Any

import click
import msgspec
from rich.text import Text

from postroom.cli.errors import Failure, failures
from postroom.cli.screen import add, print_json, screen, table
from postroom.queues import QueuesConfig, wrangler
from postroom.queues.options import check_queue_name
from postroom.settings import Loaded, load
from postroom.wiring import DEFAULT_CONFIG


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def check(as_json: bool) -> None:
    """List every setting with its value and origin, the queues, and what is wrong.

    Nothing is opened or created. Exit code 1 when something is wrong, with a line for each problem.
    """
    try:
        with failures():
            loaded = load()
            config = _config(loaded)
    except Failure as failure:
        if as_json:
            print_json({"ok": False, "problems": failure.message.splitlines()})
        raise
    warnings = [*loaded.warnings, *config.warnings]
    if as_json:
        print_json({
            "ok": True,
            "problems": [],
            "warnings": warnings,
            "settings": [setting._asdict() for setting in loaded.listed],
            "configFile": config.source,
            "queues": _queues(config),
        })  # fmt: skip
        return
    _show(loaded, config)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _config(loaded: Loaded) -> QueuesConfig:
    """The queues as the service would find them; raises ConfigurationError."""
    settings = loaded.settings
    if settings.config is None:
        config = DEFAULT_CONFIG
    else:
        config = wrangler.read(settings.config, environment=None if settings.local else settings.environment)
    name = config.producers.get(settings.queue, settings.queue)
    if name not in config.names():
        bindings = ", ".join(config.producers) or "none"
        raise Failure(
            f"POSTROOM_QUEUE is {settings.queue!r}: no producer binding or queue of that name "
            f"in {config.source or 'the defaults'} (bindings: {bindings})"
        )
    check_queue_name(name)
    return config


def _queues(config: QueuesConfig) -> list[Mapping[str, Any]]:
    bindings = {queue: binding for binding, queue in config.producers.items()}
    return [
        {
            "name": name,
            "binding": bindings.get(name),
            "settings": msgspec.to_builtins(config.queues.get(name)),
            "consumer": msgspec.to_builtins(config.consumers.get(name)),
        }
        for name in config.names()
    ]


def _show(loaded: Loaded, config: QueuesConfig) -> None:
    console = screen()
    settings = table("setting", "value", "origin", "what it is")
    for one in loaded.listed:
        known = Text(one.origin, style="dim" if one.origin == "default" else "bold")
        add(settings, one.name, one.value or "-", known, one.help)
    console.print(settings)
    click.echo(f"\nQueues, from {config.source or 'the built-in defaults'}:")
    queues = table(
        "queue", "binding", "batch", "timeout", "retries", "dead letters", right=("batch", "retries")
    )
    for found in _queues(config):
        consumer = found["consumer"] or {}
        timeout = f"{consumer['max_batch_timeout']:g} s" if consumer else None
        add(
            queues, found["name"], found["binding"], consumer.get("max_batch_size"), timeout,
            consumer.get("max_retries"), consumer.get("dead_letter_queue"),
        )  # fmt: skip
    console.print(queues)
