"""States, on Prefect's import path."""

from nacre.execute.state import Cancelled, Completed, Crashed, Failed, Pending, Running, State, StateType

__all__ = ["Cancelled", "Completed", "Crashed", "Failed", "Pending", "Running", "State", "StateType"]
