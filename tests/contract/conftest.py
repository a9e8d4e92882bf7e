"""Places that refuse: a directory that cannot be written, or not be listed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

pytest.register_assert_rewrite("nacre.testing")

_NOBODY = 65534


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Run a block as somebody else than the superuser, whom no permission stops."""
    root_user = os.geteuid() == 0
    if root_user:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root_user:
            os.seteuid(0)


@pytest.fixture
def sealed() -> Callable[[Path], AbstractContextManager[None]]:
    """Seal a directory with all it holds: inside the block this process may read but not write there."""

    @contextmanager
    def seal(root: Path) -> Iterator[None]:
        places = [root, *root.rglob("*")]
        modes = {place: place.stat().st_mode for place in places}
        for place in places:
            place.chmod(0o555 if place.is_dir() else 0o444)
        try:
            with _as_nobody():
                yield
        finally:
            for place, mode in modes.items():
                place.chmod(mode)

    return seal


@pytest.fixture
def unlisted() -> Callable[[Path], AbstractContextManager[None]]:
    """Close a directory to whoever would list it: inside the block this process may enter it and write there."""

    @contextmanager
    def close(root: Path) -> Iterator[None]:
        mode = root.stat().st_mode
        root.chmod(0o333)
        try:
            with _as_nobody():
                yield
        finally:
            root.chmod(mode)

    return close


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """An empty directory that every user can reach, unlike ``tmp_path``."""
    path = Path(tempfile.mkdtemp(prefix="nacre-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
