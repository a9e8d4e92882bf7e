"""A file that lies at its place already, taken as a version: its bytes are digested, and copied where they are kept."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from blake3 import blake3

from nacre.encoding import digest
from nacre.errors import NacreError, StoreError, StoreUnavailable, UnserialisableValue
from nacre.keys import key_of, resolved
from nacre.store import formats
from nacre.store.contents import Contents
from nacre.store.publish.publisher import Publisher
from nacre.store.records import INLINE_BYTES, Output
from nacre.version.outline import Outline

#: The rule by which the content of such a version is told from others: byte for byte, as that of a returned ``Path``.
BYTES_RULE = "bytes of the file"
MAX_TRIES = 4
_CHUNK = 1 << 20


class TakenFile(NamedTuple):
    """A file that was taken.

    Args:
        output: What the action record keeps of it.
        mark: What its place said of the file that was read.
    """

    output: Output
    mark: str


def take(
    publisher: Publisher,
    contents: Contents,
    slot: str,
    *,
    keeps: bool,
    is_written: bool = False,
    present: Output | None = None,
) -> TakenFile:
    """Take the file at the place of a slot as a version. Reads it once, whatever its size, in constant memory.

    What a step wrote itself must be what its key says it is, so it is opened as such, and JSON and arrays are loaded.

    Args:
        publisher: Knows the place.
        contents: Where its bytes are kept; invisible until the record that names them is committed.
        slot: Whose file it is.
        keeps: True copies the bytes into the store; False leaves all but small ones where they lie.
        is_written: True where the step that makes the asset wrote it.
        present: The version that is current: a file with its bytes is not copied again.

    Raises:
        FileNotFoundError: There is no file.
        UnserialisableValue: It is not what its key says it is.
        StoreError: It cannot be read, or changes all the time.
    """
    for _ in range(MAX_TRIES):
        before = publisher.marks([slot]).get(slot, "")
        if not before:
            raise FileNotFoundError(publisher.location(slot))
        seen = _read(publisher, slot)
        if is_written and (problem := _unfit(publisher, slot, seen)):
            raise _no_value(publisher, slot, seen.size_bytes, problem)
        name = ""
        is_same = present is not None and present.digest == seen.digest
        if present is not None and is_same and present.object and contents.is_there(present):
            name = present.object
        elif keeps and seen.size_bytes > INLINE_BYTES:
            name = contents.new_name(key_of(slot))
            publisher.copy_to(slot, contents.objects, name)
        # One and the same all the while: what was digested is what was copied, and what the mark stands for.
        if publisher.marks([slot]).get(slot) == before:
            return TakenFile(_output(slot, seen, name, is_written=is_written), before)
    facts = {"asset": slot, "place": publisher.location(slot)}
    raise StoreUnavailable(
        "A file changes all the time while it is read", facts, "run again when it is whole"
    )


class _Seen(NamedTuple):
    """What reading a file told of it."""

    digest: str
    size_bytes: int
    inline: bytes
    format: str


def _read(publisher: Publisher, slot: str) -> _Seen:
    hasher, size, start, end = blake3(), 0, bytearray(), b""
    kind = formats.of_file(key_of(slot))
    decoder = codecs.getincrementaldecoder("utf-8")()
    with publisher.open(slot) as source:
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
            end = (end + chunk[-4:])[-4:]
            if len(start) <= INLINE_BYTES:
                start += chunk[: INLINE_BYTES + 1 - len(start)]
            if kind == "text" and not _is_text(decoder, chunk):
                kind = formats.FILE
    if kind == "text" and not _is_text(decoder, b"", final=True):
        kind = formats.FILE  # as bytes of another encoding are kept, so that nothing is lost
    if kind == "parquet" and (bytes(start[:4]), end) != (b"PAR1", b"PAR1"):
        raise _no_value(publisher, slot, size, _Unfit("Parquet"))
    return _Seen(hasher.hexdigest(), size, bytes(start), kind)


class _Unfit(NamedTuple):
    """What a file is not, and what told so."""

    format: str
    problem: str = ""


def _unfit(publisher: Publisher, slot: str, seen: _Seen) -> _Unfit | None:
    """Say why a file is not what its key says it is; None where it is."""
    wanted = formats.of_file(key_of(slot))
    if wanted == "text" and seen.format != "text":
        return _Unfit("UTF-8 text", "it has bytes that UTF-8 has not")
    if wanted not in _LOADED:
        return None
    with publisher.open(slot) as source:
        try:
            _LOADED[wanted](source)
        except (MemoryError, StoreError):
            raise
        except NacreError as error:
            return _Unfit(_NAMES[wanted], error.what)
        except Exception as error:  # each library has its own
            return _Unfit(_NAMES[wanted], str(error).splitlines()[0] if str(error) else type(error).__name__)
    return None


def _open_parquet(source: BinaryIO) -> object:
    import pyarrow.parquet as pq  # heavy, so imported when a table is met

    return pq.ParquetFile(source).metadata


#: What opens or loads a file of a format, and fails where it is none.
_LOADED: dict[str, Callable[[BinaryIO], object]] = {
    "json": lambda source: formats.load("json", source),
    "npy": lambda source: formats.load("npy", source),
    "parquet": _open_parquet,
}
_NAMES = {"json": "JSON", "npy": "NumPy array", "parquet": "Parquet"}


def _no_value(publisher: Publisher, slot: str, size_bytes: int, found: _Unfit) -> UnserialisableValue:
    facts = {
        "asset": resolved(slot),
        "place": publisher.location(slot),
        "size": f"{size_bytes:,} bytes",
        "problem": found.problem,
    }
    hint = "write the whole file under another name and rename it, or end the key in what it is"
    return UnserialisableValue(f"The file does not fit its key: it is no {found.format}", facts, hint)


def _is_text(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _output(slot: str, seen: _Seen, name: str, *, is_written: bool) -> Output:
    is_small = seen.size_bytes <= INLINE_BYTES
    return Output(
        asset=key_of(slot),
        data_version=digest("file", bytes.fromhex(seen.digest)),
        format=seen.format,
        size_bytes=seen.size_bytes,
        digest=seen.digest,
        outline=Outline("file", seen.size_bytes),
        object=name,
        inline=seen.inline if is_small and not name else b"",
        rule=BYTES_RULE,
        is_written=is_written,
        is_outside=not is_small and not name,
    )
