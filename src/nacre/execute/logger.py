"""``get_run_logger``: a standard logger whose lines go to the run's log, and to a person through its reporter."""

from __future__ import annotations

import logging

from nacre import context
from nacre.errors import MissingContext


class _RunHandler(logging.Handler):
    """Hands each line to the step or run that is executing where it is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        target = context.current_step.get() or context.current_run.get()
        if target is not None:
            try:
                target.log(record.levelno, self.format(record))
            except Exception:  # as everywhere in logging: a line that cannot be made never stops the program
                self.handleError(record)


_logger = logging.getLogger("nacre.run")


def get_run_logger() -> logging.Logger:
    """Return the logger of the run or step that is executing.

    Returns:
        A standard logger; its lines are kept with the run.

    Raises:
        MissingContext: Nothing is executing.
    """
    if context.current_step.get() is None and context.current_run.get() is None:
        raise MissingContext(
            "There is no active flow or task run context", hint="call get_run_logger() inside a flow or task"
        )
    if not any(isinstance(handler, _RunHandler) for handler in _logger.handlers):
        handler = _RunHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        _logger.addHandler(handler)
        _logger.setLevel(logging.DEBUG)
        _logger.propagate = False
    return _logger
