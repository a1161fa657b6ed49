"""A job type of one's own: a typed model, a processor, outcomes as values."""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from postroom.jobs import (
    Dispatcher,
    Done,
    JobContext,
    JobProducer,
    JobRegistry,
    Outcome,
    RetryAfter,
    RetryPolicy,
)
from postroom.queues import connect

registry = JobRegistry()


@registry.job("invoice_pdf")
class InvoicePdf(msgspec.Struct, rename="camel"):
    """Make the PDF of an invoice."""

    invoice_id: str
    pages: int = 1


@registry.processor(InvoicePdf)
async def make_pdf(job: InvoicePdf, context: JobContext) -> Outcome:
    if job.pages > 1 and context.attempt == 1:
        return RetryAfter(0.1, "the printer is busy")
    print(f"{job.invoice_id}: {job.pages} page(s), attempt {context.attempt}")
    return Done()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with connect(f"sqlite:///{Path(folder) / 'jobs.db'}") as queues:
            dispatcher = Dispatcher(registry, clock=queues.clock, events=queues.events, policy=RetryPolicy())
            queues.consumer("jobs", max_batch_timeout=0)(dispatcher)
            producer = JobProducer(queues["jobs"], registry)
            await producer.enqueue_job(InvoicePdf(invoice_id="INV-1"))
            await producer.enqueue_job({"type": "invoice_pdf", "invoiceId": "INV-2", "pages": 3})
            async with queues.running():
                while (await queues["jobs"].metrics()).backlog_count:
                    await asyncio.sleep(0.05)


asyncio.run(main())
