"""Whose code it is: the project's own, the framework's, the standard library's, or a distribution's.

Decided by the file the code was compiled from, never by ``__module__``, which ``functools.wraps`` copies.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_INSTALLED = frozenset({"site-packages", "dist-packages"})


class Origins:
    """Classifies files, modules and objects.

    Args:
        roots: Directories whose code is the project's own. So is code that belongs to nobody else: a file that is
            neither installed nor part of Python has no version that could stand for it.
        framework: Top-level modules whose objects say nothing about what a function computes.
    """

    def __init__(self, roots: Sequence[str], framework: Sequence[str]) -> None:
        self.roots = sorted({os.path.realpath(root) for root in roots}, key=len, reverse=True)
        self._framework = frozenset(framework)
        self._python = os.path.realpath(os.path.dirname(os.__file__))
        self._folders: dict[str, str] = {}
        self._own: dict[str, bool] = {}
        self._distributions: dict[str, tuple[tuple[str, str], ...]] = {}

    def owns_file(self, name: str) -> bool:
        """Tell whether a file is the project's own; constant after the first time."""
        own = self._own.get(name)
        if own is None:
            path = real_path(name, self._folders)
            root = self._root(path)
            rest = path[len(root) :] if root else path
            own = _INSTALLED.isdisjoint(rest.split(os.sep)) and (bool(root) or not _below(path, self._python))
            self._own[name] = own
        return own

    def owns_function(self, function: FunctionType) -> bool:
        """Tell whether a function was written in the project."""
        return self._owns_space(function.__globals__, function.__code__.co_filename)

    def owns_module(self, module: ModuleType) -> bool:
        """Tell whether a module, or the module of that class, is the project's own."""
        return self._owns_space(vars(module), getattr(module, "__file__", None) or "<none>")

    def owns_class(self, kind: type) -> bool:
        """Tell whether a class was written in the project."""
        module = sys.modules.get(kind.__module__)
        if kind.__module__ == "types" and not hasattr(module, kind.__name__):
            # Before Python 3.12 make_dataclass says that whatever it makes is from there.
            return True
        if kind.__module__ == "builtins" or kind.__module__.startswith("_cython_"):
            return False
        return module is None or self.owns_module(module)

    def is_framework(self, value: object) -> bool:
        """Tell whether an object is the framework's, or an instance of a class of the framework's."""
        if isinstance(value, FunctionType):
            name = value.__globals__.get("__name__")
        elif isinstance(value, ModuleType):
            name = value.__name__
        else:
            name = (value if isinstance(value, type) else type(value)).__module__
        return str(name).partition(".")[0] in self._framework

    def is_listed(self, name: str) -> bool:
        """Tell whether a file is below one of the roots, where whoever remembers a version looks for changes."""
        return bool(self._root(os.path.realpath(name)))

    def place(self, name: str) -> str:
        """Say where a file is, relative to the root it is under."""
        path = os.path.realpath(name)
        root = self._root(path)
        return os.path.relpath(path, root) if root else os.path.basename(name)

    def portable(self, text: str) -> str:
        """Take the place of the checkout out of a text that is a path below a root."""
        for root in self.roots:
            if text == root or text.startswith(root + os.sep):
                return "<root>" + text[len(root) :]
        return text

    def distributions(self, module: str) -> tuple[tuple[str, str], ...]:
        """Name the installed distributions a module comes from, with the version that counts.

        Returns:
            Pairs of name and version, major and minor only from 1.0 on; none for the standard library.
        """
        top = module.partition(".")[0]
        if top not in self._distributions:
            standard = top in sys.stdlib_module_names or top in sys.builtin_module_names
            self._distributions[top] = () if standard else self._installed(top)
        return self._distributions[top]

    def _installed(self, top: str) -> tuple[tuple[str, str], ...]:
        # Late: only a project that uses third-party packages pays for it.
        from importlib import metadata

        try:
            return ((top.lower(), _counted(metadata.version(top))),)
        except metadata.PackageNotFoundError:
            pass
        found = [each for each in metadata.distributions() if _brings(each, top)]
        names = sorted({each.metadata["Name"] for each in found})
        return tuple((name, _counted(metadata.version(name))) for name in names) or ((top, "?"),)

    def _owns_space(self, space: Mapping[str, object], file: str) -> bool:
        if file.startswith("<frozen ") or str(space.get("__name__")).partition(".")[0] in self._framework:
            return False
        if file.startswith("<"):
            # Typed into a console, or made by exec: as own as the module it runs in.
            file = str(space.get("__file__") or "")
            spec = getattr(space.get("__spec__"), "origin", None)
            return self.owns_file(file) if file else spec not in ("built-in", "frozen")
        return self.owns_file(file)

    def _root(self, path: str) -> str:
        return next((root for root in self.roots if _below(path, root)), "")


def real_path(name: str, folders: dict[str, str]) -> str:
    """Follow the links of a file's name as ``os.path.realpath``, which asks the disk about each part of each name.

    Args:
        name: Of one of many files that share a few folders, as modules do.
        folders: Where folders really are, as far as it is known; added to.
    """
    folder, file = os.path.split(name)
    if not os.path.isabs(name) or file in ("", os.curdir, os.pardir):
        return os.path.realpath(name)
    at = folders.get(folder)
    if at is None:
        at = folders[folder] = os.path.realpath(folder)
    path = os.path.join(at, file)
    return os.path.realpath(path) if os.path.islink(path) else path


def roots_of(name: str) -> list[str]:
    """Guess the project a file belongs to: its directory, and the working directory if that is above it."""
    here = os.path.realpath(os.getcwd())
    directory = os.path.dirname(os.path.realpath(name)) if os.path.isfile(name) else here
    return [directory, here] if directory == here or _below(directory, here) else [directory]


def _below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip(os.sep) + os.sep)


def _brings(distribution: Distribution, top: str) -> bool:
    # As importlib.metadata.packages_distributions has it, which parses every line of every distribution.
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return top in declared
    files = distribution.read_text("RECORD") or ""
    return re.search(rf"^{re.escape(top)}(/|\.py,|\.[^/,\n]*(so|pyd),)", files, re.MULTILINE) is not None


def _counted(version: str) -> str:
    """Leave out what a patch release changes; before 1.0 every release may change everything."""
    steps = version.split(".")
    return version if steps[0] == "0" else ".".join(steps[:2])
