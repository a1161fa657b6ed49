"""Installs the clients that the story tests run: several versions of Cloudflare's Python SDK, and wrangler.

    python tests/clients/install.py        # what `make test` does first; what is there already costs nothing

Everything goes into `.venv-clients/`, from the locks beside this file. What cannot be installed (no network, no node) is
named with its reason and left out; the exit code is 1 then, and the tests that need it say the same.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CLIENTS: Final = HERE.parents[1] / ".venv-clients"
SDKS: Final = tuple(sorted(path.stem.removeprefix("sdk-") for path in HERE.glob("sdk-*.txt")))
"""Versions of the SDK."""
NODE_MAJOR_MIN: Final = 20
SECONDS_MAX: Final = 300


class NotInstalled(RuntimeError):
    """A client is missing; the text says which, why, and what to do."""


def sdk(version: str) -> Path:
    """The folder that goes into PYTHONPATH for that version of the SDK. Raises NotInstalled."""
    lock = HERE / f"sdk-{version}.txt"

    def install(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(
            f"cloudflare {version}", [*command, "--target", str(folder), "--require-hashes", "-r", str(lock)]
        )

    return _installed(f"sdk-{version}", [lock], install)


def wrangler() -> Path:
    """The program `wrangler`. Raises NotInstalled."""
    node(), npm()
    files = [HERE / "package.json", HERE / "package-lock.json"]

    def install(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        _run("wrangler", [npm(), "ci", "--no-audit", "--no-fund", "--prefix", str(folder)])

    return _installed("node", files, install) / "node_modules" / ".bin" / "wrangler"


def node() -> str:
    """The program `node`. Raises NotInstalled."""
    found = shutil.which("node")
    if found is None:
        raise NotInstalled(f"node is missing: install Node.js {NODE_MAJOR_MIN} or newer")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
        raise NotInstalled(f"node is {version}: install Node.js {NODE_MAJOR_MIN} or newer")
    return found


def npm() -> str:
    """The program `npm`. Raises NotInstalled."""
    found = shutil.which("npm")
    if found is None:
        raise NotInstalled(f"npm is missing: install Node.js {NODE_MAJOR_MIN} or newer with its npm")
    return found


def _installed(name: str, files: list[Path], install: Callable[[Path], None]) -> Path:
    """A folder made by `install` from these files, once."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    folder, stamp = CLIENTS / name, CLIENTS / f"{name}.stamp"
    CLIENTS.mkdir(exist_ok=True)
    with _lock(CLIENTS / f"{name}.lock"):
        if stamp.is_file() and stamp.read_text() == digest and folder.is_dir():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        install(folder)
        stamp.write_text(digest)
    return folder


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process at a time: tests run in several."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(what: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise NotInstalled(
            f"{what} could not be installed within {SECONDS_MAX} s: {' '.join(command)}"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no reason given"]
        raise NotInstalled(f"{what} could not be installed: {last[0]} (command: {' '.join(command)})")


if __name__ == "__main__":
    missing = []
    for make in (*(lambda version=version: sdk(version) for version in SDKS), wrangler):
        try:
            make()
        except NotInstalled as error:
            missing.append(str(error))
    for text in missing:
        print(f"tests/clients: {text}", file=sys.stderr)  # noqa: T201
    sys.exit(bool(missing))
