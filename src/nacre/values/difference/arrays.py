"""What differs between two numpy arrays: shape, type, elements. The library is never imported here."""

from __future__ import annotations

import sys
from typing import Any

from nacre.values.difference.found import ArrayDifference
from nacre.values.difference.shown import LIMIT


def array_difference(old: Any, new: Any) -> ArrayDifference:
    """Compare two arrays element by element, where their shapes are the same; NaN equals NaN."""
    kinds = tuple(old.shape), tuple(new.shape), str(old.dtype), str(new.dtype)
    if old.shape != new.shape:
        return ArrayDifference(*kinds)
    np = sys.modules["numpy"]
    try:
        differs = np.asarray(old != new)
    except TypeError:  # such as fields of other names
        return ArrayDifference(*kinds)
    if differs.shape != old.shape:
        return ArrayDifference(*kinds)
    if all(each.dtype.kind in "fcmM" for each in (old, new)):
        differs = differs & ~(np.isnan(old) & np.isnan(new))
    if all(each.dtype.kind in "fc" for each in (old, new)):
        # A comparison takes -0.0 for 0.0.
        differs = differs | (np.signbit(old.real) != np.signbit(new.real)) & (old == 0)
    changed = int(np.count_nonzero(differs))
    if not changed:
        return ArrayDifference(*kinds, changed)
    first = tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), old.shape))
    return ArrayDifference(*kinds, changed, first, _text(old[first]), _text(new[first]), _most(old, new, np))


def _most(old: Any, new: Any, np: Any) -> str | None:
    """Work out the greatest distance between two numbers, without overflow; None for anything but numbers."""
    if not all(each.dtype.kind in "biuf" for each in (old, new)):
        return None
    with np.errstate(all="ignore"):
        distance = np.abs(old.astype("f8") - new.astype("f8"))
    return f"{float(np.nanmax(distance)):.6g}" if not np.isnan(distance).all() else None


def _text(element: Any) -> str:
    text = str(element)
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 1]}…"
