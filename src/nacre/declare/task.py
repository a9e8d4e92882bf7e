"""``@task`` and ``@materialize``: a function, frozen together with what the user said about it.

A ``Task`` runs nothing itself: calling it asks the registered runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from nacre import context
from nacre.declare.asset import Asset
from nacre.declare.hooked import Hooked
from nacre.declare.options import DEFAULTS, Options, TaskOptions, decode
from nacre.declare.policy import CachePolicy
from nacre.errors import InvalidOption
from nacre.keys import require_dimensions

if TYPE_CHECKING:
    from types import CodeType

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


def outside() -> object:
    """Stand for the function of an external asset: tasks are told by it, and it is never called."""
    raise AssertionError("an external asset is looked at, not made")


class Task(Hooked, Generic[P, R]):
    """A function the engine runs, reuses and records. Keeps the function's signature.

    Args:
        fn: The function as written.
        options: What the user said, decoded.
        assets: What it materializes; none for a plain task.
        asset_deps: Assets it reads without receiving them, for lineage and order.
        by: What outside nacre makes the assets, such as ``dbt``.
        variant_of: The task that ``with_options`` was called on.
        named_deps: More such assets, by name: found as the asset that a parameter names is.

    ``key`` is the step's identity: its first asset's key, else ``task://module.name``.
    """

    __slots__ = ("__weakref__", "asset_deps", "assets", "by", "fn", "key", "named_deps", "variant_of")

    def __init__(
        self,
        fn: Callable[P, R],
        options: Options = DEFAULTS,
        assets: tuple[Asset, ...] = (),
        asset_deps: tuple[Asset, ...] = (),
        by: str | None = None,
        variant_of: Task[P, R] | None = None,
        named_deps: tuple[str, ...] = (),
    ) -> None:
        require_dimensions([asset.key for asset in assets], _dimension(options.partitions))
        self.variant_of = variant_of
        self.named_deps = named_deps
        self.fn = fn
        self.options = options
        self.assets = assets
        self.asset_deps = asset_deps
        self.by = by
        self.name: str = options.name or getattr(fn, "__name__", "") or type(fn).__name__
        self.key: str = assets[0].key if assets else f"task://{fn.__module__}.{_qualname(fn)}"
        if options.cache_policy is not None and options.cache_policy.excluded:
            _require_parameters(options.cache_policy, self.code, f"{self.name} at {self.place}")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run or reuse the task and return its value; ``return_state=True`` gives its state instead."""
        return cast(R, context.runtime().call(self, args, kwargs))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Start the task in parallel; futures among the arguments are waited for."""
        return cast("Future[R]", context.runtime().submit(self, args, kwargs))

    def map(self, *args: object, **kwargs: object) -> list[Future[R]]:
        """Submit the task once for each element of its iterable arguments."""
        return cast("list[Future[R]]", context.runtime().map(self, args, kwargs))

    def with_options(
        self,
        *,
        assets: Sequence[str | Asset] | None = None,
        **options: Unpack[TaskOptions],
    ) -> Task[P, R]:
        """Return a copy with other options; ``assets`` and ``asset_deps`` replace the present ones."""
        deps = options.get("asset_deps")
        return Task(
            self.fn,
            decode(cast("dict[str, object]", options), self.name, self.options),
            self.assets if assets is None else as_assets(assets, "assets"),
            self.asset_deps if deps is None else as_assets(deps),
            self.by,
            variant_of=self,
            named_deps=self.named_deps,
        )

    @property
    def code(self) -> CodeType | None:
        """The function's code object, None for a callable without one."""
        return getattr(self.fn, "__code__", None)

    @property
    def place(self) -> str:
        """``file.py:12``, where the function is written; for messages."""
        code = self.code
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.fn)

    @property
    def __wrapped__(self) -> Callable[P, R]:
        return self.fn

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # the function's own text is the useful one
        return self.fn.__doc__

    def __getattr__(self, name: str) -> object:
        # Only looked up when the class has no such attribute: __name__, __qualname__, __annotations__ …
        if name.startswith("__") and name.endswith("__"):
            return getattr(self.fn, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __get__(self, instance: object, owner: type | None = None) -> Task[P, R]:
        """Bind to an instance when used as a method."""
        if instance is None:
            return self
        bound = self.fn.__get__(instance, owner)
        return Task(bound, self.options, self.assets, self.asset_deps, self.by, named_deps=self.named_deps)

    def __repr__(self) -> str:
        keys = ", ".join(asset.key for asset in self.assets)
        return f"<Task {self.name}{' → ' + keys if keys else ''}>"


class Future(Protocol[R_co]):
    """What ``submit`` returns: a step that may still be running."""

    def wait(self, timeout: float | None = None) -> None:
        """Block until the step ended, at most ``timeout`` seconds."""
        ...

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R_co:
        """Wait and return the value; raises what the step raised unless told not to."""
        ...


def _qualname(fn: Callable[..., object]) -> str:
    return getattr(fn, "__qualname__", "") or type(fn).__name__


def _require_parameters(policy: CachePolicy, code: CodeType | None, owner: str) -> None:
    """Refuse a policy that leaves out what is no parameter of a task."""
    if code is not None:
        n_variadic = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + n_variadic]
        policy.require_known(names, owner)


def as_assets(values: object, option: str = "asset_deps") -> tuple[Asset, ...]:
    """Turn keys, assets and materializing tasks into assets.

    Raises:
        InvalidKey: A key breaks a rule.
        InvalidOption: The values are no list; a single key is not read as a list of its letters.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        hint = f"write {option}=[{values!r}]" if isinstance(values, (str, Asset)) else ""
        hint = f"write {option}=[{values.__name__}]" if isinstance(values, Task) else hint
        raise InvalidOption(
            f"Option {option}= must be a list of keys or assets", {"value": repr(values)}, hint
        )
    assets: list[Asset] = []
    for value in values:
        if isinstance(value, Asset):
            assets.append(value)
        elif isinstance(value, Task):
            assets.extend(value.assets)
        else:
            assets.append(Asset(value))
    return tuple(assets)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[P, R] | None = None, /, **options: Unpack[TaskOptions]) -> object:
    """Declare a plain task: run with retries, time-outs, logs and lineage; reused only where its options ask for it.

    Args:
        fn: The function, when used without parentheses.
        options: Prefect's task options.

    Returns:
        The task, or a decorator.

    Raises:
        InvalidOption: An option is unknown or impossible.
    """
    if fn is None:
        return lambda fn: task_of(fn, options)
    return task_of(fn, options)


def task_of(fn: Callable[P, R], options: TaskOptions) -> Task[P, R]:
    """Build the plain task that ``@task`` declares."""
    _require_function(fn, "@task")
    name = getattr(fn, "__name__", repr(fn))
    decoded = decode(cast("dict[str, object]", options), name)
    if decoded.partitions is not None:
        raise InvalidOption("Only assets have partitions", {"function": name}, "use @materialize")
    return Task(fn, decoded, asset_deps=as_assets(options.get("asset_deps") or ()))


def materialize(
    *assets: str | Asset, by: str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Declare a function that materializes one or more assets.

    Args:
        assets: Keys or assets; with more than one, the function returns a tuple, a mapping by key, or None.
        by: What outside nacre makes them, such as ``dbt``.
        options: Every option of ``@task``, ``data_version=`` (a function value → what identifies its content) and
            ``partitions=`` (how it is sliced).

    Returns:
        A decorator that keeps the function's signature.

    Raises:
        InvalidKey: A key breaks a rule.
        InvalidOption: An option is unknown or impossible.
        TypeError: No asset is given.
    """
    if not assets:
        raise InvalidOption(
            "materialize requires at least one asset", hint='write @materialize("asset://name")'
        )
    if len(assets) == 1 and callable(assets[0]) and not isinstance(assets[0], Asset):
        raise InvalidOption(
            "@materialize needs the key of what it makes", hint='write @materialize("asset://name")'
        )
    made = as_assets(assets)
    require_dimensions([asset.key for asset in made], _dimension(options.get("partitions")))
    deps = as_assets(options.get("asset_deps") or ()) if options else ()

    def decorate(fn: Callable[P, R]) -> Task[P, R]:
        if isinstance(fn, Task):
            fn = fn.fn
        _require_function(fn, "@materialize")
        decoded = (
            decode(cast("dict[str, object]", options), getattr(fn, "__name__", repr(fn)))
            if options
            else DEFAULTS
        )
        return Task(fn, decoded, made, deps, by)

    return decorate


def _dimension(partitions: object) -> str:
    return str(getattr(partitions, "dimension", ""))  # whether it is one is judged where options are decoded


def _require_function(fn: object, decorator: str) -> None:
    if not callable(fn):
        raise InvalidOption(
            f"{decorator} decorates a function", {"given": repr(fn)}, "put the options in keywords"
        )
