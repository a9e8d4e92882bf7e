"""``@flow``: a function that calls tasks; the engine follows it step by step. Runs nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar, Unpack, cast, overload

from nacre import context
from nacre.declare.deployment import Deployment, ServeOptions, deploy
from nacre.declare.hooked import Hooked
from nacre.declare.options import FLOW_NAMES, FlowOptions, Options, check_template, decode
from nacre.errors import InvalidOption

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Hooked, Generic[P, R]):
    """A function whose calls to tasks and flows are recorded as one run. Keeps the function's signature.

    Args:
        fn: The function as written.
        options: What the user said, decoded.
    """

    __slots__ = ("__weakref__", "fn")

    def __init__(self, fn: Callable[P, R], options: Options) -> None:
        check_template(options.run_name, fn)
        self.fn = fn
        self.options = options
        self.name: str = options.name or fn.__name__.replace("_", "-")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the flow and return its value; ``return_state=True`` gives its state instead."""
        return cast(R, context.runtime().run_flow(self, args, kwargs))

    def with_options(self, **options: Unpack[FlowOptions]) -> Flow[P, R]:
        """Return a copy with other options."""
        return Flow(
            self.fn, decode(cast("dict[str, object]", options), self.fn.__name__, self.options, FLOW_NAMES)
        )

    def to_deployment(self, name: str | None = None, **options: Unpack[ServeOptions]) -> Deployment:
        """Say when the flow is to run, for ``nacre.serve``.

        Args:
            name: The deployment's name; the flow's by default.
            options: ``cron``, or ``interval`` in seconds, or ``schedule``; ``timezone``, ``parameters``, ``tags``,
                ``paused``; Prefect's others are accepted, or refused by name.

        Raises:
            InvalidOption: An option is unknown or impossible, or the flow lies in no file.
            NotYetEffective: An option has no effect yet.
        """
        return deploy(self, self.fn, self.name, cast("dict[str, object]", options), name)

    def serve(self, name: str | None = None, **options: Unpack[ServeOptions]) -> None:
        """Run the flow when it is due, each time in a process of its own, until SIGINT or SIGTERM.

        Args:
            name: As in ``to_deployment``.
            options: As in ``to_deployment``.
        """
        context.runtime().serve([self.to_deployment(name, **options)])

    @property
    def place(self) -> str:
        """``file.py:12``, where the function is written; for messages."""
        code = getattr(self.fn, "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.fn)

    @property
    def __wrapped__(self) -> Callable[P, R]:
        return self.fn

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # the function's own text is the useful one
        return self.fn.__doc__

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            return getattr(self.fn, name)
        raise AttributeError(f"Flow has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Flow {self.name}>"


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(**options: Unpack[FlowOptions]) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(fn: Callable[P, R] | None = None, /, **options: Unpack[FlowOptions]) -> object:
    """Declare a flow: a function whose calls to tasks and assets are one run.

    Args:
        fn: The function, when used without parentheses.
        options: Prefect's flow options.

    Returns:
        The flow, or a decorator.

    Raises:
        InvalidOption: An option is unknown or impossible.
    """

    def declare(fn: Callable[P, R]) -> Flow[P, R]:
        if not callable(fn):
            raise InvalidOption("@flow decorates a function", {"given": repr(fn)})
        owner = getattr(fn, "__name__", repr(fn))
        return Flow(fn, decode(cast("dict[str, object]", options), owner, names=FLOW_NAMES))

    return declare if fn is None else declare(fn)
