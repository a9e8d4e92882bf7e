"""What a run makes from its own versions names them as they came to be, or becomes no version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nacre.store.codec import decode
from nacre.store.commit import Commit, Committed, Committer, Move
from nacre.store.ends import End, Ends
from nacre.store.memory import MemoryRecords
from nacre.store.paths import action_path, head_path
from nacre.store.records import Action, Head, Input, Output
from nacre.testing import ManualClock
from nacre.version.outline import Outline

AT = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = "a://a", "a://b", "a://c"


def commit(
    asset: str, content: str, run: str, *above: tuple[str, int, str], seen: int = 0, fingerprint: str = ""
) -> Commit:
    """What a run leaves of one asset, made from versions: key, number and content."""
    fingerprint = fingerprint or f"{asset[-1]}-{content}"
    output = Output(
        asset=asset, data_version=content, format="json", size_bytes=1, digest="x", outline=Outline("int")
    )
    inputs = tuple(Input(parameter=key[-1], asset=key, data_version=dv, seq=n) for key, n, dv in above)
    attempt = f"{run}-{fingerprint}"
    action = Action(
        fingerprint=fingerprint,
        task=asset,
        code="c",
        outputs=(output,),
        attempt=attempt,
        run=run,
        started_at=AT,
        duration_s=0.0,
        inputs=inputs,
    )
    move = Move("default", asset, content, {each.parameter: (each.asset, each.seq) for each in inputs}, seen)
    return Commit(fingerprint, run, attempt, AT, action, (move,))


class Two:
    """One store and two runs."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        clock = ManualClock()
        self.ours = Committer(self.records, clock.monotonic)
        self.theirs = Committer(self.records, clock.monotonic)

    def head(self, asset: str) -> Head | None:
        stored = self.records.get(head_path("default", asset))
        return decode(stored.data, Head) if stored is not None else None


def put(committer: Committer, *commits: Commit) -> list[Committed]:
    for each in commits:
        committer.add(each)
    return committer.flush()


@pytest.mark.parametrize("in_one_group", [True, False])
def test_nothing_becomes_current_that_was_made_from_what_never_was(in_one_group: bool) -> None:
    store = Two()
    put(store.theirs, commit(A, "theirs", "r2"))
    commits = [
        commit(A, "ours", "r1"),
        commit(C, "other", "r1"),
        commit(B, "of ours", "r1", (A, 1, "ours"), (C, 1, "other")),
    ]
    done = (
        put(store.ours, *commits)
        if in_one_group
        else [each for one in commits for each in put(store.ours, one)]
    )
    assert [each.superseded_by for each in done] == ["r2", "", "r2"]
    assert store.head(B) is None
    # It is a true fact all the same, and is known to whoever makes that version of A current.
    assert store.records.get(action_path("b-of ours")) is not None


@pytest.mark.parametrize("in_one_group", [True, False])
def test_what_was_made_names_the_number_that_its_input_came_to_have(in_one_group: bool) -> None:
    store = Two()
    put(store.theirs, commit(C, "1", "r0"), commit(A, "old", "r0", (C, 1, "1")))
    # Both see v1 of A; theirs is made from older news than ours, and is first.
    put(store.theirs, commit(A, "theirs", "r2", (C, 1, "1"), seen=1))
    commits = [
        commit(C, "2", "r1", seen=1),
        commit(A, "ours", "r1", (C, 2, "2"), seen=1),
        commit(B, "of ours", "r1", (A, 2, "ours")),
    ]
    for group in [commits] if in_one_group else [[each] for each in commits]:
        put(store.ours, *group)
    above, made = store.head(A), store.head(B)
    assert above is not None
    assert made is not None
    assert (above.current.seq, above.current.data_version) == (3, "ours")
    assert made.current.inputs == {"a": (A, 3)}


def test_a_head_with_the_same_recipe_and_other_content_is_not_ours() -> None:
    store = Two()
    put(store.theirs, commit(A, "theirs", "r2", fingerprint="same"))
    taken = commit(A, "collected", "r1", fingerprint="same")
    [done] = put(store.ours, taken._replace(action=None, taken=taken.action))
    assert done.is_gone or done.superseded_by


def test_expected_ends_are_not_kept() -> None:
    ends = Ends()
    ends.note(A, 2, End(2))
    inputs = {"a": (A, 2)}
    assert ends.as_they_came(inputs) is inputs
    assert ends.blocking(inputs) is None
