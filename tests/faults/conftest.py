"""What the fault tests share: a folder for the database, another disk for the ledgers, chance and children."""

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.children import Children
from support.seeds import seeded

MEMORY = Path("/dev/shm")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name: beside the database live sockets, whose names the kernel bounds."""
    folder = Path(tempfile.mkdtemp(prefix="pr-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ledgers(place: Path) -> Iterator[Path]:
    """A folder on another disk than the database's, so that a full disk or its load does not touch the ledgers."""
    folder = Path(tempfile.mkdtemp(prefix="pr-ledger-", dir=MEMORY if MEMORY.is_dir() else place))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Random moments, from a seed that is printed when the test fails."""
    return seeded(request.node.name)


@pytest.fixture
async def children(place: Path, ledgers: Path) -> AsyncIterator[Children]:
    """Starts programs and leaves none behind."""
    family = Children(place, ledgers)
    yield family
    await family.close()
