"""The command `postroom`, also as `python -m postroom`."""

import sys
from typing import Final

OURS: Final = ("", "postroom")
"""If one of these is missing, this is no matter of extras but a bug."""


def main() -> None:
    """Run the command line; the process's exit code is 0, 1 for a failure, 2 for wrong usage."""
    try:
        from postroom.cli.root import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OURS:
            raise
        sys.exit(
            f'error: the command needs {missing}, which is not installed: pip install "postroom[service]"'
        )
    cli(prog_name="postroom")


if __name__ == "__main__":
    main()
