"""The command `postroom`. Subcommands are imported when they are asked for, so that each starts fast."""

import importlib
from typing import Final

import click

from postroom import __version__
from postroom.cli.errors import DEBUG, CommandGroup, Failure, not_installed

COMMANDS: Final = {
    "up": "postroom.cli.service:up",
    "serve": "postroom.cli.service:serve",
    "consume": "postroom.cli.service:consume",
    "demo": "postroom.cli.demo:demo",
    "fleet": "postroom.cli.fleet:fleet",
    "queue": "postroom.cli.queue:queue",
    "dlq": "postroom.cli.dlq:dlq",
    "why": "postroom.cli.monitoring:why",
    "monitor": "postroom.cli.monitoring:monitor",
    "message": "postroom.cli.message:message",
    "export": "postroom.cli.export:export",
    "cleanup": "postroom.cli.retention:cleanup",
    "archive": "postroom.cli.retention:archive",
    "hold": "postroom.cli.retention:hold",
    "cron": "postroom.cli.cron:cron",
    "audit": "postroom.cli.audit:audit",
    "vault": "postroom.cli.vault:vault",
    "template": "postroom.cli.template:template",
    "suppression": "postroom.cli.suppression:suppression",
    "user": "postroom.cli.user:user",
    "token": "postroom.cli.user:token",
    "db": "postroom.cli.db:db",
    "migrate-broker": "postroom.cli.migrate_broker:migrate_broker",
    "check": "postroom.cli.check:check",
}
"""In the order of the help."""


class Root(CommandGroup):
    """Finds commands by COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; one whose extra is missing stays in the help and says so when it is run."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("postroom"):
                raise
            return _unavailable(cmd_name, error.name or "a package")
        return command


def _unavailable(name: str, missing: str) -> click.Command:
    extra = "demo" if name == "demo" else "service"

    def explain() -> None:
        raise Failure(not_installed(name, missing, extra=extra))

    return click.Command(
        name,
        callback=explain,
        help=f'Not installed: pip install "postroom[{extra}]".',
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="postroom")
@click.option(
    "--debug", is_flag=True, help="Show the traceback of a failure; unlike all else it may quote health data."
)
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Durable background jobs and outbound messages.

    Settings come from the environment (POSTROOM_...) and a .env file; `postroom check` lists them.
    """
    ctx.meta[DEBUG] = debug
