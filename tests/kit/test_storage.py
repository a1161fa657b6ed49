"""One port, a folder or an S3-compatible server on loopback behind it (kit/storage/)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from postroom.kit.storage import Storage, StorageExists, StorageFailed, open_storage

MIB = 1024 * 1024
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3-compatible server; its URL."""
    one = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one.start()
    host, port = one.get_host_and_port()
    yield f"http://{host}:{port}"
    one.stop()


@pytest.fixture
def bucket(server: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty bucket, by another client."""
    client = boto3.client(
        "s3", endpoint_url=server, region_name="us-east-1", aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
    )  # fmt: skip
    client.create_bucket(Bucket="records")
    yield client
    for entry in client.list_objects_v2(Bucket="records").get("Contents", ()):
        client.delete_object(Bucket="records", Key=entry["Key"])
    client.delete_bucket(Bucket="records")
    client.close()


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return open_storage(None, tmp_path / "kept", "exports")
    request.getfixturevalue("bucket")
    return in_bucket(request.getfixturevalue("server"), tmp_path)


def in_bucket(server: str, tmp_path: Path, **more: str) -> Storage:
    url = f"s3://records/postroom?region=us-east-1&endpoint={server}"
    return open_storage(url, tmp_path, "exports", **{**KEYS, **more})


def a_file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "part"
    path.write_bytes(data)
    return path


async def content(storage: Storage, name: str, *part: int) -> bytes:
    return b"".join([chunk async for chunk in storage.read(name, *part)])


@pytest.mark.parametrize("size", [0, 10, 3 * MIB + 7, 12 * MIB])
async def test_what_is_put_is_read(storage: Storage, tmp_path: Path, size: int) -> None:
    """Whole and in parts, also what goes up in several; the file that was put is used up."""
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    path = a_file(tmp_path, data)

    await storage.put("a.csv", path)

    assert not path.exists()
    assert await storage.size("a.csv") == size
    assert await content(storage, "a.csv") == data
    if size > 100:
        assert await content(storage, "a.csv", size - 50) == data[-50:]
        assert await content(storage, "a.csv", 5, 9) == data[5:9]
        assert await content(storage, "a.csv", 5, 5) == b""


async def test_names_are_listed_and_let_go(storage: Storage, tmp_path: Path) -> None:
    assert list(await storage.list()) == []
    for name in ("b", "a"):
        await storage.put(name, a_file(tmp_path, b"x" * 3))
    assert [(one.name, one.size) for one in await storage.list()] == [("a", 3), ("b", 3)]
    await storage.delete("a")
    await storage.delete("a")
    assert [one.name for one in await storage.list()] == ["b"]


async def test_archive_is_never_written_over(storage: Storage, tmp_path: Path) -> None:
    """Put as new it is refused, and what was there stays; a file that may be replaced is."""
    await storage.put("a", a_file(tmp_path, b"first"), replace=False)
    with pytest.raises(StorageExists, match="a is kept already"):
        await storage.put("a", a_file(tmp_path, b"second"), replace=False)
    assert await content(storage, "a") == b"first"
    await storage.put("a", a_file(tmp_path, b"third"))
    assert await content(storage, "a") == b"third"


async def test_what_is_not_there(storage: Storage) -> None:
    assert await storage.size("none") is None
    with pytest.raises(StorageFailed, match="none is not kept here"):
        await content(storage, "none")


async def test_bucket_and_prefix_are_where_they_are_said_to_be(
    bucket: Any, server: str, tmp_path: Path
) -> None:
    """Another client finds it there."""
    await in_bucket(server, tmp_path).put("a.csv", a_file(tmp_path, b"x"))
    found = bucket.list_objects_v2(Bucket="records")["Contents"]
    assert [one["Key"] for one in found] == ["postroom/exports/a.csv"]


async def test_server_that_is_gone_or_lacks_the_bucket_is_told_without_secrets(
    server: str, tmp_path: Path
) -> None:
    """By the name of the file and what kind of failure it was."""
    with pytest.raises(StorageFailed) as raised:
        await in_bucket(server, tmp_path).put("a", a_file(tmp_path, b"x"))
    assert "a: the object storage answered" in str(raised.value) or "a is not kept" in str(raised.value)
    assert KEYS["secret_access_key"] not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://", "s3://b?bucket=c", "ftp://b"])
def test_url_that_is_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be s3://BUCKET"):
        open_storage(url, tmp_path, "exports")
