"""What declared objects know of the engine: two protocols, a few context variables, one registration.

Nothing here runs anything. The composition root registers a provider; declared objects ask for the runtime when they
are called, so declaring costs no start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol

from nacre.errors import MissingContext


class Runtime(Protocol):
    """The engine, as declared objects see it."""

    def call(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Run or reuse one task and return its value, or its state where ``return_state`` is given."""
        ...

    def submit(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Start one task in parallel and return its future."""
        ...

    def map(self, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Submit a task once for each element of its iterable arguments; returns the futures."""
        ...

    def run_flow(self, flow: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Run a flow and return its value, or its state where ``return_state`` is given."""
        ...

    def serve(self, deployments: Sequence[object]) -> None:
        """Run deployed flows when they are due, until a signal ends it."""
        ...

    def create_artifact(self, draft: object) -> str:
        """Store an artifact and return its id."""
        ...

    def update_progress(self, artifact_id: str, progress: float, description: str | None) -> None:
        """Move a progress artifact on."""
        ...


class RunContext(Protocol):
    """The flow or build that is executing."""

    @property
    def id(self) -> str:
        """The run's id."""
        ...

    @property
    def name(self) -> str:
        """The flow's or build's name."""
        ...

    @property
    def tags(self) -> frozenset[str]:
        """Tags that apply to everything in the run."""
        ...

    def log(self, level: int, text: str) -> None:
        """Record one line of the run's log."""
        ...


class StepContext(Protocol):
    """The step that is executing."""

    @property
    def id(self) -> str:
        """The attempt id of the step."""
        ...

    @property
    def name(self) -> str:
        """The task's name."""
        ...

    @property
    def assets(self) -> Sequence[str]:
        """Keys of the assets it materializes; empty for a plain task."""
        ...

    def add_metadata(self, asset: str, metadata: Mapping[str, object]) -> None:
        """Attach metadata to the version being materialized; later wins."""
        ...

    def log(self, level: int, text: str) -> None:
        """Record one line of the step's log."""
        ...


current_run: ContextVar[RunContext | None] = ContextVar("nacre_run", default=None)
current_tags: ContextVar[frozenset[str]] = ContextVar("nacre_tags", default=frozenset())
current_step: ContextVar[StepContext | None] = ContextVar("nacre_step", default=None)

_provider: Callable[[], Runtime] | None = None


def provide(provider: Callable[[], Runtime]) -> None:
    """Register what makes the runtime; called once, by the package itself."""
    global _provider
    _provider = provider


def runtime() -> Runtime:
    """Return the engine.

    Raises:
        MissingContext: No engine was registered (``nacre`` itself was never imported).
    """
    if _provider is None:
        raise MissingContext("No engine is registered", hint="import nacre before calling a task or flow")
    return _provider()


def require_step(what: str) -> StepContext:
    """Return the step that is executing.

    Args:
        what: What was called, for the error.

    Raises:
        MissingContext: No step is executing.
    """
    step = current_step.get()
    if step is None:
        raise MissingContext(f"{what} works only inside a task that is running")
    return step
