"""Finds declared assets in modules. Imports user code and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from nacre.declare.flow import Flow
from nacre.declare.task import Task
from nacre.errors import UsageError


def load_module(module: ModuleType | str | os.PathLike[str], folder: str = ".") -> ModuleType:
    """Return a module from a module, a dotted name or a file.

    Args:
        module: What to load. A file is imported once, under its stem, with its folder first on ``sys.path``, as
            ``python file.py`` would; the file that is running as ``__main__`` is taken as it is.
        folder: What a relative path starts from.

    Raises:
        UsageError: There is no such module or file. What the module itself raises is passed on untouched.
    """
    if isinstance(module, ModuleType):
        return module
    text = os.fspath(module)
    if text.endswith(".py") or os.sep in text:
        return _load_file(os.path.realpath(os.path.join(folder, text)), text)
    try:
        return importlib.import_module(text)
    except ModuleNotFoundError as error:
        if error.name and (text == error.name or text.startswith(error.name + ".")):
            hint = f"a file is given with its ending: {text.replace('.', os.sep)}.py"
            raise UsageError(f"No module named {text!r}", {"looked in": "sys.path"}, hint) from None
        raise


def _load_file(path: str, given: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(f"No such file: {given}", {"looked at": path})
    for loaded in list(sys.modules.values()):
        file = getattr(loaded, "__file__", None)
        if file and os.path.realpath(file) == path:
            return loaded
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules or not name.isidentifier():
        name = f"{os.path.basename(os.path.dirname(path))}_{name}".replace("-", "_").replace(".", "_")
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def assets_in(modules: Iterable[ModuleType]) -> list[Task[..., object]]:
    """List the materializing tasks that are bound to a name in the modules, in order, each once.

    Variants made by ``with_options`` are for calls; they count only where they replace the task they came from.
    """
    return _declared(value for module in modules for value in vars(module).values())


def flows_in(module: ModuleType) -> dict[str, Flow[..., object]]:
    """Map names to the flows that are bound to them in a module."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Flow)}


def assets_beside(task: Task[..., object]) -> Sequence[Task[..., object]]:
    """List the materializing tasks of the module (or REPL) that a task was written in."""
    return _declared(list(getattr(task.fn, "__globals__", {}).values()))


def _declared(values: Iterable[object]) -> list[Task[..., object]]:
    found = {id(value): value for value in values if isinstance(value, Task) and value.assets}
    return [task for task in found.values() if task.variant_of is None or _replaces(task, found)]


def _replaces(variant: Task[..., object], found: Mapping[int, Task[..., object]]) -> bool:
    """Say whether a variant makes the same assets as its origin, which is bound to no name any more."""
    origin: Task[..., object] | None = variant.variant_of
    while origin is not None:
        if id(origin) in found or origin.assets != variant.assets:
            return False
        origin = origin.variant_of
    return True
