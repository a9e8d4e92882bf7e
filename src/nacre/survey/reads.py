"""What files, folders and variables are like now, for steps that read them besides their inputs."""

from __future__ import annotations

import ast
import os
import threading
import time
from collections.abc import Iterator

from nacre.encoding import digest_bytes, digest_chunks, digest_texts
from nacre.planning.facts import UNSEEN
from nacre.store.codec import encode, remembered
from nacre.store.port import RecordStore
from nacre.store.records import State
from nacre.version.normal import expressions_text

MEMO = "state/reads"
MEMO_FORMAT = "r1"
_CHUNK = 1 << 20
# A file that was changed so shortly before it was digested may change again without its times showing it.
_RACY_NS = 2_000_000_000
#: Folders that tools keep for themselves; what lies in them is no input of anybody.
PRIVATE = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", "site-packages", "dist-packages"),
        *(".nacre", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".ipynb_checkpoints"),
    }
)


class Reads:
    """Digests what steps read. A file that was looked at before is read again only where its status says it changed.

    Args:
        root: Folder that relative paths start at.
        records: Where the digests of files are remembered.
    """

    def __init__(self, root: str, records: RecordStore) -> None:
        self.root = root
        self._records = records
        self._memo: dict[str, str] | None = None
        #: True where a digest is worth keeping for the next process.
        self.is_changed = False
        self._lock = threading.Lock()

    def digest(self, kind: str, name: str) -> str:
        """Digest something as it is now; empty where it is not there or cannot be read.

        Args:
            kind: ``file`` (a folder counts with all it holds), ``folder`` (only the names in it), ``source`` (Python
                without what means nothing: comments, docstrings, layout), ``env`` or ``unseen`` (always the same).
            name: A path, relative to the root where it is not absolute; or the variable.
        """
        if kind == "env":
            value = os.environ.get(name)
            return "" if value is None else digest_texts("env", [value])
        if kind == UNSEEN:
            return ""
        path = os.path.join(self.root, name)
        try:
            if kind == "folder":
                return digest_texts(
                    "folder", sorted(each for each in os.listdir(path) if each not in PRIVATE)
                )
            if kind == "source":
                return self._source(path)
            return self._tree(path) if os.path.isdir(path) else self._file(path)
        except OSError:
            return ""

    def save(self) -> None:
        """Keep the digests for the next process. Losing them costs time only."""
        with self._lock:
            if not self.is_changed or self._memo is None:
                return
            self.is_changed = False
            record = encode(State(digest=MEMO_FORMAT, entries=self._memo))
        stored = self._records.get(MEMO)
        if stored is None:
            self._records.create(MEMO, record)
        else:
            self._records.replace(MEMO, record, stored.token)

    def _tree(self, folder: str) -> str:
        texts: list[str] = []
        for path in sorted(_files_below(folder)):
            texts += (os.path.relpath(path, folder).replace(os.sep, "/"), self._file(path))
        return digest_texts("tree", texts)

    def _source(self, path: str) -> str:
        with open(path, "rb") as file:
            data = file.read()
        try:
            return digest_texts("source", [expressions_text(ast.parse(data).body).text])
        except (SyntaxError, ValueError):
            return digest_texts("broken source", [digest_bytes(data)])

    def _file(self, path: str) -> str:
        with self._lock:
            memo = self._memo = self._load() if self._memo is None else self._memo
        status = _status(path)
        known, _, digest = memo.get(path, "").partition(" ")
        if known == status:
            return digest
        taken = time.time_ns()
        with open(path, "rb") as file:
            digest = digest_chunks(iter(lambda: file.read(_CHUNK), b""))
        if _status(path) == status and os.stat(path).st_ctime_ns + _RACY_NS < taken:
            memo[path], self.is_changed = f"{status} {digest}", True
        return digest

    def _load(self) -> dict[str, str]:
        return remembered(self._records.get(MEMO), MEMO_FORMAT)


def _status(path: str) -> str:
    """Say what changes whenever a file does, as git does."""
    found = os.stat(path)
    return f"{found.st_ino}/{found.st_size}/{found.st_mtime_ns}/{found.st_ctime_ns}"


def _files_below(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in PRIVATE]
        yield from (os.path.join(place, each) for each in files)
