"""Which format a value takes, saving with the proof that it comes back as it was, and loading.

A value is accepted only if loading what was saved gives the same data version: by construction for plain data and
safe tables, else by really loading it before anything is committed.
"""

from __future__ import annotations

import os.path
import threading
from typing import Any, BinaryIO

from nacre.errors import TypeMismatch, UnserialisableValue
from nacre.store.formats import annotation, cells, scratch
from nacre.store.formats.bytes import Bytes
from nacre.store.formats.files import File
from nacre.store.formats.json import Json
from nacre.store.formats.npy import Npy
from nacre.store.formats.parquet import Parquet, is_table
from nacre.store.formats.port import Format
from nacre.store.formats.text import Text
from nacre.values import ValueIdentity, identify, places, settle

_JSON, _TEXT, _BYTES, _FILE, _NPY, _PARQUET = Json(), Text(), Bytes(), File(), Npy(), Parquet()
_FORMATS: dict[str, Format] = {made.name: made for made in (_JSON, _TEXT, _BYTES, _FILE, _NPY, _PARQUET)}
_TEXTS = "txt md html htm csv tsv xml svg sql yaml yml toml ini log jsonl ndjson geojson"
_BINARIES = "png jpg jpeg gif webp pdf zip gz zst tar bin xlsx docx feather arrow avro orc pkl mp3 mp4 wav"
_BY_EXTENSION: dict[str, Format] = {
    ".parquet": _PARQUET,
    ".json": _JSON,
    ".npy": _NPY,
    **{f".{ending}": _TEXT for ending in _TEXTS.split()},
    **{f".{ending}": _BYTES for ending in _BINARIES.split()},
}
FILE = _FILE.name
#: Verification copies up to this size stay in memory.
_SPOOL_BYTES = 8 << 20
#: What libraries raise for a value of theirs that they wrote and cannot read; Arrow's own errors are among these.
_OF_LIBRARIES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
_OF_FRAMES = "give the labels, the index and each column one plain type, or make them text with .map(str)"


def choose(value: object, key: str) -> Format:
    """Choose the format of a value: what the key's extension asks for where it can hold the value, else by type.

    Bytes and files are kept as they are under any extension, since the user has made them.

    Raises:
        UnserialisableValue: The key asks for a format that cannot hold the value.
    """
    natural = _natural(value)
    extension = os.path.splitext(key)[1].lower()
    wanted = _BY_EXTENSION.get(extension)
    if wanted is None or wanted is natural or value is None:
        return natural
    if natural is _BYTES or natural is _FILE:
        return natural
    if wanted.accepts(value):
        return wanted
    facts = {"key": key, "the key asks for": wanted.name, "value": annotation.label(type(value))}
    hint = f"end the key in {natural.extension}, or return what a {extension} file holds as text, bytes or a Path"
    raise UnserialisableValue(f"A value does not fit its key: it is stored as {natural.name}", facts, hint)


#: Nobody can change these.
_FIXED = frozenset({str, bytes, int, float, bool, type(None)})


def _natural(value: object) -> Format:
    kind = type(value)
    if kind is str and _TEXT.accepts(value):
        return _TEXT
    if kind is bytes:
        return _BYTES
    if kind is dict or kind is list or kind is str:
        return _JSON
    if is_table(value):
        return _PARQUET
    if _FILE.accepts(value):
        return _FILE
    return _NPY if _NPY.accepts(value) else _JSON


def of_file(key: str) -> str:
    """Name the format in which a file that others wrote is read: what its key's extension says, else as it is."""
    wanted = _BY_EXTENSION.get(os.path.splitext(key)[1].lower())
    return _FILE.name if wanted is None or wanted is _BYTES else wanted.name


def holds_none(key: str) -> bool:
    """Say whether ``None`` is something that the file of a key may hold."""
    return _BY_EXTENSION.get(os.path.splitext(key)[1].lower(), _JSON) is _JSON


def by_name(name: str) -> Format:
    """Give the format a record names.

    Raises:
        TypeMismatch: This version of nacre has no such format.
    """
    found = _FORMATS.get(name)
    if found is None:
        facts = {"format": name, "known": ", ".join(sorted(_FORMATS))}
        raise TypeMismatch("A value is stored in a format this nacre does not know", facts, "update nacre")
    return found


def save(value: object, identity: ValueIdentity, key: str, sink: BinaryIO) -> str:
    """Write a value so that loading it gives the same data version.

    Args:
        value: The value. A lazy frame or relation runs its query here; settle it before identifying to run it once.
        identity: Its identity, as it was before saving.
        key: The asset key; its extension may ask for a format.
        sink: Where the bytes go. When this raises, what was written must be discarded.

    Returns:
        The name of the format, for the record.

    Raises:
        UnserialisableValue: The value, or a part of it, would not come back as it was.
    """
    settled = settle(value)
    if settled is not value and identify(settled).digest != identity.digest:
        facts = {"key": key, "type": annotation.label(type(value))}
        hint = "order the rows and leave out what is random, or return the collected table"
        raise UnserialisableValue("A query gave other rows when it was run again", facts, hint)
    chosen = choose(settled, key)
    if chosen.is_exact(settled):
        chosen.dump(settled, sink)
        if type(settled) not in _FIXED and _is_shared() and identify(settled).digest != identity.digest:
            facts = {"key": key, "type": annotation.label(type(value))}
            hint = "wait for the threads that work on it, or return a copy"
            raise UnserialisableValue("A value was changed while it was being stored", facts, hint)
    else:
        _save_verified(settled, identity, chosen, sink)
    return chosen.name


def _is_shared() -> bool:
    """Whether threads run that are neither ours nor the first one: they may hold the value."""
    own = threading.main_thread()
    return any(thread is not own and not thread.name.startswith("nacre-") for thread in threading.enumerate())


def _save_verified(value: object, identity: ValueIdentity, chosen: Format, sink: BinaryIO) -> None:
    import tempfile  # costs start-up time, and plain values never come here

    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        stream: Any = spool
        chosen.dump(value, stream)
        stream.seek(0)
        _verify(value, identity, chosen, stream)
        stream.seek(0)
        scratch.pour(stream, sink)


def _verify(value: object, identity: ValueIdentity, chosen: Format, stream: BinaryIO) -> None:
    """Load a stored value, and refuse it where it is not what was saved."""
    try:
        loaded = chosen.load(stream, None)
        found = identify(loaded)
    except (TypeMismatch, UnserialisableValue) as error:
        facts = (f"{name}: {what}" for name, what in error.facts.items())
        raise _changed(value, chosen, "\n".join([error.what, *facts, *error.hint])) from error
    except _OF_LIBRARIES as error:
        problem = (
            f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
        )
        raise _changed(value, chosen, problem) from error
    cells.compare(value, loaded)
    if found.digest != identity.digest:
        raise _changed(value, chosen, "its content or types differ after loading")


def _changed(value: object, chosen: Format, problem: str) -> UnserialisableValue:
    facts = {"type": annotation.label(type(value)), "format": chosen.name, "problem": problem}
    hint = _OF_FRAMES if facts["type"] == "pandas.DataFrame" else places.ANYTHING
    if place := places.undeclared(value):
        facts["not declared"] = place
        hint = "declare it as a field of its class, or give the class a __data_key__ if it does not count"
    return UnserialisableValue("A value would not come back as it was saved", facts, hint)


def load(name: str, source: BinaryIO, as_type: object | None = None) -> object:
    """Read a stored value.

    Args:
        name: The format, as ``save`` returned it.
        source: The stored bytes, seekable. Batches read on from it, and close it; see ``reads_on``.
        as_type: The consumer's annotation, resolved; None for the type it was saved as. ``Path`` gives a private copy
            of the stored file, in any format.

    Raises:
        TypeMismatch: What is stored cannot become that type; the text names both.
    """
    chosen = by_name(name)
    wanted = annotation.alternatives(as_type)
    for option in wanted:
        try:
            if annotation.is_path(option):
                return scratch.copy(source, chosen.extension)
            return chosen.load(source, option)
        except TypeMismatch:
            if option is wanted[-1]:
                raise
            source.seek(0)
    raise AssertionError("an annotation has at least one alternative")
