"""How the work goes: figures by the minute, health, alerts, and why one message does not move."""

from postroom.workers.monitoring.alerts import Alerts, Rule, read_rules
from postroom.workers.monitoring.meter import Meter
from postroom.workers.monitoring.performance import Monitor
from postroom.workers.monitoring.series import Series
from postroom.workers.monitoring.standing import Standing
from postroom.workers.monitoring.why import why

__all__ = ["Alerts", "Meter", "Monitor", "Rule", "Series", "Standing", "read_rules", "why"]
