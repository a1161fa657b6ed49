"""The writer: one thread and one connection a process, committing whole groups.

    loop      submit ─ submit ─ submit ─┐                      ┌─ futures resolved, one call for all
    thread                              └─ BEGIN … COMMIT ─────┘   (one disk sync for the group)

Whatever waits when the thread is free goes into one transaction. A sender that is alone gains nothing from the
thread but two changes of thread, a third of the time of its commit here; so when operations have come one by
one for a while, no other process has the file open and commits are fast, a lone small one is committed in
place, in the loop, and a task that sends one after the other is not even suspended (docs/decisions/0003). An
operation that fails must not fail its neighbours: the group is rolled back and its operations are run again one by
one, each in a transaction of its own. So an operation may run more than once and must have no effect outside the
connection; what is to happen after the commit it leaves with `after_commit`.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from postroom.kit.clock import Clock
from postroom.kit.sqlite.checkpoint import Checkpointer
from postroom.kit.sqlite.connection import BUSY_SECONDS, StoreBusy, StoreFailed, connect_writer, translate
from postroom.kit.sqlite.operation import Call, Operation
from postroom.kit.sqlite.peers import PAUSE_SECONDS, Peers
from postroom.kit.sqlite.turn import Turn

T = TypeVar("T")

FEW = 2
"""Operations in a group that nobody else joined: one sender's, or a settlement with the lease that follows it."""
LONELY = 16
"""After so many such groups in a row the next is committed in place."""
SLOW_SECONDS = 0.005
"""A commit in place that takes longer than this ..."""
RECOVERY_SECONDS = 0.25
"""... sends all others to the thread for so long."""
HOLD_SECONDS = 0.001
"""After so long a task that goes on without being suspended lets the loop have a pass before its next commit."""
GROUP_MAX = 4096
"""Operations in one transaction; bounds the time that other processes wait for their turn."""


class SqliteWriter:
    """Grouped durable commits to one file. Opened and used in one event loop."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        translate: Callable[[StoreFailed], Exception] = lambda error: error,
        closed: Callable[[], Exception] = lambda: StoreFailed("the file is closed"),
        rolled_back: Callable[[], object] = lambda: None,
    ) -> None:
        """`rolled_back` is called in the writing thread after a rollback: what was read meanwhile may never be."""
        self.path = path
        self._rolled_back = rolled_back
        self._in_callers_words = translate
        self._closed = closed
        self.peers: Peers
        self._clock = clock
        self._pending: deque[Operation[Any]] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = False
        self._planned = False
        self._lonely = 0
        self._loner = 0
        self._held_since = 0.0
        self._slow_until = 0.0
        self._busy = threading.Lock()
        self._taking = threading.Lock()
        self._queued_at: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False
        self._synced = True
        self._thread: threading.Thread | None = None
        self._after: list[tuple[bool, Callable[[], object]]] = []
        self._outstanding = 0
        self._release: Callable[[], None] | None = None

    async def open(self, heard: Callable[[bytes], None]) -> None:
        """Open the file, making it and the folder `NAME-peers` beside it; `heard` gets notes of other processes.

        Raises StoreFailed when the file cannot be opened or is not a database.
        """
        self._loop = asyncio.get_running_loop()
        folder = self.path.with_name(self.path.name + "-peers")
        try:
            folder.mkdir(exist_ok=True)
            self._turn = Turn(folder)
        except OSError as error:
            raise StoreFailed(
                f"cannot open {self.path}: {error.strerror}; the folder must exist and be writable"
            ) from error
        try:
            self._connection = await asyncio.to_thread(self._connect)
        except sqlite3.Error as error:
            self._turn.close()
            raise StoreFailed(f"cannot open {self.path} as a database: {error}") from error
        self._checkpointer = Checkpointer(self.path)
        self.peers = Peers(folder)
        self.peers.listen(self._loop, heard)
        self._thread = threading.Thread(target=self._work, name=f"writer:{self.path.name}", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what waits, end the thread and close the file."""
        if self._thread is None:
            return
        self._closing = True
        self._wake.put(None)
        thread, self._thread = self._thread, None
        await asyncio.to_thread(thread.join, 2 * BUSY_SECONDS)
        if self._watch is not None:
            self._watch.cancel()
        self.peers.close()
        if thread.is_alive():
            # It waits for a process that stands still. What it had to do has been refused; it ends with this process.
            return
        self._checkpointer.close()
        self._connection.close()
        self._turn.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be submitted."""
        return self._thread is None

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Have it performed; the future is done when its group is committed.

        It raises StoreFull, StoreBusy or StoreFailed when the store refuses (or what `translate` made of them),
        else what the operation raised.
        """
        if self._thread is None:
            raise self._closed()
        future: asyncio.Future[T] = self._loop.create_future()
        operation.future = future
        if not self._outstanding:
            self._release = self._clock.hold()
        self._outstanding += 1
        self._pending.append(operation)
        if self._watch is None:
            self._watch = self._loop.call_later(BUSY_SECONDS, self._look_at_turn)
        if self._idle and not self._planned:
            self._begin(operation)
        return future

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function of the connection inside a group's transaction, in the writer's thread."""
        return await self.submit(Call(function))

    def owns(self, connection: object) -> bool:
        """Whether this is the writer's own connection, as functions given to `call` get it."""
        return connection is self._connection

    def after_commit(self, act: Callable[[], object], *, in_loop: bool = False) -> None:
        """From inside an operation: do something once the transaction is committed, in this thread or the loop."""
        self._after.append((in_loop, act))

    def _connect(self) -> sqlite3.Connection:
        # Several processes may open a new file at once; changing to WAL needs the file for oneself.
        with self._turn:
            return connect_writer(self.path)

    def _begin(self, first: Operation[Any]) -> None:
        """Have the group committed of which this is the first, together with what joins it."""
        if first.single and self._lonely < LONELY:
            # It wakes up while the loop goes on, and gets the interpreter at the end of this pass.
            self._rouse()
            return
        current = asyncio.current_task() if first.single else None
        task = 0 if current is None else id(current)
        if task and task == self._loner and self._may_hold():
            self._dispatch(task)
        else:
            # At the end of this pass of the loop, so that what else it submits joins the group.
            self._planned = True
            self._loop.call_soon(self._dispatch, task)

    def _may_hold(self) -> bool:
        """Whether the loop was last passed through a short time ago."""
        now = time.monotonic()
        if not self._held_since:
            self._held_since = now
            self._loop.call_soon(self._passed)
        return now - self._held_since < HOLD_SECONDS

    def _passed(self) -> None:
        self._held_since = 0.0

    def _dispatch(self, task: int) -> None:
        """Commit in place if that is cheapest and harms nobody, else wake the thread."""
        self._planned = False
        # Whose operation came alone may go on without being suspended: with others about, it would shut them out.
        self._loner = task if len(self._pending) == 1 else 0
        few = self._lonely >= LONELY and len(self._pending) <= FEW and all(one.quick for one in self._pending)
        fast = time.monotonic() >= self._slow_until and not self._checkpointer.copied
        if few and fast and self.peers.alone and self._busy.acquire(blocking=False):
            try:
                self._commit_in_place()
            finally:
                self._busy.release()
        elif self._idle:
            self._rouse()

    def _rouse(self) -> None:
        self._idle = False
        self._wake.put(None)

    def _commit_in_place(self) -> None:
        begun = time.monotonic()
        group = self._take()
        if group:
            acts = self._commit_group(group)
            self.peers.flush()
            self._resolve(group, acts)
        ended = time.monotonic()
        if ended - begun > SLOW_SECONDS:
            self._slow_until = ended + RECOVERY_SECONDS

    def _look_at_turn(self) -> None:
        """Refuse what waits when the turn to write does not come: a process that was stopped may hold it for ever."""
        self._watch = None
        with self._taking:
            waited = 0.0 if self._queued_at is None else time.monotonic() - self._queued_at
            refused = self._take() if waited >= BUSY_SECONDS else []
        for operation in refused:
            operation.error = self._in_callers_words(
                StoreBusy(
                    f"{self.path.name}: another process has held the turn to write for {BUSY_SECONDS:g} s"
                )
            )
        self._resolve(refused, [])
        if self._outstanding:
            pause = BUSY_SECONDS - waited if waited < BUSY_SECONDS else BUSY_SECONDS
            self._watch = self._loop.call_later(pause, self._look_at_turn)

    # What follows runs in the thread.

    def _work(self) -> None:
        while True:
            if not self._pending:
                # `_idle` is raised before the second look, so that a submit in between is not slept over.
                self._idle = True
                if not self._pending:
                    if self._closing:
                        return
                    self._rest()
                    continue
            self._idle = False
            # The group is taken inside the turn: what arrives while others write joins it. Alone there is nobody
            # to be fair to, and the locks would cost a tenth of a small commit.
            self._queued_at = time.monotonic()
            with self._busy, nullcontext() if self.peers.alone else self._turn:
                with self._taking:
                    self._queued_at = None
                    group = self._take()
                if not group:
                    continue
                acts = self._commit_group(group)
            self._lonely = self._lonely + 1 if len(group) <= FEW else 0
            self._loop.call_soon_threadsafe(self._resolve, group, acts)
            if self._checkpointer.copied:
                with self._busy:
                    self._checkpointer.finish(self._connection)

    def _rest(self) -> None:
        try:
            self._wake.get(timeout=PAUSE_SECONDS if self.peers.owing else None)
        except queue.Empty:
            self.peers.flush()

    def _take(self) -> list[Operation[Any]]:
        pending = self._pending
        return [pending.popleft() for _ in range(min(len(pending), GROUP_MAX))]

    def _commit_group(self, group: list[Operation[Any]]) -> list[Callable[[], object]]:
        """Commit it and do what was left for afterwards; returns what is left for the loop."""
        self._commit(group)
        acts, self._after = self._after, []
        for in_loop, act in acts:
            if not in_loop:
                act()
        return [act for in_loop, act in acts if in_loop]

    def _commit(self, group: list[Operation[Any]]) -> None:
        try:
            self._transact(group)
        except Exception as error:
            if len(group) == 1:
                group[0].error = self._translate(error)
                return
            for operation in group:
                self._commit([operation])

    def _transact(self, group: list[Operation[Any]]) -> None:
        connection, acts = self._connection, len(self._after)
        self._sync(any(operation.durable for operation in group))
        connection.execute("BEGIN IMMEDIATE")
        try:
            start = 0
            for end in range(1, len(group) + 1):
                kind = type(group[start])
                if end == len(group) or type(group[end]) is not kind:
                    kind.perform_many(connection, group[start:end])
                    start = end
            connection.execute("COMMIT")
            self._checkpointer.committed(connection)
        except BaseException:
            # A full disk rolls back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            del self._after[acts:]
            self._rolled_back()
            raise

    def _sync(self, durable: bool) -> None:
        # A group of leases alone promises nothing to anyone, so it is not worth a disk sync of its own.
        if durable != self._synced:
            self._connection.execute(
                "PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL"
            )
            self._synced = durable

    def _translate(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        known = translate(error, self.path)
        if not isinstance(known, StoreFailed):
            return known
        known.__cause__ = error
        told = self._in_callers_words(known)
        if told is not known:
            told.__cause__ = known
        return told

    # And this in the loop again.

    def _resolve(self, group: list[Operation[Any]], acts: list[Callable[[], object]]) -> None:
        self._outstanding -= len(group)
        if group and not self._outstanding and self._release is not None:
            self._release()
        for act in acts:
            act()
        for operation in group:
            future = operation.future
            if not future.done():
                if operation.error is None:
                    future.set_result(operation.result)
                else:
                    future.set_exception(operation.error)
