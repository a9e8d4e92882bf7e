"""What a value is: its data version, its outline and a preview, the same for every library that can hold it.

Imports no data library; an adapter acts on what the program has imported already.
"""

from __future__ import annotations

from nacre.values.dispatch import identify, settle
from nacre.values.glimpse import Preview, preview
from nacre.values.identity import ValueIdentity
from nacre.values.unordered import unordered_version
from nacre.values.without import Without, without


def data_version(value: object) -> str:
    """Digest the content of a value, whatever library holds it.

    Args:
        value: A table, frame, array, Python value, or path to a file.

    Returns:
        64 hexadecimal digits; equal for equal content in every process, on every machine.

    Raises:
        UnserialisableValue: Something in the value has no identity; names where.
    """
    return identify(value).digest


__all__ = [
    "Preview",
    "ValueIdentity",
    "Without",
    "data_version",
    "identify",
    "preview",
    "settle",
    "unordered_version",
    "without",
]
