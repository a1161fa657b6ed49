"""No room left: senders are told, nothing acknowledged is lost, and work goes on when there is room again.

The errors are `StorageFull` (an OSError) for senders, `ConsumerFailed` and `SettlementFailed` for consumers.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from postroom.queues import StorageFull, connect
from support.checker import check
from support.children import Child, Children
from support.database import assert_sound, left_in, waiting
from support.ledger import FAILED, read
from support.patience import until
from support.recording import send

pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000

SIZES = [(1, 1000), (10, 1000), (2, 20)]
"""Room, and the length of the log at which it is moved into the database."""
SIZE_NAMES = ["before the log is moved", "after the log was moved", "while the log is moved"]

Mount = Callable[[int], Path]


@pytest.fixture
def mount(place: Path) -> Iterator[Mount]:
    """Mounts a small disk of its own, or makes it larger when asked again."""
    disk = place / "disk"

    def mount_(size: int) -> Path:
        options = f"size={size}" if not disk.is_mount() else f"remount,size={size}"
        disk.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True)
        if done.returncode:
            pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")
        return disk

    yield mount_
    if disk.is_mount():
        subprocess.run(["umount", "--lazy", disk], check=True)


async def assert_refused_and_goes_on(
    filler: Child, file: Path, ledgers: Path, make_room: Callable[[], object]
) -> None:
    """The story of both disks: told, still sound, and after room is made the same process sends and consumes."""
    word, is_os_error, text = (await filler.hear("full")).split(" ", 2)
    assert is_os_error == "True", word
    assert text.startswith("no room left to write q.db")
    assert text.endswith("nothing of this call was stored")
    await filler.tell("more")
    assert await filler.hear("ok", "refused") == "refused more"
    await filler.tell("metrics")
    assert await filler.hear("ok", "refused") == "ok metrics"
    verdict = check(read(ledgers), left_in(file), queue="orders")
    verdict.assert_good()
    assert verdict.sent > 50
    assert not [one.key for one in left_in(file) if one.key.startswith("more")]

    make_room()
    await filler.tell("room")
    await filler.hear("ok")
    await filler.tell("again")
    assert await filler.hear("ok", "refused") == "ok again"
    await filler.tell("")
    await filler.hear("bye")
    assert await filler.ended() == 0

    history = read(ledgers)
    verdict = check(history, left_in(file), queue="orders")
    verdict.assert_good()
    assert verdict.duplicated == 0
    assert waiting(file, "orders") == 0
    assert any(entry.op == "send" and entry.step == FAILED for entry in history)
    assert_sound(file)


@pytest.mark.parametrize(("megabytes", "checkpoint_pages"), SIZES, ids=SIZE_NAMES)
async def test_file_size_limit_refuses_and_loses_nothing(
    megabytes: int, checkpoint_pages: int, place: Path, ledgers: Path, children: Children
) -> None:
    """A file-size limit (RLIMIT_FSIZE)."""
    file = place / "q.db"
    filler = await children.start(
        "fill",
        url=f"sqlite:///{file}",
        limit=megabytes * MEGABYTE,
        checkpoint_pages=checkpoint_pages,
    )

    await assert_refused_and_goes_on(filler, file, ledgers, make_room=lambda: None)


@pytest.mark.parametrize(("megabytes", "checkpoint_pages"), SIZES, ids=SIZE_NAMES)
async def test_full_disk_refuses_and_loses_nothing(
    megabytes: int, checkpoint_pages: int, mount: Mount, ledgers: Path, children: Children
) -> None:
    """A small disk runs full."""
    file = mount(megabytes * MEGABYTE) / "q.db"
    filler = await children.start("fill", url=f"sqlite:///{file}", checkpoint_pages=checkpoint_pages)

    await assert_refused_and_goes_on(filler, file, ledgers, make_room=lambda: mount(64 * MEGABYTE))


async def test_consumer_outlives_a_full_disk(mount: Mount, ledgers: Path, children: Children) -> None:
    """It cannot settle what it handled nor lease more, says so, and goes on when there is room: nothing is lost."""
    disk = mount(4 * MEGABYTE)
    file = disk / "q.db"
    url = f"sqlite:///{file}"
    async with connect(url) as queues:
        for number in range(50):
            await send(queues["orders"], children.ledger, f"slow:{number}")
        consumer = await children.start(
            "consume",
            url=url,
            queue="orders",
            say_delivered=True,
            slow_seconds=0.3,
            options={
                "max_batch_timeout": 0,
                "max_batch_size": 5,
                "max_concurrency": 4,
                "visibility_timeout_ms": 600,
                "max_retries": 10,
            },
        )
        await consumer.hear("delivered")

        _fill(disk / "ballast")
        await consumer.hear_events("ConsumerFailed", "SettlementFailed")
        with pytest.raises(StorageFull, match=r"no room left to write q\.db"):
            await queues["orders"].send({"key": "none"})
        (disk / "ballast").unlink()

        await until(lambda: waiting(file, "orders") == 0, "the queue is drained")
        await send(queues["orders"], children.ledger, "after")
        await until(lambda: waiting(file, "orders") == 0, "what came later is handled")
        consumer.terminate()
        assert await consumer.ended() == 0

    verdict = check(read(ledgers), left_in(file), queue="orders", max_retries=10)
    verdict.assert_good()
    assert verdict.explained["settle refused"] > 0
    assert_sound(file)


def _fill(path: Path) -> None:
    """Use up what room is left, to the last page."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    assert os.path.getsize(path) > 0
