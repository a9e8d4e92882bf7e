"""When a flow is to run, on Prefect's import path: for ``flow.serve(schedule=…)``."""

from nacre.schedule.trigger import Cron, Interval

__all__ = ["Cron", "Interval"]
