"""How the moves of a run ended: what it makes from its own versions names them as they came to be. Pure.

A run names the versions it will make by the number that comes next. Where another run was faster, that number is of
another version: nothing may be current that says it was made from that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nacre.keys import partition_of, slot

Inputs = Mapping[str, tuple[str, int]]


class End(NamedTuple):
    """How a move ended that did not become the version it was expected to be.

    Args:
        seq: The version it became; 0 where its content never was current.
        run: Which run was ahead then.
        held: The version that a hold leaves current then.
        slot: Where that was, if not at the slot that was moved but at something that it was made from.
    """

    seq: int
    run: str = ""
    held: str = ""
    slot: str = ""


class Ends:
    """The moves of one run that did not end as expected, by slot and expected number; nearly always none."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int], End] = {}

    def note(self, made: str, expected: int, end: End) -> None:
        """Keep how a move ended, unless it is as expected."""
        if end != End(expected):
            self._ends[made, expected] = end

    def blocking(self, inputs: Inputs) -> End | None:
        """Find an input whose version never was current, so that nothing made from it may be; None where all were."""
        if not self._ends:
            return None
        found = ((each[0], self._ends.get(each)) for each in slots(inputs))
        ends = (end._replace(slot=end.slot or name) for name, end in found if end is not None and not end.seq)
        return next(ends, None)

    def as_they_came(self, inputs: Inputs) -> Inputs:
        """Give the inputs with the numbers that their versions came to have."""
        if not self._ends:
            return inputs
        ends = [self._ends.get(each) for each in slots(inputs)]
        named = zip(inputs.items(), ends, strict=True)
        return {name: (asset, end.seq if end else seq) for (name, (asset, seq)), end in named}


def slots(inputs: Inputs) -> Sequence[tuple[str, int]]:
    """List which versions inputs are: slot and number."""
    return [(slot(asset, partition_of(name)), seq) for name, (asset, seq) in inputs.items()]
