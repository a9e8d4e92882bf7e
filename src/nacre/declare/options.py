"""The options of tasks and flows: every name Prefect has, decoded once into frozen values.

A name that is accepted but not acted on yet is a clear error, never silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from nacre.declare.dependencies import as_deps, as_ignored, as_pinned
from nacre.declare.policy import CachePolicy, KeyFunction
from nacre.errors import InvalidOption, NotYetEffective

if TYPE_CHECKING:
    from collections.abc import Hashable

    from nacre.declare.partitions import Partitions

MAX_DELAYS = 50
#: Seconds that every clock can wait for, a hundred years; neither infinity nor nan is below.
_LONGEST = 100 * 365 * 86_400.0

Hook = Callable[..., object]
Delay = float | Sequence[float] | Callable[[int], Sequence[float]] | None


class TaskOptions(TypedDict, total=False):
    """Keyword options of ``@task`` and ``@materialize``."""

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    version: str | None
    cache_policy: CachePolicy | None
    cache_key_fn: Callable[..., str | None] | None
    cache_expiration: timedelta | None
    task_run_name: str | Callable[[], str] | None
    retries: int | None
    retry_delay_seconds: Delay
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[..., object] | None
    persist_result: bool | None
    result_storage: object
    result_serializer: object
    result_storage_key: str | None
    cache_result_in_memory: bool
    timeout_seconds: float | None
    log_prints: bool | None
    refresh_cache: bool | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_running: Sequence[Hook] | None
    on_rollback: Sequence[Hook] | None
    on_commit: Sequence[Hook] | None
    viz_return_value: object
    asset_deps: Sequence[object] | None
    data_version: Callable[..., object] | None
    unordered: bool
    partitions: Partitions | None
    code: str | None
    deps: Sequence[object] | None
    ignore: Sequence[object] | None


class FlowOptions(TypedDict, total=False):
    """Keyword options of ``@flow``."""

    name: str | None
    version: str | None
    flow_run_name: str | Callable[[], str] | None
    retries: int | None
    retry_delay_seconds: float | None
    task_runner: object
    description: str | None
    timeout_seconds: float | None
    validate_parameters: bool
    persist_result: bool | None
    result_storage: object
    result_serializer: object
    cache_result_in_memory: bool
    log_prints: bool | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None
    on_running: Sequence[Hook] | None
    tags: Iterable[str] | None


class Options(NamedTuple):
    """The options in force, for tasks and flows alike; names as in Prefect, absent ones None or empty."""

    name: str | None = None
    description: str | None = None
    tags: frozenset[str] = frozenset()
    version: str | None = None
    cache_policy: CachePolicy | None = None
    cache_key_fn: Callable[..., str | None] | None = None
    cache_expiration: timedelta | None = None
    run_name: str | Callable[[], str] | None = None
    retries: int = 0
    retry_delay_seconds: Delay = None
    retry_jitter_factor: float | None = None
    retry_condition_fn: Callable[..., object] | None = None
    timeout_seconds: float | None = None
    log_prints: bool | None = None
    refresh_cache: bool = False
    on_completion: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    on_running: tuple[Hook, ...] = ()
    validate_parameters: bool = True
    data_version: Callable[..., object] | None = None
    unordered: bool = False
    partitions: Partitions | None = None
    code: str | None = None
    deps: tuple[object, ...] = ()
    ignore: tuple[object, ...] = ()


DEFAULTS = Options()

_RENAMED = {"task_run_name": "run_name", "flow_run_name": "run_name"}
#: Accepted with any value because nacre already does what they ask for.
_FREE = frozenset({"cache_result_in_memory", "viz_return_value", "asset_deps"})
#: Accepted by name; any value other than these is an error until they act.
_WAITING: Mapping[str, tuple[tuple[Hashable, ...], str]] = {
    "persist_result": (
        (None, True),
        "nacre always keeps what @materialize returns, and of a plain task what its cache_policy may take",
    ),
    "result_storage": ((None,), "set NACRE_STORE for all results"),
    "result_serializer": ((None,), "nacre stores values in their native format"),
    "result_storage_key": ((None,), "give the asset the key you want"),
    "on_rollback": ((None,), "transactions do not exist in nacre yet"),
    "on_commit": ((None,), "transactions do not exist in nacre yet"),
    "on_cancellation": ((None,), "use on_failure="),
    "on_crashed": ((None,), "use on_failure="),
    "task_runner": ((None,), "nacre runs submitted tasks in threads"),
}


TASK_NAMES = frozenset(TaskOptions.__annotations__)
FLOW_NAMES = frozenset(FlowOptions.__annotations__)


def decode(
    given: Mapping[str, object],
    owner: str,
    previous: Options = DEFAULTS,
    names: frozenset[str] = TASK_NAMES,
) -> Options:
    """Turn keyword options into frozen ``Options``.

    Args:
        given: What the user wrote.
        owner: The function they decorate, for errors.
        previous: What ``with_options`` starts from.
        names: The options there are: those of tasks, or of flows.

    Raises:
        InvalidOption: A name is unknown or a value impossible.
        NotYetEffective: A name is Prefect's, but nacre does not act on it yet.
    """
    if not given:
        return previous
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in names:
            raise _unknown(name, owner, names)
        if name in _FREE:
            continue
        if name in _WAITING:
            _refuse_waiting(name, value, owner)
            continue
        known = _RENAMED.get(name, name)
        # A flow has one delay for all its retries, as in Prefect; a task may have one for each.
        is_flat = known == "retry_delay_seconds" and names is FLOW_NAMES
        convert = _positive if is_flat else _CONVERT.get(known)
        values[known] = convert(value, name, owner) if convert else value
    if "cache_key_fn" in values:  # as in Prefect: the function, where there is one, is the policy
        key_fn = given["cache_key_fn"]
        if key_fn is not None:
            values["cache_policy"] = CachePolicy.from_cache_key_fn(cast(KeyFunction, key_fn))
        elif previous.cache_key_fn is not None:
            values.setdefault("cache_policy", None)
    return previous._replace(**values)  # type: ignore[arg-type]  # converted by field just above


def _refuse_waiting(name: str, value: object, owner: str) -> None:
    accepted, instead = _WAITING[name]
    if not any(value is each for each in accepted):
        raise NotYetEffective(
            f"Option {name}= has no effect in nacre yet",
            {"function": owner, "value": repr(value)},
            (instead, f"or leave {name}= out"),
        )


def _unknown(name: str, owner: str, names: frozenset[str]) -> InvalidOption:
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(names), n=1)
    hint = f"did you mean {close[0]}=?" if close else "see docs/reference/options.md for all names"
    return InvalidOption(f"Unknown option {name}=", {"function": owner}, hint)


def _bad(name: str, value: object, owner: str, rule: str, hint: str = "") -> InvalidOption:
    return InvalidOption(f"Option {name}= {rule}", {"function": owner, "value": repr(value)}, hint)


def _count(value: object, name: str, owner: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _bad(name, value, owner, "must be a whole number, 0 or more")
    return value


def _positive(value: object, name: str, owner: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LONGEST:
        raise _bad(name, value, owner, "must be a number, 0 or more, that a clock can wait for")
    return float(value)


def _delay(value: object, name: str, owner: str) -> Delay:
    if value is None or callable(value):
        return value
    if isinstance(value, (list, tuple)):
        if len(value) > MAX_DELAYS:
            raise InvalidOption(
                f"Can not configure more than {MAX_DELAYS} retry delays per task.", {"function": owner}
            )
        return tuple(_positive(each, name, owner) or 0.0 for each in value)
    return _positive(value, name, owner)


def _tags(value: object, name: str, owner: str) -> frozenset[str]:
    if value is None:
        return frozenset()
    tags = (None,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not all(isinstance(tag, str) for tag in tags):
        raise _bad(name, value, owner, "must be a list of strings")
    return frozenset(tags)


def _hooks(value: object, name: str, owner: str) -> tuple[Hook, ...]:
    if callable(value):
        shown = getattr(value, "__name__", "hook")
        raise _bad(name, value, owner, "must be a list of functions", f"write {name}=[{shown}]")
    hooks = tuple(value) if isinstance(value, (list, tuple)) else () if value is None else (value,)
    for hook in hooks:
        if not callable(hook):
            raise _bad(name, value, owner, "must be a list of functions")
    return hooks


def _function(value: object, name: str, owner: str) -> object:
    if value is not None and not callable(value):
        raise _bad(name, value, owner, "must be a function")
    return value


def _policy(value: object, name: str, owner: str) -> CachePolicy | None:
    if value is None:
        return None
    if not isinstance(value, CachePolicy):
        raise _bad(name, value, owner, "must be a policy from nacre.cache_policies")
    return value


def _expiration(value: object, name: str, owner: str) -> timedelta | None:
    if value is not None and not isinstance(value, timedelta):
        raise _bad(name, value, owner, "must be a datetime.timedelta")
    return value


def _text(value: object, name: str, owner: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _bad(name, value, owner, "must be a string")
    return value


def _name(value: object, name: str, owner: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _bad(name, value, owner, "must be a string that says something")
    return value


def _run_name(value: object, name: str, owner: str) -> object:
    if callable(value):
        return value
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _bad(name, value, owner, "must be a string that says something, or a function that gives one")
    return value


def check_template(template: object, fn: Callable[..., object]) -> None:
    """Check that what stands in braces in a run name are parameters of the function.

    Args:
        template: The run name; anything but a text passes.
        fn: The flow's function.

    Raises:
        InvalidOption: A name in braces is no parameter, or the braces do not match.
    """
    code = getattr(fn, "__code__", None)
    if not isinstance(template, str) or not ("{" in template or "}" in template) or code is None:
        return
    from inspect import CO_VARARGS, CO_VARKEYWORDS
    from string import Formatter

    n_variadic = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + n_variadic]
    owner = getattr(fn, "__name__", repr(fn))
    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise _bad("flow_run_name", template, owner, f"cannot be read: {error}") from None
    for field in fields:
        name = field.replace("[", ".").partition(".")[0]
        if name not in known:
            hint = f"in braces may stand: {', '.join(known)}" if known else "a brace itself is written {{"
            raise _bad("flow_run_name", template, owner, f"names {name!r}, which is no parameter", hint)


def _flag(value: object, name: str, owner: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise _bad(name, value, owner, "must be True or False")
    return value


def _partitions(value: object, name: str, owner: str) -> object:
    if value is not None and not (hasattr(value, "closes_at") and hasattr(value, "dimension")):
        hint = 'write partitions=DailyPartitions("2026-11-01")'
        raise _bad(name, value, owner, "must be partitions", hint)
    return value


_CONVERT: Mapping[str, Callable[[object, str, str], object]] = {
    "name": _name,
    "run_name": _run_name,
    "description": _text,
    "version": _text,
    "tags": _tags,
    "cache_policy": _policy,
    "cache_expiration": _expiration,
    "retries": _count,
    "retry_delay_seconds": _delay,
    "retry_jitter_factor": _positive,
    "retry_condition_fn": _function,
    "timeout_seconds": _positive,
    "log_prints": _flag,
    "refresh_cache": lambda value, name, owner: bool(_flag(value, name, owner)),
    "on_completion": _hooks,
    "on_failure": _hooks,
    "on_running": _hooks,
    "validate_parameters": lambda value, name, owner: bool(_flag(value, name, owner)),
    "data_version": _function,
    "unordered": lambda value, name, owner: bool(_flag(value, name, owner)),
    "partitions": _partitions,
    "cache_key_fn": _function,
    "code": as_pinned,
    "deps": as_deps,
    "ignore": as_ignored,
}


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Make delays that double, for ``retry_delay_seconds=``.

    Args:
        backoff_factor: Seconds before the first retry.

    Returns:
        A function from the number of retries to that many delays, at most 50.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**attempt for attempt in range(min(retries, MAX_DELAYS))]

    return delays
