"""Claims: one has it, the others do not, and whoever is gone has it no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nacre.errors import StoreUnavailable
from nacre.planning.claimed import SLOW_S, is_claimed
from nacre.planning.decide import Action, Decision
from nacre.planning.facts import CodeFact, Evidence, Facts
from nacre.planning.reason import Cause, Reason
from nacre.store.claims import Claim, Claims, NoClaims
from nacre.store.lease import RENEW_S, TTL_S, LeaseClaims
from nacre.store.locks import LockClaims
from nacre.store.memory import MemoryRecords
from nacre.store.wrap import CountingRecords, Fault, FaultyRecords
from nacre.testing import ManualClock
from nacre.version.fingerprint import Recipe

ONE, TWO = "0" * 63 + "1", "f" * 64
Make = Callable[[], Claims]


@pytest.fixture(params=["locks", "leases"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "locks":
        return lambda: LockClaims(str(tmp_path / "claims"))
    records, clock = MemoryRecords(), ManualClock()
    names = iter("abcdefgh")
    return lambda: LeaseClaims(records, next(names), clock)


def test_what_one_has_claimed_another_cannot_claim_until_it_is_given_back(make: Make) -> None:
    ours, theirs = make(), make()
    claim = ours.claim(ONE)
    assert claim is not None
    assert theirs.claim(ONE) is None
    assert theirs.claim(TWO) is not None
    ours.release([claim])
    ours.release([claim])
    assert theirs.claim(ONE) is not None
    assert ours.claim(ONE) is None


def test_threads_of_one_process_exclude_each_other(make: Make) -> None:
    claims = make()
    got: list[Claim | None] = []
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        got.append(claims.claim(ONE))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([claim for claim in got if claim is not None]) == 1


def test_a_store_that_nobody_else_sees_lets_everybody_go_on() -> None:
    assert NoClaims().claim(ONE) is not None
    assert NoClaims().claim(ONE) is not None


# ── locks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

HOLDER = """
import sys
from nacre.store.locks import LockClaims
claims = LockClaims(sys.argv[1])
assert claims.claim(sys.argv[2]) is not None
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "claims")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, ONE],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert LockClaims(path).claim(ONE) is None
        holder.kill()
        holder.wait()
        assert LockClaims(path).claim(ONE) is not None


def test_a_store_that_is_deleted_and_made_again_has_locks_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    claims = LockClaims(str(folder / "claims"))
    assert claims.claim(ONE) is not None
    shutil.rmtree(folder)
    folder.mkdir()
    assert claims.claim(ONE) is not None
    assert (folder / "claims").exists()


def test_where_there_can_be_no_lock_everybody_goes_on(tmp_path: Path) -> None:
    claims = LockClaims(str(tmp_path / "no such folder" / "claims"))
    assert claims.claim(ONE) is not None
    assert claims.claim(ONE) is not None


# ── leases ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Machines:
    """Two machines that share a store and have a clock that the test moves."""

    def __init__(self) -> None:
        self.records = CountingRecords(MemoryRecords())
        self.clock = ManualClock()
        self.ours = LeaseClaims(self.records, "ours", self.clock)
        self.theirs = LeaseClaims(self.records, "theirs", self.clock)


def test_the_lease_of_a_stopped_holder_runs_out() -> None:
    """As when its process is stopped, or its machine asleep: it renews nothing, and does not know."""
    machines = Machines()
    stopped = machines.ours.claim(ONE)
    assert stopped is not None
    assert machines.theirs.claim(ONE) is None
    machines.clock.advance(TTL_S - 0.1)
    assert machines.theirs.claim(ONE) is None
    machines.clock.advance(0.1)
    taken = machines.theirs.claim(ONE)
    assert taken is not None
    assert taken.had_holder, "its result may be there by now"
    # It wakes up, and takes nothing back.
    machines.ours.renew()
    machines.ours.release([stopped])
    assert machines.ours.claim(ONE) is None


def test_a_lease_that_is_renewed_does_not_run_out() -> None:
    machines = Machines()
    assert machines.ours.claim(ONE) is not None
    for _ in range(10):
        machines.clock.advance(RENEW_S)
        machines.ours.renew()
        assert machines.theirs.claim(ONE) is None


def test_a_holder_that_is_known_to_be_dead_is_not_waited_for() -> None:
    machines = Machines()
    assert machines.ours.claim(ONE) is not None
    here = LeaseClaims(machines.records, "here", machines.clock, lambda holder: holder == "ours")
    assert here.claim(ONE) is not None


def test_a_lease_costs_a_write_to_take_and_a_write_to_give_back() -> None:
    machines = Machines()
    claim = machines.ours.claim(ONE)
    assert claim == Claim(ONE, had_holder=False)
    machines.ours.release([claim])
    assert machines.records.counts == {"create": 1, "replace": 1}


def test_a_store_that_refuses_leases_stops_nobody() -> None:
    records = FaultyRecords(MemoryRecords(), lambda call: Fault(StoreUnavailable("not now")))
    claims = LeaseClaims(records, "ours", ManualClock())
    claim = claims.claim(ONE)
    assert claim is not None
    claims.release([claim])


# ── what is claimed ───────────────────────────────────────────────────────────────────────────────────────────────


class Current:
    seq, fingerprint, data_version, at = 1, "old", "d", "2026-01-01T00:00:00Z"


def nothing(*asked: object) -> None:
    return None


def no_code(key: str) -> CodeFact:
    raise AssertionError("nobody asks")


def decision(action: Action, cause: Cause, *, overwrites: bool = False, subject: str = "") -> Decision:
    recipe = Recipe(["a://a"], "code", [])
    return Decision(action, Reason(cause, subject), ONE, recipe, overwrites=overwrites)


@pytest.mark.parametrize(
    ("took_s", "expected"), [(None, True), (SLOW_S + 1, True), (SLOW_S, False), (0.1, False)]
)
def test_a_step_is_claimed_that_is_slow_or_never_ran(took_s: float | None, expected: bool) -> None:
    facts = Facts(
        now=ManualClock().now(),
        heads={} if took_s is None else {"a://a": Current()},
        code=no_code,
        known=lambda fingerprint, made: (),
        evidence=lambda fingerprint: Evidence("code", duration_s=took_s or 0.0),
        outline=nothing,
        digest_now=lambda kind, name: "",
    )
    assert is_claimed(decision(Action.BUILD, Cause.FIRST), facts) is expected
    for anyway in (
        decision(Action.CHECK, Cause.SOURCE),
        decision(Action.REUSE, Cause.UNCHANGED),
        decision(Action.BUILD, Cause.ASKED, overwrites=True),
        decision(Action.BUILD, Cause.UNKNOWN),
        decision(Action.BUILD, Cause.KEY, subject="ValueError"),
    ):
        assert not is_claimed(anyway, facts), "it runs whatever is recorded"
