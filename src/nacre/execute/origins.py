"""What the arguments of a call are: versions of assets, values made from them, or plain parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from nacre.declare.parameters import Parameter, defaults, parameters
from nacre.errors import UnserialisableValue
from nacre.execute.active import ActiveRun
from nacre.execute.made import Made
from nacre.graph.graph import AnyTask
from nacre.graph.infer import asset_names
from nacre.keys import key_of, partition_of, slot
from nacre.planning.counted import counted
from nacre.planning.plan import slots_of
from nacre.planning.reason import Cause, Reason
from nacre.planning.settings import settings
from nacre.values import identify
from nacre.values.kinds import module_name
from nacre.version.fingerprint import InputVersion, Recipe, shown

Arguments = Mapping[str, object]


def instance_of(task: AnyTask) -> dict[str, object]:
    """Give the object that a method is bound to, by its parameter's name: a result depends on it as on any argument."""
    instance = getattr(task.fn, "__self__", None)
    if instance is None or task.code is None:
        return {}
    return {task.code.co_varnames[0]: instance}


def plain_key(task: AnyTask) -> str:
    """Name what a plain task makes, the same whether its file was started or imported."""
    module = task.fn.__module__
    return task.key.replace(f"//{module}.", f"//{module_name(module)}.", 1)


class Origins:
    """Tells what one call of a task rests on.

    Args:
        run: The run it happens in.
        task: What is called.
    """

    def __init__(self, run: ActiveRun, task: AnyTask) -> None:
        self._run = run
        self._task = task
        self._came_from: dict[str, list[InputVersion]] = {}
        self.parameters: dict[str, Parameter] = {each.name: each for each in parameters(task.fn)}
        #: Which slice the call makes, once that is known.
        self.partition = ""
        #: What the task's cache key function raised, for the step to fail with.
        self.key_error: BaseException | None = None

    def note(self, parameter: str, versions: Iterable[InputVersion]) -> None:
        """Remember what a future or state that was passed came from."""
        self._came_from.setdefault(parameter, []).extend(versions)

    def recipe(
        self, bound: Mapping[str, object], versions: Mapping[str, list[InputVersion]]
    ) -> tuple[Recipe, list[InputVersion], Reason | None]:
        """Split the arguments into asset versions, versions they derive from, and plain parameters.

        Returns:
            What the call is made from, versions that arguments derive from, and why it runs whatever is known, if so.
        """
        policy = self._task.options.cache_policy
        inputs: list[InputVersion] = []
        derived: list[InputVersion] = []
        digests: dict[str, str] = {}
        texts: dict[str, str] = {}
        problem: Reason | None = None
        bound = {**instance_of(self._task), **bound}
        for name in sorted(bound, key=self._position):
            if self.partition and name == getattr(self._task.options.partitions, "dimension", ""):
                continue
            value = bound[name]
            exact = self.exact(name, value) if name not in versions else None
            if name in versions or exact is not None:
                inputs += versions.get(name) or [cast(InputVersion, exact)._replace(parameter=name)]
                continue
            derived += [v._replace(parameter=name, derived=True) for v in self.lineage_of(value, name)]
            if policy is not None and policy.leaves_out(name):
                continue
            try:
                digest = identify(value).digest
                if not self._is_default(name, digest):
                    digests[name] = digest
                    if text := shown(name, value):
                        texts[name] = text
            except UnserialisableValue:
                # It cannot be told whether this argument changed, so the step runs and its record is its own.
                problem = Reason(Cause.UNKNOWN, f"argument `{name}` ({type(value).__name__})")
                digests[name] = f"unknown {self._run.workspace.new_id()}"
        passed = {key_of(each.asset) for each in inputs}
        for dep in self._task.asset_deps:
            inputs += self.dependencies(dep.key) if dep.key not in passed else ()
        keys = slots_of(self._task, self.partition) or [plain_key(self._task)]
        self._run.shared.producers.setdefault(keys[0], self._task)
        code = self._run.workspace.code.of(self._task).digest
        recipe = Recipe(keys, code, inputs, digests, partition=self.partition, shown=texts)
        if policy is not None and not policy.is_plain:
            arguments = {**defaults(self._task.fn), **bound}
            asked, self.key_error = self._run.survey.asking.answer(self._task, arguments)
            recipe, asks = counted(policy, recipe, asked)
            problem = problem or asks
        return recipe, derived, problem

    def or_key_error(self, arguments: Callable[[], Arguments]) -> Callable[[], Arguments]:
        """Give what loads the arguments of the step; what raises instead where its key function did."""

        def load() -> Arguments:
            if self.key_error is not None:
                raise self.key_error
            return arguments()

        return load

    def settings(self, *, is_source: bool = False) -> dict[str, str]:
        """Give what is part of the recipe besides code, inputs and parameters."""
        code = self._run.workspace.code.of(self._task)
        return settings(self._task.options, code, self._run.facts, self.partition, is_source=is_source)

    def _position(self, name: str) -> int:
        """Order inputs as a build does: as the parameters are written, variadic ones last."""
        listed = list(self.parameters)
        return listed.index(name) if name in self.parameters else len(listed)

    def _is_default(self, name: str, digest: str) -> bool:
        """True for a default given by hand: the code says it already, and a build would not give it."""
        standard = defaults(self._task.fn)
        try:
            return name in standard and identify(standard[name]).digest == digest
        except UnserialisableValue:
            return False

    def dependencies(self, asset: str) -> list[InputVersion]:
        """Give the current versions of one of ``asset_deps``: of its partition of this name, else of all it has."""
        heads, made = self._run.facts.heads, self._run.shared.made
        own = slot(asset, self.partition)
        if own in made or own in heads:
            return [self._dependency(own)]
        parts = sorted(each for each in {*heads, *made} if partition_of(each) and key_of(each) == asset)
        return [self._dependency(each) for each in parts or [asset]]

    def _dependency(self, asset: str) -> InputVersion:
        made = self._run.shared.made.get(asset)
        if made is not None:
            return made.version
        head = self._run.facts.heads.get(asset)
        return InputVersion("", asset, head.data_version if head else "", head.seq if head else 0)

    def exact(self, name: str, value: object) -> InputVersion | None:
        """Return the version that a value is, content and all; None where it is none."""
        candidates = self._came_from.get(name, [])[:1]
        held = self._run.shared.holdings.exact(value)
        if held is not None:
            candidates.append(held)
        named = self._named(name)
        if named is not None:
            candidates.append(named)
        for version in candidates:
            made = self._run.shared.versions.get((version.asset, version.data_version))
            if made is not None and self.is_still(made, value):
                return made.version
        return None

    def is_still(self, made: Made, value: object) -> bool:
        """Say whether a value still has the content of a version."""
        try:
            return identify(value).digest == (made.digest or made.output.data_version)
        except UnserialisableValue:
            return False

    def _named(self, name: str) -> InputVersion | None:
        """Return the version made in this run of the asset that a parameter's name or annotation means."""
        parameter = self.parameters.get(name)
        if parameter is not None and parameter.asset:
            made = self._run.shared.made.get(parameter.asset)
            return made.version if made else None
        scope = id(getattr(self._task.fn, "__globals__", None))
        found = [
            made
            for asset, made in self._run.shared.made.items()
            if partition_of(asset) in ("", self.partition) and name in self._names_of(asset, scope)
        ]
        return found[0].version if len(found) == 1 else None

    def _names_of(self, asset: str, scope: int) -> set[str]:
        producer = self._run.shared.producers.get(asset)
        if producer is None or id(getattr(producer.fn, "__globals__", None)) != scope:
            return set()
        return {name for name, key in asset_names(producer) if key == key_of(asset)}

    def lineage_of(self, value: object, name: str = "") -> list[InputVersion]:
        """Collect what a value came from: by object, by future, else by the parameter's name."""
        found = self._came_from.get(name, []) or self._run.shared.holdings.within(value)
        named = self._named(name) if name and not found else None
        return [named] if named is not None else found
