"""A small project on disk, imported afresh and forgotten again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType

from nacre.version.code import CodeIdentity, CodeVersions


class Project:
    """Writes files below a directory; inside ``with`` its modules can be imported.

    Args:
        root: The directory.
        files: Path to text; files below ``site-packages`` count as installed.
    """

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._names = {Path(name).parts[0].removesuffix(".py") for name in files}

    def __enter__(self) -> Project:
        # Another test may have imported a module of the same name, as the example's pipeline.
        self._others = {name: sys.modules.pop(name) for name in self._names if name in sys.modules}
        self._modules = set(sys.modules)
        self._path = list(sys.path)
        # Bytecode of an edit within the same second would be taken for the edited file's.
        self._bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.path[:0] = [str(self.root), str(self.root / "site-packages")]
        importlib.invalidate_caches()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.path[:] = self._path
        sys.dont_write_bytecode = self._bytecode
        for name in set(sys.modules) - self._modules:
            if str(self.root) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        sys.modules.update(self._others)

    def load(self, module: str) -> ModuleType:
        """Import one of its modules."""
        return importlib.import_module(module)

    def versions(self) -> CodeVersions:
        """Make a fresh identifier for its code."""
        return CodeVersions([str(self.root)])

    def identify(self, module: str, function: str) -> CodeIdentity:
        """Identify a function of one of its modules."""
        return self.versions().identify(getattr(self.load(module), function))
