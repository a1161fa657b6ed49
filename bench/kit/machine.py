"""The facts about the machine and the moment, without which figures mean nothing."""

import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bench.kit.spawn import ROOT

MEMORY_FILESYSTEMS: Final = frozenset({"tmpfs", "ramfs"})
PACKAGES: Final = ("postroom", "uvloop", "msgspec")


def facts(folder: Path) -> list[str]:
    """Date, machine and software, one fact an item; `folder` is where the databases are."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {installed(name)}" for name in PACKAGES)
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; commit: {_commit()}",
        f"Machine: {os.cpu_count()} cores ({_processor()}), {gib:.0f} GiB of memory; "
        f"load average when it began: {os.getloadavg()[0]:.1f}",
        f"Kernel: {platform.system()} {platform.release()} {platform.machine()}; {_filesystem(folder)}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}",
    ]


def installed(package: str) -> str:
    """The version of a package, or that it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _filesystem(folder: Path) -> str:
    """The kind of file system under a folder; one in memory makes every sync free, and says so."""
    mounts, found = Path("/proc/mounts"), ("", "unknown")
    if not mounts.exists():
        return "file system unknown"
    for line in mounts.read_text().splitlines():
        _, point, kind, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    warning = " IN MEMORY: SYNCS COST NOTHING HERE" if found[1] in MEMORY_FILESYSTEMS else ""
    return f"databases on {found[1]}{warning}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    name = git("rev-parse", "--short", "HEAD")
    if not name:
        return "none"
    return name + (" with changes" if git("status", "--porcelain", "--", "src") else "")
