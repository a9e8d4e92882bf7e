"""numpy arrays of plain elements, in numpy's own ``.npy`` format. Nothing is pickled, on either side."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from nacre.store.formats.annotation import label, mismatch


class Npy:
    """Stores ``numpy.ndarray`` without Python objects in it."""

    name = "npy"
    extension = ".npy"

    def accepts(self, value: object) -> bool:
        """Say whether it is an array of plain elements."""
        kind = type(value)
        if kind.__name__ != "ndarray" or kind.__module__ != "numpy":
            return False
        array: Any = value
        return not array.dtype.hasobject and array.dtype.kind != "T"

    def is_exact(self, value: object) -> bool:
        """Only plain dtypes certainly come back as they were."""
        array: Any = value
        return array.dtype.kind in "biufc" or (array.dtype.kind == "V" and array.dtype.fields is None)

    def dump(self, value: object, sink: BinaryIO) -> None:
        """Write the array."""
        import numpy as np  # heavy, so imported when an array is met

        array: Any = value
        np.lib.format.write_array(sink, array, allow_pickle=False)

    def load(self, source: BinaryIO, as_type: object | None) -> object:
        """Read the array."""
        if as_type is not None and label(as_type) != "numpy.ndarray":
            raise mismatch("numpy.ndarray", as_type)
        import numpy as np  # heavy, so imported when an array is met

        # numpy reads straight into the array only from a real file.
        stream = source if isinstance(source, (io.BufferedReader, io.BytesIO)) else io.BytesIO(source.read())
        found: object = np.lib.format.read_array(stream, allow_pickle=False)
        return found
