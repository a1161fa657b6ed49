"""One load on `POST /api/enqueue-job`, by wrk if it is there, else by our own client; both in another process."""

import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from bench.kit import jobs, spawn

PATH: Final = "/api/enqueue-job"
INSTALL_WRK: Final = "apt-get install -y wrk"
MARK: Final = "RESULT"
SCRIPT: Final = Path(__file__).with_name("enqueue.lua")
EXTRA_SECONDS: Final = 60.0
"""A load generator that takes so much longer than it should has failed."""


class Load(msgspec.Struct):
    """What a load generator saw."""

    requests: int
    """Answers received."""
    seconds: float
    refused: int
    """Answers with a status other than 2xx or 3xx."""
    broken: int
    """Connections that failed, and answers that did not come."""
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def generator() -> str:
    """Which load generator will be used."""
    return "wrk" if shutil.which("wrk") else f"bench.web.client (wrk is not installed: {INSTALL_WRK})"


def put(port: int, seconds: float, connections: int) -> Load:
    """Load the server on a port; raises BenchFailed if it refuses anything."""
    run = f"bench-{secrets.token_hex(4)}"
    if wrk := shutil.which("wrk"):
        # wrk knows whole seconds only.
        command = [wrk, "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--latency"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}{PATH}", "--", run, jobs.CONTENT]
    else:
        command = spawn.module("bench.web.client", port, PATH, seconds, connections, run)
    limit = seconds + EXTRA_SECONDS
    try:
        done = subprocess.run(command, cwd=spawn.ROOT, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as late:
        raise spawn.BenchFailed(f"the load generator did not end within {limit:g} s") from late
    found = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not found:
        raise spawn.BenchFailed(f"the load generator failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    load = msgspec.json.decode(found[0].removeprefix(MARK), type=Load)
    if load.refused or load.broken or not load.requests:
        raise spawn.BenchFailed(
            f"of {load.requests} requests {load.refused} were refused, {load.broken} connections broke"
        )
    return load
