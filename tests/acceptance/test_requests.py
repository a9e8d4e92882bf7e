"""What a bucket is asked for, request by request: nothing that is not needed, and no byte that is there already."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from urllib.parse import unquote

import pytest

import nacre
from branches import promote
from buckets import Asked, Lake, Relay
from nacre.builds import Request, make_plan
from nacre.project import current_project
from nacre.store.codec import encode
from nacre.store.paths import head_path
from nacre.store.port import Write
from nacre.store.records import Head, Materialization
from sandbox import Sandbox

#: ``WARM_ASSETS=10000`` asks what ten thousand cost; writing their heads is what takes long.
N_ASSETS = int(os.environ.get("WARM_ASSETS", "1001"))
MANY = f"""
@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

def asset(n):
    @materialize(f"demo://part/p{{n}}")
    def part(numbers: list) -> int:
        return n
    return part

parts = [asset(n) for n in range({N_ASSETS - 1})]
"""
TWO = """
@materialize("demo://numbers")
def numbers() -> list:
    calls.append("numbers")
    return [1, 2, 3]

@materialize("demo://large")
def large(numbers: list) -> bytes:
    calls.append("large")
    return bytes(numbers) * 50_000

@materialize("demo://small")
def small(numbers: list) -> int:
    calls.append("small")
    return sum(numbers)
"""
#: Of each run: the store's format, what changed of heads, and the run's record at its start and end.
RUN = {"GET format": 1, "LIST heads": 1, "PUT runs": 2}
_AREA = re.compile(r"team/(?:records/|objects/)?([a-z]+)")


@pytest.fixture
def sandbox(project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    return project


@pytest.fixture
def other(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Another project directory, as on another machine, that shares nothing but the bucket."""
    other = Sandbox(tmp_path_factory.mktemp("other"))
    yield other
    other.close()
    other.forget_modules()


def asked(relay: Relay) -> dict[str, int]:
    """Requests by kind and the part of the store they are about, since the last time this was asked."""
    found = Counter(f"{each.kind} {_AREA.findall(unquote(each.path))[0]}" for each in relay.asked)
    relay.asked.clear()
    return dict(found)


def build(sandbox: Sandbox, relay: Relay, module: ModuleType, *select: str) -> dict[str, int]:
    """Build as a new process would, with sources as they are; the requests of that, without those of each run."""
    sandbox.reopen()
    relay.asked.clear()
    sandbox.build(module, *select, reuse_sources=True).raise_for_failure()
    found = asked(relay)
    assert {name: found.pop(name) for name in RUN} == RUN
    return found


def test_a_build_that_has_nothing_to_do_lists_heads_and_asks_nothing_else(
    sandbox: Sandbox, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many LISTs as there are thousands of heads, whatever they are heads of."""
    module = sandbox.module(MANY)
    sandbox.build(module, "numbers")
    sandbox.close()
    (index,) = (sandbox.folder / ".nacre").glob("*.sqlite")
    # Past the relay, which is slow; the index is then kept under that address.
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.service.endpoint)
    sandbox.reopen()
    fill(sandbox, module)
    sandbox.close()
    (filled,) = {*(sandbox.folder / ".nacre").glob("*.sqlite")} - {index}
    shutil.copy(filled, index)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.endpoint)
    sandbox.reopen()
    relay.asked.clear()
    result = sandbox.build(module, reuse_sources=True)
    assert {step.action for step in result.steps} == {"reused"}
    assert len(result.steps) == N_ASSETS
    assert asked(relay) == {**RUN, "LIST heads": -(-N_ASSETS // 1000)}


def fill(sandbox: Sandbox, module: ModuleType) -> None:
    """Give every part the head that building it would: its own recipe, as the plan knows it."""
    plan = make_plan(current_project(), Request(("*",), (module,), reuse_sources=True))
    writes = []
    for step in plan.steps.values():
        if step.decision is not None and step.key != "demo://numbers":
            version = Materialization(
                seq=1,
                fingerprint=step.decision.fingerprint,
                data_version="d",
                run="r",
                at=sandbox.clock.now(),
                attempt=step.key,
            )
            head = Head(env="default", asset=step.key, history=(version,))
            writes.append(Write(head_path("default", step.key), encode(head)))
    assert len(writes) == N_ASSETS - 1
    sandbox.workspace.records.batch(writes)


def test_a_first_version_is_looked_for_claimed_and_written(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(TWO)
    sandbox.build(module, "numbers")
    # The second record is that of the input, in which its value is.
    first = {"GET ac": 2, "PUT ac": 1, "PUT heads": 1, "PUT leases": 2}
    assert build(sandbox, relay, module, "small") == first
    assert build(sandbox, relay, module, "large") == {**first, "PUT data": 1}


def test_a_further_version_that_is_quick_to_make_is_not_claimed(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(TWO)
    sandbox.build(module)
    module = sandbox.edit(module, "* 50_000", "* 60_000")
    # What is looked for, what is current (to say what changed), the input; and the head, whose history grows.
    further = {"GET ac": 3, "GET heads": 1, "PUT ac": 1, "PUT heads": 1, "PUT sources": 1}
    assert build(sandbox, relay, module, "large") == {**further, "PUT data": 1}
    module = sandbox.edit(module, "sum(numbers)", "max(numbers)")
    assert build(sandbox, relay, module, "small") == further


def test_a_result_that_was_made_elsewhere_is_taken_with_one_get_and_one_put(
    sandbox: Sandbox, other: Sandbox, relay: Relay, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is there, and no head yet: whoever made it was stopped in between."""
    module = sandbox.module(TWO, "pipe_requests")
    sandbox.build(module)
    (head,) = [name for name in lake.names() if "/heads/" in name and "large" in name]
    lake.service.client.delete_object(Bucket=lake.bucket, Key=head)
    sandbox.close()
    monkeypatch.chdir(other.folder)
    same = other.module(TWO, "pipe_requests")
    found = build(other, relay, same, "large")
    assert found.pop("GET heads") == 2, "this machine reads what it has not seen"
    assert found == {"GET ac": 1, "PUT heads": 1}
    assert same.calls == []


def test_content_that_is_there_is_not_sent_again(sandbox: Sandbox, relay: Relay) -> None:
    """For a step that ran again, for a source, and for what an older version had."""
    module = sandbox.module(TWO)
    sandbox.build(module)
    module = sandbox.edit(module, "bytes(numbers) * 50_000", "b'' + bytes(numbers) * 50_000")
    again = build(sandbox, relay, module, "large")
    # One look whether it is there: no version is made of bytes that are gone.
    assert again.pop("HEAD data") == 1
    assert again == {"GET ac": 3, "GET heads": 1, "PUT ac": 1, "PUT heads": 1, "PUT sources": 1}
    sandbox.reopen()
    relay.asked.clear()
    sandbox.build(module, "numbers").raise_for_failure()
    assert asked(relay) == {**RUN, "GET ac": 1}, "a source of the same content is not even recorded"
    for new in ("* 60_000", "* 25_000 * 2"):
        module = sandbox.edit(module, "* 50_000" if new == "* 60_000" else "* 60_000", new)
        found = build(sandbox, relay, module, "large")
        assert found.get("PUT data", 0) == (new == "* 60_000")
    assert nacre.load("demo://large") == bytes([1, 2, 3]) * 50_000
    assert [len(sandbox.history("demo://large"))] == [4]


def test_content_of_a_version_that_may_be_collected_is_sent_again(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(TWO)
    sandbox.build(module)
    module = sandbox.edit(module, "* 50_000", "* 60_000")
    sandbox.build(module, "large")
    sandbox.clock.advance(4 * 24 * 3600)
    module = sandbox.edit(module, "* 60_000", "* 25_000 * 2")
    assert build(sandbox, relay, module, "large")["PUT data"] == 1


def test_an_old_result_that_is_taken_is_marked_as_used(sandbox: Sandbox, relay: Relay) -> None:
    module = sandbox.module(TWO)
    sandbox.build(module)
    sandbox.build(sandbox.edit(module, "* 50_000", "* 60_000"), "large")
    sandbox.clock.advance(4 * 24 * 3600)
    module = sandbox.edit(module, "* 60_000", "* 50_000")
    found = build(sandbox, relay, module, "large")
    assert module.calls == []
    assert found == {"GET ac": 2, "GET heads": 1, "PUT ac": 1, "PUT heads": 1}
    assert sandbox.record("demo://large").used_at == sandbox.clock.now()


WIDE = """
@materialize("demo://numbers")
def numbers() -> list:
    return [1, 2, 3]

def factor() -> int:
    return 1

def asset(n):
    @materialize(f"demo://part/p{n}")
    def part(numbers: list) -> int:
        return n * factor()
    return part

parts = [asset(n) for n in range(24)]
"""
N_WIDE = 24


def test_the_records_that_many_steps_ask_for_are_read_at_the_same_time(
    sandbox: Sandbox, relay: Relay
) -> None:
    """Of each step what is looked for, and what is current where that is not there; each once."""
    module = sandbox.module(WIDE)
    sandbox.build(module, "numbers")
    company = Company("/ac/")
    relay.spoil = company.hold
    assert build(sandbox, relay, module)["GET ac"] == N_WIDE + 1, "and the input"
    module = sandbox.edit(module, "return 1\n", "return 2\n")
    assert build(sandbox, relay, module)["GET ac"] == 2 * N_WIDE + 1
    module = sandbox.edit(module, "return 2\n", "return 1\n")
    assert build(sandbox, relay, module)["GET ac"] == N_WIDE
    assert company.n_alone < N_WIDE, "one area after another would be that many for each"


def test_the_records_that_the_writes_of_many_steps_rest_on_are_read_at_the_same_time(
    sandbox: Sandbox, relay: Relay
) -> None:
    """Heads that move on, and old results that are taken and marked as used."""
    module = sandbox.module(WIDE)
    sandbox.build(module)
    module = sandbox.edit(module, "return 1\n", "return 2\n")
    company = Company("/heads/", "/ac/")
    relay.spoil = company.hold
    assert build(sandbox, relay, module)["GET heads"] == N_WIDE
    sandbox.clock.advance(4 * 24 * 3600)
    module = sandbox.edit(module, "return 2\n", "return 1\n")
    found = build(sandbox, relay, module)
    assert (found["GET ac"], found["GET heads"]) == (2 * N_WIDE, N_WIDE)
    assert company.n_alone < N_WIDE


@pytest.mark.whole
def test_what_is_promoted_is_read_at_the_same_time(
    sandbox: Sandbox, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sandbox.module(WIDE)
    sandbox.build(module)
    module = sandbox.edit(module, "return 1\n", "return 2\n")
    monkeypatch.setenv("NACRE_ENV", "dev")
    sandbox.reopen()
    sandbox.build(module)
    relay.asked.clear()
    company = Company("/heads/", "/ac/")
    relay.spoil = company.hold
    promoted = promote("dev", "default")
    assert len(promoted.promoted) == N_WIDE
    found = asked(relay)
    # The head here, that which it moves, and its own once more, to note what the two have in common.
    assert (found["GET ac"], found["GET heads"]) == (N_WIDE, 3 * N_WIDE)
    assert company.n_alone < N_WIDE


@pytest.mark.whole
def test_what_is_rolled_back_is_read_and_written_at_the_same_time(sandbox: Sandbox, relay: Relay) -> None:
    """Of each the record of what is current, and of what comes instead, once more to see that it is not collected."""
    module = sandbox.module(WIDE.replace("return n *", "return bytes(70_000) + b'x' * n *"))
    sandbox.build(module)
    sandbox.build(sandbox.edit(module, "[1, 2, 3]", "[1, 2, 4]")).raise_for_failure()
    sandbox.reopen()
    relay.asked.clear()
    reading, writing = Company("/heads/", "/ac/", "/data/"), Company("/heads/", kind="PUT")
    relay.spoil = lambda asked: reading.hold(asked) or writing.hold(asked)
    done = nacre.rollback("numbers", "v1")
    assert len(done.rolled_back) == N_WIDE + 1
    found = asked(relay)
    assert {name: n for name, n in found.items() if not name.startswith("LIST")} == {
        "GET format": 1,
        "GET pins": 1,
        "GET ac": 3 * (N_WIDE + 1),
        "GET heads": N_WIDE + 1,
        "HEAD data": N_WIDE,
        "PUT heads": N_WIDE + 1,
    }
    assert reading.n_alone + writing.n_alone < N_WIDE


@pytest.mark.whole
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_rollback_looks_at_the_bytes_of_what_it_chooses_only(
    sandbox: Sandbox, lake: Lake, relay: Relay, is_gone: bool
) -> None:
    module = sandbox.module(TWO)
    sandbox.build(module, "large").raise_for_failure()
    for before, now in (("50_000", "40_000"), ("3]", "4]"), ("4]", "5]")):
        old = set(lake.names())
        module = sandbox.edit(module, before, now)
        sandbox.build(module, "large").raise_for_failure()
        if before == "50_000" and is_gone:
            (newest,) = [each for each in set(lake.names()) - old if "/data/" in each]
            lake.service.client.delete_object(Bucket=lake.bucket, Key=newest)
    sandbox.reopen()
    relay.asked.clear()
    done = nacre.rollback("numbers", "v1")
    assert [(each.name, each.to) for each in done.rolled_back][1:] == [("large", 1 if is_gone else 2)]
    assert asked(relay)["HEAD data"] == (2 if is_gone else 1)


class Company:
    """Holds back requests for a moment, until several are there at the same time; counts those that stay alone.

    Args:
        parts: Of the paths that count.
        kind: Which requests.
    """

    ENOUGH = 8

    def __init__(self, *parts: str, kind: str = "GET") -> None:
        self.n_alone = 0
        self._kind = kind
        self._parts = parts
        self._now = self._met = 0
        self._changed = threading.Condition()

    def hold(self, asked: Asked) -> str:
        if asked.kind != self._kind or not any(part in asked.path for part in self._parts):
            return ""
        with self._changed:
            self._now += 1
            met = self._met
            if self._now >= self.ENOUGH:
                self._met += 1
                self._changed.notify_all()
            # Bounded: what comes alone is let through after a moment.
            self.n_alone += not self._changed.wait_for(lambda: self._met > met, 0.3)
            self._now -= 1
        return ""
