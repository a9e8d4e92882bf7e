"""Finds declared assets in modules. Imports user code and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType

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
    if not text.strip(".") or (os.path.isdir(os.path.join(folder, text)) and not text.isidentifier()):
        raise UsageError(f"No module or file: {text!r}", {"given": text}, "name a file: pipeline.py")
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
    there = os.stat(path)
    for loaded in list(sys.modules.values()):
        if _is_from(loaded, there):
            return loaded
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules or not name.isidentifier():
        name = f"{os.path.basename(os.path.dirname(path))}_{name}".replace("-", "_").replace(".", "_")
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path, loader=_FreshLoader(name, path))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, ImportError) and "relative import" in str(error):
            hint = f"name the module instead, from the folder above its package: -m {_dotted(path)}"
            raise UsageError(
                f"{given} is part of a package and imports its siblings", {"file": path}, hint
            ) from error
        raise
    return module


def _is_from(module: object, there: os.stat_result) -> bool:
    # The file itself is compared: to follow the links of a thousand names asks the disk ten thousand times. And
    # sys.modules may hold anything.
    file = getattr(module, "__file__", None)
    try:
        return isinstance(file, str) and os.path.samestat(os.stat(file), there)
    except (OSError, ValueError):  # in an archive, gone, or no path at all
        return False


class _FreshLoader(SourceFileLoader):
    """Loads a file from its bytecode only where that is younger than the file's last change.

    Python itself compares the time in whole seconds and the size: an edit within the second, or a file put back with
    its old time, would run the old code.
    """

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        try:
            bytecode = importlib.util.cache_from_source(path)
            if os.stat(bytecode).st_mtime_ns <= os.stat(path).st_ctime_ns:
                os.unlink(bytecode)  # it is written afresh below
        except (OSError, NotImplementedError):
            return self.source_to_code(self.get_data(path), path)
        return super().get_code(fullname)


def _dotted(path: str) -> str:
    """Name the module a file is, by the packages it lies in."""
    folder, stem = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    parts = [stem]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, parent = os.path.split(folder)
        parts.insert(0, parent)
    return ".".join(parts)


def assets_in(modules: Iterable[ModuleType]) -> list[Task[..., object]]:
    """List the materializing tasks that are bound to a name in the modules, or lie in a list or dict that is.

    In order, each once.

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
    found = {
        id(each): each
        for value in values
        for each in ((value,) if isinstance(value, Task) else _held(value))
        if isinstance(each, Task) and each.assets
    }
    return [task for task in found.values() if task.variant_of is None or _replaces(task, found)]


def _held(value: object) -> Iterable[object]:
    """Look into a list, tuple, set or dict that holds tasks, as a factory called in a loop leaves them."""
    if not isinstance(value, (list, tuple, set, frozenset, dict)) or not value:
        return ()
    values = value.values() if isinstance(value, dict) else value
    return values if isinstance(next(iter(values)), Task) else ()


def _replaces(variant: Task[..., object], found: Mapping[int, Task[..., object]]) -> bool:
    """Say whether a variant makes the same assets as its origin, which is bound to no name any more."""
    origin: Task[..., object] | None = variant.variant_of
    while origin is not None:
        if id(origin) in found or origin.assets != variant.assets:
            return False
        origin = origin.variant_of
    return True
