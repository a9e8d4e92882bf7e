"""Answers what cache policies ask for: the run, the parameters of its flow, and the text of ``cache_key_fn``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple

from nacre.declare.parameters import defaults
from nacre.declare.policy import CachePolicy
from nacre.encoding import digest_texts
from nacre.errors import TypeMismatch, UnserialisableValue, said
from nacre.execute.arguments import load_arguments, partition_argument
from nacre.execute.made import Made, Shared
from nacre.execute.stored import Heads, Stored
from nacre.execute.workspace import Workspace
from nacre.graph.graph import AnyTask, Edge
from nacre.keys import partition_of
from nacre.planning.facts import Asked
from nacre.values import identify


class KeyContext(NamedTuple):
    """What a ``cache_key_fn`` is told besides the parameters.

    Args:
        task: What is called.
        task_run: Its ``name``, ``flow_run_id`` and ``tags``.
        flow_run: The run's ``id`` and ``name``.
        flow_parameters: What the flow was called with.
        parameters: The arguments, once more.
    """

    task: AnyTask
    task_run: SimpleNamespace
    flow_run: SimpleNamespace
    flow_parameters: Mapping[str, object]
    parameters: Mapping[str, object]


class LazyArguments(Mapping[str, object]):
    """The arguments of a step that may not run: each value is loaded when it is first looked at.

    Args:
        loads: Name to what loads the value.
    """

    def __init__(self, loads: Mapping[str, Callable[[], object]]) -> None:
        self._loads = loads
        self._loaded: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._loaded:
            self._loaded[name] = self._loads[name]()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loads)

    def __len__(self) -> int:
        return len(self._loads)


class Asking(NamedTuple):
    """Answers for one run, in builds and in calls.

    It holds no run and no plan: facts that held what holds them would wait for the garbage collector.

    Args:
        workspace: Where values are stored.
        shared: What the run made so far.
        stored: What is stored of it.
        run: The run's id.
        name: Its name.
        root: Id of the run at the root of its tree.
        arguments: What its flow was called with, defaults included.
        heads: What was current at the start.
    """

    workspace: Workspace
    shared: Shared
    stored: Stored
    run: str
    name: str
    root: str
    arguments: Mapping[str, object]
    heads: Heads

    def __call__(self, step: str, edges: Sequence[tuple[str, str, bool]], taken: Mapping[str, str]) -> Asked:
        """Answer for a step of a plan, whose upstreams are settled; their values are read only if looked at."""
        task = self.shared.producers[step]
        asked, error = self.answer(task, self._arguments(step, task, edges, taken))
        if error is not None:
            self.shared.key_errors[step] = error
        return asked

    def answer(self, task: AnyTask, arguments: Mapping[str, object]) -> tuple[Asked, BaseException | None]:
        """Answer for a step with its arguments; what its key function raised is for the step to raise."""
        policy = task.options.cache_policy
        assert policy is not None
        asked = Asked(run=self.root)
        if "flow_parameters" in policy.parts:
            asked = self._with_flow(asked)
        if not policy.keys:
            return asked, None
        try:
            return asked._replace(key=self._key(task, policy, arguments)), None
        except Exception as error:  # user code: the step carries it
            return asked._replace(failed=said(error).partition("\n")[0]), error

    def _with_flow(self, asked: Asked) -> Asked:
        digests: dict[str, str] = {}
        for name, value in self.arguments.items():
            try:
                digests[name] = identify(value).digest
            except UnserialisableValue:
                digests[name] = f"unknown {self.workspace.new_id()}"
                asked = asked._replace(unknown=f"parameter `{name}` ({type(value).__name__}) of the flow")
        return asked._replace(flow=digests)

    def _key(self, task: AnyTask, policy: CachePolicy, arguments: Mapping[str, object]) -> str | None:
        told = KeyContext(
            task,
            SimpleNamespace(name=task.name, flow_run_id=self.run, tags=task.options.tags),
            SimpleNamespace(id=self.run, name=self.name),
            self.arguments,
            arguments,
        )
        found = [key_fn(told, arguments) for key_fn in policy.keys]
        for key in found:
            if key is not None and not isinstance(key, str):
                facts = {"function": f"{task.name} at {task.place}", "returned": type(key).__name__}
                raise TypeMismatch(
                    "A cache_key_fn must return a text or None", facts, "put str(…) around the key"
                )
        keys = [key for key in found if key is not None]
        if len(keys) < len(found):
            return None
        return keys[0] if len(keys) == 1 else digest_texts("cache keys", keys)

    def _arguments(
        self, step: str, task: AnyTask, edges: Sequence[tuple[str, str, bool]], taken: Mapping[str, str]
    ) -> LazyArguments:
        contents, partition = self.workspace.contents, partition_of(step)

        def load(slot: str, as_type: object | None) -> object:
            return self._made(slot, taken).load(contents, as_type, f"the cache_key_fn of {task.name}")

        def whole(slots: Sequence[str], as_type: object | None) -> object:
            return contents.read_whole({partition_of(s): self._made(s, taken).output for s in slots}, as_type)

        def one(name: str) -> Callable[[], object]:
            own = [Edge(*edge) for edge in edges if edge[0] == name]
            return lambda: load_arguments(task, "", own, load, whole)[name]

        given = {**defaults(task.fn), **partition_argument(task, partition)}
        known: dict[str, Callable[[], object]] = {name: lambda v=v: v for name, v in given.items()}  # type: ignore[misc]  # bound early
        return LazyArguments({**known, **{edge[0]: one(edge[0]) for edge in edges if edge[0]}})

    def _made(self, slot: str, taken: Mapping[str, str]) -> Made:
        made = self.shared.made.get(slot)
        if made is not None:
            return made
        return self.stored.at(slot, taken[slot]) if slot in taken else self.stored.current(slot, self.heads)


def task_input_hash(context: KeyContext, arguments: Mapping[str, object]) -> str | None:
    """Make a cache key of a task and all its arguments, as Prefect's function of this name does.

    Args:
        context: What a ``cache_key_fn`` is told.
        arguments: The arguments of the call.

    Returns:
        The key; None where an argument has no identity, so that the task runs.
    """
    try:
        return digest_texts("task input", (context.task.key, identify(dict(arguments)).digest))
    except UnserialisableValue:
        return None
