"""Heads that wait for the end of a flow: which of several versions they move to, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from nacre.keys import partition_of, slot
from nacre.store.commit import Commit
from nacre.store.records import Action


class Deferred(NamedTuple):
    """A move of one head that waits.

    Args:
        commit: It, with this one move.
        read: Name of each input, as in the move, to its content.
    """

    commit: Commit
    read: Mapping[str, str]


def contents_of(action: Action | None) -> dict[str, str]:
    """Say what a result was made from: name of each input, and of each asset it read besides, to its content."""
    if action is None:
        return {}
    read = {each.name: each.digest for each in action.reads if each.kind == "asset"}
    passed = ((each.name, slot(each.asset, each.partition), each.data_version) for each in action.inputs)
    found: dict[str, str] = {}
    for name, made, content in passed:
        found[made if name in found else name] = content
    return found | read


def chosen(waiting: Mapping[str, Sequence[Deferred]], last: Mapping[str, str]) -> list[Commit]:
    """Choose the version that each head moves to, what others were made from first.

    A head moves once, to the content of the last call. A version that was made from the content of an earlier call
    names that with the number 0: it never was a version, and the next number becomes that of other content.

    Args:
        waiting: Slot to the moves of its calls, in call order.
        last: Slot to the content that the last call of it gave.
    """
    moves: dict[str, Deferred] = {}
    for made, calls in waiting.items():
        content = last.get(made, calls[-1].commit.moves[0].data_version)
        # None where the last call took the version that is current already.
        same = [each for each in calls if each.commit.moves[0].data_version == content]
        if same:
            moves[made] = same[-1]
    expected = {made: calls[0].commit.moves[0].surveyed_seq + 1 for made, calls in waiting.items()}
    contents = {made: each.commit.moves[0].data_version for made, each in moves.items()}
    above: dict[str, list[str]] = {}
    commits: dict[str, Commit] = {}
    for made, (commit, read) in moves.items():
        inputs: dict[str, tuple[str, int]] = {}
        above[made] = []
        for name, (asset, seq) in commit.moves[0].inputs.items():
            source = slot(asset, partition_of(name))
            if seq == expected.get(source):
                became = contents.get(source, "")
                if read.get(name, became) == became and became:
                    above[made].append(source)
                else:
                    seq = 0
            inputs[name] = (asset, seq)
        commits[made] = commit._replace(moves=(commit.moves[0]._replace(inputs=inputs),))
    try:
        order = list(TopologicalSorter(above).static_order())
    except CycleError:  # made from each other in turn, by calls with equal results
        order = list(commits)
    return [commits[made] for made in order if made in commits]
