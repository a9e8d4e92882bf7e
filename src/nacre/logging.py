"""The run logger, on Prefect's import path."""

from nacre.execute.logger import get_run_logger

__all__ = ["get_run_logger"]
