"""Senders and consumers that keep a ledger: every send, lease, extension and settlement, before and after the call."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from postroom.queues import MessageBatch, Queue, Queues
from postroom.queues.broker import Lease, Leased, Settlement
from support.database import key_of
from support.ledger import BEGUN, DONE, FAILED, LOST, Entry, Ledger


async def send(queue: Queue, ledger: Ledger, *keys: str, delay_seconds: float = 0, padding: int = 0) -> int:
    """Send a message for each key, several as one batch, and return the backlog that the queue answered with.

    `padding` makes the bodies longer by so many bytes.
    """
    call = ledger.call()
    base = Entry(op="send", step=BEGUN, call=call, queue=queue.name, delay_us=round(delay_seconds * 1e6))
    ledger.write(*[msgspec.structs.replace(base, key=key) for key in keys])
    bodies = [{"key": key, "padding": "x" * padding} for key in keys]
    try:
        if len(keys) == 1:
            sent = [await queue.send(bodies[0], delay_seconds=delay_seconds)]
        else:
            sent = await queue.send_batch([{"body": body} for body in bodies], delay_seconds=delay_seconds)
    except Exception as error:
        failed = msgspec.structs.replace(base, step=FAILED, detail=type(error).__name__)
        ledger.write(*[msgspec.structs.replace(failed, key=key) for key in keys])
        raise
    done = msgspec.structs.replace(base, step=DONE)
    ledger.write(
        *[msgspec.structs.replace(done, key=key, id=one.id) for key, one in zip(keys, sent, strict=True)]
    )
    return sent[0].backlog.messages


def record(queues: Queues, ledger: Ledger) -> "Recorder":
    """Put a recorder between the queues and their broker."""
    recorder = Recorder(queues.broker, ledger)
    for verb in ("lease", "settle", "extend"):
        setattr(queues.broker, verb, getattr(recorder, verb))
    return recorder


class Recorder:
    """Stands before the broker's verbs; the signatures are the broker's."""

    def __init__(self, broker: Any, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lease, self._settle, self._extend = broker.lease, broker.settle, broker.extend
        self.crash_after: str | None = None
        """Kill this process once that verb has done its work and before anybody hears of it."""

    async def lease(self, queue: str, *, visibility_us: int, **wanted: Any) -> Lease:
        call = self._ledger.call()
        self._ledger.write(Entry(op="lease", step=BEGUN, call=call, queue=queue))
        try:
            lease: Lease = await self._lease(queue, visibility_us=visibility_us, **wanted)
        except Exception as error:
            # It may have been carried out all the same: what it took comes again when the lease ends.
            self._ledger.write(
                Entry(op="lease", step=FAILED, call=call, queue=queue, detail=type(error).__name__)
            )
            raise
        if lease.messages:
            self._write("lease", DONE, call, queue, lease.messages, visibility_us=visibility_us)
            self._crash("lease")
        return lease

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        call = self._ledger.call()
        self._settled(settlement, queue, call, BEGUN, {})
        try:
            lost: Sequence[Leased] = await self._settle(queue, settlement)
        except Exception as error:
            self._settled(settlement, queue, call, FAILED, {}, detail=type(error).__name__)
            raise
        self._crash("settle")
        self._settled(settlement, queue, call, DONE, {(one.token, one.id) for one in lost})
        return lost

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        call = self._ledger.call()
        self._write("extend", BEGUN, call, queue, messages, visibility_us=visibility_us)
        try:
            lost: Sequence[Leased] = await self._extend(queue, messages, visibility_us)
        except Exception as error:
            self._write("extend", FAILED, call, queue, messages, detail=type(error).__name__)
            raise
        gone = {(one.token, one.id) for one in lost}
        kept = [one for one in messages if (one.token, one.id) not in gone]
        self._write("extend", DONE, call, queue, kept, visibility_us=visibility_us)
        self._write("extend", LOST, call, queue, lost)
        return lost

    def delivered(self, batch: MessageBatch) -> None:
        """Write down that a handler has these messages in its hands now."""
        self._write("deliver", DONE, 0, batch.queue, [message.leased for message in batch.messages])

    def _settled(
        self,
        settlement: Settlement,
        queue: str,
        call: int,
        step: str,
        lost: set[tuple[int, str]] | dict[Any, Any],
        **facts: Any,
    ) -> None:
        fates = [(one, "ack", 0) for one in settlement.acks]
        fates += [(one, "retry", delay_us) for one, delay_us in settlement.retries]
        fates += [(one.leased, "dead", 0) for one in settlement.dead]
        fates += [(one, "release", 0) for one in settlement.released]
        entries = [
            Entry(
                op="settle",
                step=LOST if (one.token, one.id) in lost else step,
                call=call,
                queue=queue,
                key=key_of(one.body),
                id=one.id,
                attempt=one.attempts,
                lease=one.token,
                fate=fate,
                delay_us=delay_us,
                **facts,
            )
            for one, fate, delay_us in fates
        ]
        if entries:
            self._ledger.write(*entries)

    def _write(
        self, op: str, step: str, call: int, queue: str, messages: Sequence[Leased], **facts: Any
    ) -> None:
        if not messages:
            return
        base = Entry(op=op, step=step, call=call, queue=queue, **facts)
        self._ledger.write(
            *[
                msgspec.structs.replace(
                    base, key=key_of(one.body), id=one.id, attempt=one.attempts, lease=one.token
                )
                for one in messages
            ]
        )

    def _crash(self, verb: str) -> None:
        if self.crash_after == verb:
            os._exit(86)
