"""Histories of several machines over one store, each request a point where another may go first, die, or hear nothing.

In some, people also go back, pin, promote, refresh, and remove an environment. ``NACRE_SCHEDULES`` says how many (2,000
by default; the lane test-interleavings takes 120,000), and a quarter as many with people; ``NACRE_SEED`` plays one and
shows it, ``NACRE_SEED=people-7`` one with people. What was ever violated stays as a test.
"""

from __future__ import annotations

import os

import pytest

from commit_history import History, Planted, played
from curated_history import CuratedHistory
from planted import BUGS

N_SCHEDULES = int(os.environ.get("NACRE_SCHEDULES", "2000"))
SEED = os.environ.get("NACRE_SEED", "")
N_PARTS = 8

#: Seeds that violated something once, and what it was.
FOUND_BEFORE: dict[int, str] = {
    7: "a version named as its input what another run had made",
    9: "a version named as its input what another run had made, with another recipe",
    117: "a late publication of an old version stayed at the key",
    408: "the mark of another file of the same size was noted",
    1528: "a version named as its input what had been collected when it was taken",
    1655: "the mark of another file was noted, and its machine died",
    67207: "a result that was made anew was published as it had been",
    3266: "a result was taken that was collected and made anew",
    3393: "a version that was collected came back with what a head spilt",
}


#: Likewise, of the histories in which people work too.
FOUND_WITH_PEOPLE: dict[int, str] = {
    1791: "a promotion moved a version before the one that it names as its input",
    7246: "a build in an environment that is removed meanwhile named a version of which the base had another",
}
PEOPLE = "people-"


def violations(
    seeds: range, planted: Planted | None = None, kind: type[History] = History, at_most: int = 1
) -> list[str]:
    found = []
    for seed in seeds:
        if told := played(seed, planted, kind):
            name = f"{PEOPLE if kind is CuratedHistory else ''}{seed}"
            found.append(
                f"{told}\nreplay: NACRE_SEED={name} pytest {os.path.relpath(__file__)} -k one_history"
            )
        if len(found) >= at_most:
            break
    return found


@pytest.mark.parametrize("part", range(N_PARTS))
def test_no_interleaving_breaks_an_invariant(part: int) -> None:
    each = -(-N_SCHEDULES // N_PARTS)
    found = violations(range(1_000 + part * each, 1_000 + (part + 1) * each))
    assert not found, found[0]


@pytest.mark.parametrize("part", range(N_PARTS))
def test_no_interleaving_with_people_breaks_an_invariant(part: int) -> None:
    """Who goes back, pins or promotes names old versions beside writers and collections."""
    each = -(-N_SCHEDULES // 4 // N_PARTS)
    found = violations(range(1_000 + part * each, 1_000 + (part + 1) * each), kind=CuratedHistory)
    assert not found, found[0]


@pytest.mark.parametrize(
    "seed", FOUND_WITH_PEOPLE, ids=lambda seed: f"{seed}-{FOUND_WITH_PEOPLE[seed].replace(' ', '-')}"
)
def test_what_was_violated_once_with_people_is_so_no_more(seed: int) -> None:
    told = played(seed, kind=CuratedHistory)
    assert not told, told


@pytest.mark.parametrize(
    "seed", FOUND_BEFORE, ids=lambda seed: f"{seed}-{FOUND_BEFORE[seed].replace(' ', '-')}"
)
def test_what_was_violated_once_is_so_no_more(seed: int) -> None:
    told = played(seed)
    assert not told, told


@pytest.mark.parametrize("name", BUGS)
@pytest.mark.whole
def test_a_planted_bug_of_the_protocol_is_caught(name: str) -> None:
    """Each is planted in the real code from outside, and found from scratch within as many histories as stated."""
    bug = BUGS[name]
    found = violations(range(bug.within), bug.planted)
    assert found, f"{bug.within} histories, and nobody noticed: {name}"
    assert any(f": {invariant}" in found[0] for invariant in bug.breaks), found[0]


@pytest.mark.skipif(not SEED, reason="NACRE_SEED chooses one to look at")
def test_one_history_can_be_played_again() -> None:
    kind = CuratedHistory if SEED.startswith(PEOPLE) else History
    told = played(int(SEED.removeprefix(PEOPLE)), kind=kind)
    assert not told, told
