"""Values in and out of the store: choose a format, keep small ones inline, verify every byte that is read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, cast

from blake3 import blake3

from nacre.encoding import digest_bytes, digest_chunks
from nacre.errors import CorruptObject, NacreError, TypeMismatch
from nacre.keys import key_path
from nacre.store import formats
from nacre.store.port import ObjectStore
from nacre.store.publish.port import Content
from nacre.store.records import INLINE_BYTES, Output
from nacre.values import ValueIdentity

_CHUNK = 1 << 20


class Contents:
    """The bytes of values: written once under a name that is never reused, read back verified.

    Args:
        objects: Where bytes above 64 KiB go.
        new_id: Makes the unique part of an object's name.
        outside: Opens the file of others that lies at a key, for versions whose bytes are nowhere else.
    """

    def __init__(
        self,
        objects: ObjectStore,
        new_id: Callable[[], str],
        outside: Callable[[str], BinaryIO] | None = None,
    ) -> None:
        self.objects = objects
        self._new_id = new_id
        self._outside = outside

    def write(
        self, asset: str, value: object, identity: ValueIdentity, data_version: str, rule: str = ""
    ) -> Output:
        """Store a value; nothing is visible until the record that names it is committed.

        Args:
            asset: Key it belongs to; chooses the format by its extension.
            value: The value.
            identity: Its content digest and outline.
            data_version: What counts as its content; the digest itself unless the asset has its own rule.
            rule: Name of that rule.

        Returns:
            What the action record keeps of it.

        Raises:
            UnserialisableValue: No format brings the value back as it is.
            StoreError: The bytes could not be written.
        """
        name = ""

        def spill() -> AbstractContextManager[BinaryIO]:
            nonlocal name
            name = self.new_name(asset)
            return self.objects.put(name)

        sink = _Sink(spill, INLINE_BYTES)
        with sink:
            kind = formats.save(value, identity, asset, cast(BinaryIO, sink))
        return Output(
            asset=asset,
            data_version=data_version,
            format=kind,
            size_bytes=sink.size_bytes,
            digest=sink.digest(),
            outline=identity.outline,
            object=name,
            inline=b"" if name else sink.data(),
            rule=rule,
        )

    def new_name(self, asset: str) -> str:
        """Make the name of a new object of an asset."""
        return f"data/{key_path(asset)}/{self._new_id()}"

    def read(self, output: Output, as_type: object | None = None) -> object:
        """Load a value as the given type; its bytes are verified first.

        An iterator of record batches reads on while it is consumed, and closes its source at its end.

        Args:
            output: What the action record says of it.
            as_type: Type to load as; None for the one it was saved from.

        Raises:
            CorruptObject: The bytes are missing or are not the ones that were stored.
            TypeMismatch: It cannot become that type, or is no value of its format.
        """
        return self._decoded(output, lambda source: formats.load(output.format, source, as_type))

    def read_whole(self, outputs: Mapping[str, Output], as_type: object | None = None) -> object:
        """Load the partitions of an asset as one value, one after the other; the bytes of each are verified first.

        Args:
            outputs: Partition to what its action record says, in the order they shall come in.
            as_type: As in ``formats.load_whole``.

        Raises:
            CorruptObject: Bytes are missing or are not the ones that were stored.
            TypeMismatch: They cannot become that type.
        """

        def read(name: str, decode: Callable[[BinaryIO], object]) -> object:
            try:
                return self._decoded(outputs[name], decode)
            except NacreError as error:
                error.about("partition", name)
                raise

        return formats.load_whole({name: each.format for name, each in outputs.items()}, read, as_type)

    def content(self, output: Output) -> Content:
        """Give the stored bytes of a value to a place, which copies them in the cheapest way it knows."""
        return Content(self.objects, output.object, output.inline, output.size_bytes, output.digest)

    def beginning(self, output: Output, rows: int) -> object:
        """Read the beginning of a value as plain data, for people: no class that data names is made.

        Args:
            output: What the action record says of it.
            rows: How many rows, lines or items are wanted.

        Raises:
            CorruptObject: The bytes are missing or are not the ones that were stored.
            TypeMismatch: It is too large to be shown.
        """
        with self.open(output) as source:
            return formats.read_beginning(output.format, source, rows)

    def is_damaged(self, output: Output) -> bool:
        """Say whether the bytes of a value are missing or are not the ones that were stored; reads them all."""
        try:
            self.open(output).close()
        except CorruptObject:
            return True
        return False

    def is_there(self, output: Output) -> bool:
        """Say whether the bytes of a value are there, in their number; one look at the object, which is not read."""
        if not output.object:
            return True
        found = self.objects.head(output.object)
        return found is not None and found.size_bytes == output.size_bytes

    def open(self, output: Output) -> BinaryIO:
        """Open the verified bytes of a value.

        Raises:
            CorruptObject: They are missing, or are not the ones that were stored or seen.
        """
        if output.is_outside:
            return self._open_outside(output)
        if not output.object:
            if digest_bytes(output.inline) != output.digest:
                raise self._corrupt(output, "the bytes are not the ones that were stored")
            return io.BytesIO(output.inline)
        try:
            source = self.objects.get(output.object)
        except FileNotFoundError:
            raise self._corrupt(output, "the object is missing") from None
        if not _is_whole(source, output):
            raise self._corrupt(output, "the bytes are not the ones that were stored")
        return source

    def _decoded(self, output: Output, decode: Callable[[BinaryIO], object]) -> object:
        """Open a value, make what is wanted of its bytes, and close it, unless the result reads on."""
        source = self.open(output)
        reads_on = False
        try:
            value = decode(source)
            reads_on = formats.reads_on(value)
        except NacreError as error:
            error.about("asset", output.asset)
            raise
        except Exception as error:  # each library has its own
            if isinstance(error, MemoryError) or getattr(error, "errno", None):
                raise
            raise self._undecodable(output, error) from error
        finally:
            if not reads_on:
                source.close()
        return value

    def _open_outside(self, output: Output) -> BinaryIO:
        problem = "the file changed since then"
        try:
            source = self._outside(output.asset) if self._outside is not None else None
        except FileNotFoundError:
            source, problem = None, "the file is gone"
        if source is None or not _is_whole(source, output):
            facts = {"asset": output.asset, "problem": problem, "expected": _described(output)}
            hints = (
                "build again: what lies there now becomes a new version",
                "keep_external = true in nacre.toml keeps the bytes of each version that is seen",
            )
            raise CorruptObject("A version of an external file can no longer be read", facts, hints)
        return source

    def _undecodable(self, output: Output, error: Exception) -> TypeMismatch:
        """Make the error of bytes that are the ones that were stored, and no value of their format."""
        where = output.object or ("the file of others" if output.is_outside else "inline in its record")
        text = str(error).strip() or type(error).__name__
        facts = {
            "asset": output.asset,
            "format": output.format,
            "object": where,
            "problem": text.splitlines()[0],
        }
        hints = (
            f"look at the file: nacre.load({output.asset!r}, as_type=Path)",
            "or annotate the parameter with Path or bytes, and read it yourself",
        )
        return TypeMismatch("A version's bytes are no value of its format", facts, hints)

    def _corrupt(self, output: Output, problem: str) -> CorruptObject:
        facts = {
            "asset": output.asset,
            "object": output.object or "inline in its record",
            "problem": problem,
            "expected": _described(output),
        }
        hint = f"make it again: nacre build {output.asset} --refresh"
        return CorruptObject("A stored value cannot be read", facts, (hint, "no other version is affected"))


def _is_whole(source: BinaryIO, output: Output) -> bool:
    """Whether a reader has the bytes of a value; it is at its beginning then, and else closed."""
    if digest_chunks(iter(lambda: source.read(_CHUNK), b"")) != output.digest:
        source.close()
        return False
    source.seek(0)
    return True


def _described(output: Output) -> str:
    return f"{output.size_bytes:,} bytes with digest {output.digest[:16]}…"


class _Sink(io.RawIOBase):
    """A writer that hashes what it gets, keeps a little of it inline and spills the rest to an object."""

    def __init__(self, spill: Callable[[], AbstractContextManager[BinaryIO]], limit: int) -> None:
        self._spill = spill
        self._limit = limit
        self._inline = bytearray()
        self._hasher = blake3()
        self._writing: AbstractContextManager[BinaryIO] | None = None
        self._object: BinaryIO | None = None
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size_bytes

    def write(self, data: object, /) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # any buffer, as file objects take
        self._hasher.update(view)
        self.size_bytes += view.nbytes
        if self._object is None and self.size_bytes > self._limit:
            self._writing = self._spill()
            self._object = self._writing.__enter__()
            self._object.write(bytes(self._inline))
        if self._object is None:
            self._inline += view
        else:
            self._object.write(view)
        return view.nbytes

    def digest(self) -> str:
        return self._hasher.hexdigest()

    def data(self) -> bytes:
        return bytes(self._inline)

    def __exit__(self, *error: object) -> None:
        # Not RawIOBase's: closing would forget what was kept, and an error must reach the object's writer.
        if self._writing is not None:
            self._writing.__exit__(*error)  # type: ignore[arg-type]  # the three of a with statement
