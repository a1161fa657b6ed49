"""The clock: schedules that enqueue jobs, each fire once in the whole fleet."""

from postroom.workers.cron.expression import Cron, CronInvalid
from postroom.workers.cron.schedules import Missed, Schedule, Scheduler, fire_now

__all__ = ["Cron", "CronInvalid", "Missed", "Schedule", "Scheduler", "fire_now"]
