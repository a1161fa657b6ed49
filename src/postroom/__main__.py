"""The command `postroom`, also as `python -m postroom`."""

import sys
from typing import Final

NEEDED: Final = ("click", "rich", "structlog", "litestar", "uvicorn")
"""What the commands are built of; the extra `service` brings them."""


def main() -> None:
    """Run the command line; the process's exit code is 0, 1 for a failure, 2 for wrong usage."""
    try:
        from postroom.cli.root import cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        sys.exit(
            f'error: the command needs {error.name}, which is not installed: pip install "postroom[service]"'
        )
    cli(prog_name="postroom")


if __name__ == "__main__":
    main()
