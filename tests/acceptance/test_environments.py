"""Environments: what is made in one changes no other, and what it has not is read through its base."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import nacre
from branches import PIPELINE, RAIN, REPORT, TOTAL, Use, begin, files, heads, promote, record, settings
from buckets import Lake, Relay
from nacre import project as roots
from nacre.curate.rolling_back import end_hold, roll_back
from nacre.encoding import digest_bytes
from nacre.environments import remove
from nacre.errors import InvalidKey, PromotionConflict, UsageError
from nacre.store.codec import decode, encode
from nacre.store.commit import Commit, Committed, Committer, Move
from nacre.store.fsck import check
from nacre.store.paths import env_path, pin_path
from nacre.store.records import Action, Environment, Output, Pin
from nacre.version.outline import Outline
from sandbox import Sandbox


def test_a_build_in_dev_changes_nothing_in_default_and_publishes_nothing(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    assert module.calls == ["rain", "total", "report"]
    assert heads("dev") == {RAIN: (1, "default"), TOTAL: (2, ""), REPORT: (2, "")}
    assert (nacre.load(RAIN), nacre.load(TOTAL), nacre.load(REPORT)) == ([1, 2], 30, "30 mm")
    assert files(home.folder / "lake") == {"raw/rain.json": [1, 2], "sums/total.json": 3}
    own = record("dev", TOTAL)
    assert own is not None
    assert ([each.seq for each in own.history], own.base_seq, own.published, own.mark) == ([1, 2], 1, 0, "")
    use("default")
    assert (nacre.load(TOTAL), nacre.load(REPORT)) == (3, "3 mm")
    assert heads("default") == {RAIN: (1, ""), TOTAL: (1, ""), REPORT: (1, "")}


def test_what_default_has_is_reused_in_a_new_environment(home: Sandbox, use: Use) -> None:
    module = home.module(PIPELINE)
    home.build(module)
    use("dev")
    module.calls.clear()
    assert home.build(module).counts == {"checked": 1, "reused": 2}
    assert module.calls == ["rain"]
    assert set(heads("dev").values()) == {(1, "default")}


def test_an_environment_reads_on_from_its_base_until_it_has_its_own(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    use("default")
    module.turn(rain=[5])
    home.build(module, "rain").raise_for_failure()
    use("dev")
    assert heads("dev") == {RAIN: (2, "default"), TOTAL: (2, ""), REPORT: (2, "")}
    assert nacre.load(RAIN) == [5]
    home.build(module).raise_for_failure()
    assert nacre.load(TOTAL) == 50
    assert [each.upstream_seq for each in home.workspace.catalog.inputs("dev", TOTAL, 3)] == [2]


def test_an_environment_may_stand_over_another(home: Sandbox, use: Use) -> None:
    settings(home, '[env.feature]\nbase = "dev"\n')
    module = begin(home, use)
    use("feature")
    assert heads("feature") == {RAIN: (1, "default"), TOTAL: (2, "dev"), REPORT: (2, "dev")}
    home.build(home.edit(module, "mm", "millimetres")).raise_for_failure()
    assert nacre.load(REPORT) == "30 millimetres"
    assert heads("feature") == {RAIN: (1, "default"), TOTAL: (2, "dev"), REPORT: (3, "")}
    promote("feature", "dev")
    assert heads("dev") == {RAIN: (1, "default"), TOTAL: (2, ""), REPORT: (3, "")}
    promote("dev", "default")
    use("default")
    assert nacre.load(REPORT) == "30 millimetres"
    assert heads("default")[REPORT] == (2, "")


def test_an_environment_publishes_what_it_made_below_its_root(home: Sandbox, use: Use) -> None:
    settings(home, '[env.dev]\npublish_root = "./dev"\n')
    module = begin(home, use)
    assert files(home.folder / "dev") == {"lake/sums/total.json": 30}
    assert nacre.location(TOTAL) == str(home.folder / "dev/lake/sums/total.json")
    # What it reads through is not put there, now or later; what it made is repaired.
    (home.folder / "dev/lake/sums/total.json").unlink()
    assert home.build(module).counts == {"checked": 1, "reused": 2}
    assert files(home.folder / "dev") == {"lake/sums/total.json": 30}
    assert files(home.folder / "lake") == {"raw/rain.json": [1, 2], "sums/total.json": 3}


def test_a_removed_environment_reads_its_base_again_and_others_are_as_they_were(
    home: Sandbox, use: Use
) -> None:
    module = begin(home, use)
    project = roots.current_project()
    assert remove(project.workspace(), project.settings, "dev") == 2
    home.reopen()
    assert set(heads("dev").values()) == {(1, "default")}
    workspace = home.workspace
    assert workspace.catalog.own_heads(workspace.env) == []
    assert [row.seq for row in workspace.catalog.history(workspace.env, TOTAL)] == [1]
    # What it had made is known still: taken, not made again.
    module.calls.clear()
    home.build(module).raise_for_failure()
    assert module.calls == ["rain"]
    assert heads("dev")[TOTAL] == (2, "")


def test_the_default_environment_and_a_base_cannot_be_removed(home: Sandbox, use: Use) -> None:
    settings(home, '[env.feature]\nbase = "dev"\n')
    begin(home, use)
    use("feature")
    project = roots.current_project()
    workspace = project.workspace()
    for name, problem in (
        ("default", "cannot be removed"),
        ("dev", "read through"),
        ("devv", "did you mean"),
    ):
        with pytest.raises(UsageError, match=problem):
            remove(workspace, project.settings, name)


def test_what_is_recorded_says_in_which_environment(home: Sandbox, use: Use) -> None:
    begin(home, use)
    workspace = home.workspace
    assert [run.env for run in workspace.catalog.runs()] == ["dev", "default"]
    stored = workspace.records.get(env_path("dev"))
    assert stored is not None
    assert decode(stored.data, Environment).base == "default"


def test_an_environment_keeps_its_base(home: Sandbox, use: Use) -> None:
    begin(home, use)
    settings(home, '[env.dev]\nbase = "staging"\n')
    with pytest.raises(UsageError, match="keeps the base that it was begun over"):
        use("dev")
        home.build(home.module(PIPELINE))


def test_what_is_held_in_default_is_not_held_in_dev(home: Sandbox, use: Use) -> None:
    module = home.module(PIPELINE)
    home.build(module).raise_for_failure()
    module = home.edit(module, "return sum(rain)", "return 2 * sum(rain)")
    home.build(module).raise_for_failure()
    roll_back(home.workspace, TOTAL, "v1")
    use("dev")
    home.build(module).raise_for_failure()
    assert nacre.load(TOTAL) == 6
    assert nacre.load(REPORT) == "6 mm"
    with pytest.raises(PromotionConflict, match="default is held at v1") as raised:
        promote("dev", "default")
    assert "nacre rollback NAME --release --env default" in str(raised.value)
    promote("dev", "default", force=True)
    moved = record("default", TOTAL)
    assert moved is not None
    assert (moved.held, moved.current.seq) == ("", 4)
    assert files(home.folder / "lake")["sums/total.json"] == 6


def test_going_back_in_an_environment_leaves_its_base(home: Sandbox, use: Use) -> None:
    module = home.module(PIPELINE)
    home.build(module).raise_for_failure()
    home.build(home.edit(module, "return sum(rain)", "return 2 * sum(rain)")).raise_for_failure()
    use("dev")
    result = roll_back(home.workspace, TOTAL, "v1")
    assert [(each.name, each.version, each.to) for each in result.rolled_back] == [
        ("total", 3, 1),
        ("report", 3, 1),
    ]
    assert (nacre.load(TOTAL), nacre.load(REPORT)) == (3, "3 mm")
    held = record("dev", TOTAL)
    assert held is not None
    assert (held.held, held.base_seq, [each.seq for each in held.history]) == ("v1", 2, [1, 2, 3])
    assert heads("default") == {RAIN: (1, ""), TOTAL: (2, ""), REPORT: (2, "")}
    assert files(home.folder / "lake")["sums/total.json"] == 6
    # Promoted, it is current there and not held: going back was decided for dev.
    promote("dev", "default")
    use("default")
    assert (nacre.load(TOTAL), nacre.load(REPORT)) == (3, "3 mm")
    assert files(home.folder / "lake")["sums/total.json"] == 3


def test_an_edit_is_accepted_for_one_environment(home: Sandbox, use: Use) -> None:
    module = home.module(PIPELINE)
    home.build(module).raise_for_failure()
    use("dev")
    edited = home.edit(module, "return sum(rain)", "return 0 + sum(rain)")
    assert [each.version for each in nacre.accept("total", "adds nothing", modules=[edited]).accepted] == [2]
    assert home.build(edited).counts == {"checked": 1, "reused": 2}
    own = record("dev", TOTAL)
    assert own is not None
    assert (own.current.seq, own.base_seq, own.published) == (2, 1, 0)
    assert heads("default")[TOTAL] == (1, "")


def test_an_environment_costs_a_look_at_what_it_reads_through(
    project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.reopen()
    module = project.module(PIPELINE.replace("s3://lake", "demo:/"))
    project.build(module).raise_for_failure()

    def requests(env: str) -> dict[str, int]:
        """The requests of a build that has nothing to do, as a new process."""
        monkeypatch.setenv("NACRE_ENV", env)
        project.reopen()
        relay.asked.clear()
        nacre.build("*", modules=[module], reuse_sources=True).raise_for_failure()
        return relay.counts

    usual = requests("default")
    assert requests("dev") == {**usual, "GET": usual["GET"] + 1, "PUT": usual["PUT"] + 1}
    assert requests("dev") == {**usual, "GET": usual["GET"] + 1}


def test_an_environment_does_not_publish_over_the_files_of_default(home: Sandbox, use: Use) -> None:
    """Below the project's own folder, the path of the key is the very place that it is mapped to."""
    settings(home, '[env.dev]\npublish_root = "."\n')
    module = home.module(PIPELINE)
    home.reopen()
    home.build(module).raise_for_failure()
    module = home.edit(module, "return sum(rain)", "return 10 * sum(rain)")
    use("dev")
    with pytest.raises(InvalidKey, match="over the file of 'default'"):
        home.build(module)
    assert files(home.folder / "lake") == {"raw/rain.json": [1, 2], "sums/total.json": 3}


def test_an_environment_whose_versions_are_pinned_is_not_removed(home: Sandbox, use: Use) -> None:
    begin(home, use)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    pin = Pin(name="best", env="dev", asset=TOTAL, seq=2, fingerprint="f" * 64, at=at)
    roots.current_project().workspace().records.create(pin_path("best"), encode(pin))
    with pytest.raises(UsageError, match="pinned") as caught:
        remove(roots.current_project().workspace(), roots.current_project().settings, "dev")
    assert caught.value.facts["pins"] == "best"


READER = """
@materialize("demo://least")
def least() -> int:
    return 1

@materialize("demo://words")
def words(least: int) -> list:
    calls.append("words")
    with open("words.txt") as file:
        return [each for each in file.read().split() if len(each) >= least]
"""


def test_what_read_a_file_in_one_environment_is_known_in_the_others(home: Sandbox, use: Use) -> None:
    file = home.folder / "words.txt"
    file.write_text("a b")
    module = home.module(READER)
    use("dev")
    assert home.ran(module) == ["words"]
    for env in ("default", "feature"):
        use(env)
        assert home.ran(module) == [], env
        assert nacre.load("demo://words") == ["a", "b"]
    file.write_text("a b c")
    assert home.ran(module) == ["words"]
    for env in ("default", "dev"):
        use(env)
        assert home.ran(module) == [], env
        assert nacre.load("demo://words") == ["a", "b", "c"]
    file.write_text("a b")
    assert home.ran(module) == []
    assert nacre.load("demo://words") == ["a", "b"]


STAMPED = """
import itertools
world.setdefault("stamps", itertools.count(1))

@materialize("demo://a")
def a() -> int:
    return 5

@materialize("demo://t")
def t(a: int) -> str:
    with open("words.txt") as file:
        return f"{file.read()} {next(world['stamps'])}"

@materialize("demo://u")
def u(t: str) -> str:
    calls.append("u")
    return f"from {t}"
"""


def test_what_is_below_a_step_that_reads_is_made_of_what_is_current_whatever_was_refreshed(
    home: Sandbox, use: Use
) -> None:
    """The record of the recipe holds what the refresh made; the head names what was made before."""
    (home.folder / "words.txt").write_text("w")
    module = home.module(STAMPED)
    assert home.ran(module) == ["u"]
    use("dev")
    home.reopen()
    home.build(module, "t", refresh=True).raise_for_failure()
    home.build(module).raise_for_failure()
    assert (nacre.load("demo://t"), nacre.load("demo://u")) == ("w 2", "from w 2")
    use("default")
    for _ in range(2):
        assert home.ran(module) == []
        assert (nacre.load("demo://t"), nacre.load("demo://u")) == ("w 1", "from w 1")
    # And in one environment, where an older version is made current again.
    home.build(module, "t", refresh=True).raise_for_failure()
    home.reopen()
    roll_back(home.workspace, "demo://t", "v1")
    assert end_hold(home.workspace, "demo://t")
    home.reopen()
    home.build(module).raise_for_failure()
    assert nacre.load("demo://u") == f"from {nacre.load('demo://t')}"


def test_two_runs_in_an_environment_whose_base_moves_between_them_lose_nothing(
    home: Sandbox, use: Use
) -> None:
    """One began the history at the base's older version: the other is told of it, and what it made is kept."""
    begin(home, use)
    head = record("default", RAIN)
    assert head is not None

    def commit(fingerprint: str, seen: int) -> Committed:
        """Make a version of the source in dev, over what this run saw of its base."""
        output = Output(
            asset=RAIN, data_version=fingerprint, format="json", size_bytes=1, digest=digest_bytes(b"1"),
            outline=Outline("int"), inline=b"1",
        )  # fmt: skip
        action = Action(
            fingerprint=fingerprint, task="rain", code="", outputs=(output,), attempt=fingerprint,
            run=f"run {fingerprint}", started_at=clock.now(), duration_s=1.0,
        )  # fmt: skip
        move = Move("dev", RAIN, fingerprint, {}, seen, base="default")
        committer = Committer(records, clock.monotonic)
        committer.add(Commit(fingerprint, action.run, fingerprint, clock.now(), action, (move,)))
        return committer.flush()[0]

    use("default")
    home.build(home.module(PIPELINE.replace("[1, 2]", "[9]")), "rain").raise_for_failure()
    use("dev")
    records, clock = home.workspace.records, home.workspace.clock
    assert commit("early", 1).superseded_by == ""
    late = commit("late", 2)
    assert late.superseded_by == "run early"
    assert late.action is not None
    assert late.action.run == "run late"
    own = record("dev", RAIN)
    assert own is not None
    assert [(each.seq, each.fingerprint) for each in own.history] == [
        (1, head.current.fingerprint),
        (2, "early"),
    ]
    assert check(records, home.workspace.contents.objects, reads_data=True).faults == []
