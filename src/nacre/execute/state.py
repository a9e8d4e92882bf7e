"""States: how a step or flow stands, by Prefect's names. Immutable values; nothing here changes one."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from nacre.errors import StepError, said

R = TypeVar("R")


class StateType(enum.StrEnum):
    """Prefect's state types."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


_FINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})


@dataclass(frozen=True, slots=True)
class State(Generic[R]):
    """How a step or flow stands.

    Args:
        type: What kind of state.
        name: What a person calls it; several names share a type (``Cached`` and ``Completed``).
        message: Why.
        data: The value, or the exception of a failure.
    """

    type: StateType
    name: str
    message: str = ""
    data: R | BaseException | None = field(default=None, repr=False)

    def result(self, raise_on_failure: bool = True) -> R | BaseException | None:
        """Return the value; a failure raises its exception, or returns it when told not to raise."""
        if not self.is_completed() and raise_on_failure:
            if isinstance(self.data, BaseException):
                raise self.data
            raise StepError(f"The state is {self.name}", {"message": self.message})
        return self.data

    def is_scheduled(self) -> bool:
        """True while it waits for its time."""
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        """True before it runs."""
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        """True while it runs."""
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        """True when it ended well, run or reused."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """True when it ended with an error."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """True when it ended from outside."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """True when it was cancelled."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """True while it is being cancelled."""
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        """True while it is paused."""
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        """True when nothing more will happen."""
        return self.type in _FINAL


def Completed(message: str = "", data: object = None, name: str = "Completed") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that ended well."""
    return State(StateType.COMPLETED, name, message, data)


def Failed(message: str = "", data: object = None, name: str = "Failed") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that ended with an error."""
    return State(StateType.FAILED, name, message, data)


def Crashed(message: str = "", data: object = None, name: str = "Crashed") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that was ended from outside."""
    return State(StateType.CRASHED, name, message, data)


def Cancelled(message: str = "", data: object = None, name: str = "Cancelled") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that was cancelled."""
    return State(StateType.CANCELLED, name, message, data)


def Pending(message: str = "", data: object = None, name: str = "Pending") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that has not started."""
    return State(StateType.PENDING, name, message, data)


def Running(message: str = "", data: object = None, name: str = "Running") -> State[object]:  # noqa: N802  # Prefect's name
    """Make a state of something that runs."""
    return State(StateType.RUNNING, name, message, data)


def failed_with(error: BaseException) -> State[object]:
    """Make the state that an exception leads to."""
    if isinstance(error, TimeoutError):
        return Failed(said(error), error, name="TimedOut")
    return Failed(said(error), error)
