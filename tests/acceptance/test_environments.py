"""Environments: what is made in one changes no other, and what is promoted is current there without running anything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import structs

import nacre
from buckets import Lake
from nacre import project as roots
from nacre.environments import remove
from nacre.errors import PromotionConflict, UnknownName, UsageError
from nacre.promoting import PromoteResult, promote_versions
from nacre.store.paths import env_path, head_path
from nacre.store.port import RecordStore, Token, Write
from nacre.store.records import Environment, Head, decode, encode
from sandbox import Sandbox

PIPELINE = """
world.update(rain=[1, 2])

@materialize("s3://lake/raw/rain.json")
def rain() -> list:
    calls.append("rain")
    return world["rain"]

@materialize("s3://lake/sums/total.json")
def total(rain: list) -> int:
    calls.append("total")
    return sum(rain)

@materialize("demo://report")
def report(total: int) -> str:
    calls.append("report")
    return f"{total} mm"
"""
RAIN, TOTAL, REPORT = "s3://lake/raw/rain.json", "s3://lake/sums/total.json", "demo://report"
Use = Callable[[str], None]


@pytest.fixture(params=["embedded", "bucket"])
def home(request: pytest.FixtureRequest, project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A project whose values are published to a folder, with its store in a folder or in a bucket."""
    if request.param == "bucket":
        lake: Lake = request.getfixturevalue("lake")
        monkeypatch.setenv("NACRE_STORE", f"{lake.url}/team")
    project.map("s3://lake", "lake")
    return project


@pytest.fixture
def use(home: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Go on in another environment, as the next process would."""

    def use(env: str) -> None:
        monkeypatch.setenv("NACRE_ENV", env)
        home.reopen()

    return use


def promote(source: str, target: str, *select: str, **options: bool) -> PromoteResult:
    return promote_versions(roots.current_project(), source, target, select, **options)  # type: ignore[arg-type]  # flags


def heads(env: str) -> dict[str, tuple[int, str]]:
    rows = roots.current_project().in_environment(env, creates=False).catalog.heads(env)
    return {row.asset: (row.seq, row.base) for row in rows}


def record(env: str, asset: str) -> Head | None:
    path = head_path(env, asset)
    stored = roots.current_project().workspace().records.get(path)
    return decode(stored.data, Head, path) if stored else None


def files(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def settings(home: Sandbox, text: str) -> None:
    with open(home.folder / "nacre.toml", "a", encoding="utf-8") as file:
        file.write(text)


def begin(home: Sandbox, use: Use) -> ModuleType:
    """Build in default, then edit one asset and build it in dev."""
    module = home.module(PIPELINE)
    home.build(module).raise_for_failure()
    module = home.edit(module, "return sum(rain)", "return 10 * sum(rain)")
    use("dev")
    home.build(module).raise_for_failure()
    return module


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


def test_promoting_runs_nothing_and_moves_and_publishes(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    module.calls.clear()
    n_runs = len(home.workspace.catalog.runs())
    result = promote("dev", "default")
    assert [(each.asset, each.promoted, each.version) for each in result.promoted] == [
        (TOTAL, 2, 2),
        (REPORT, 2, 2),
    ]
    assert module.calls == []
    assert len(home.workspace.catalog.runs()) == n_runs
    assert files(home.folder / "lake") == {"raw/rain.json": [1, 2], "sums/total.json": 30}
    use("default")
    assert nacre.load(REPORT) == "30 mm"
    moved = record("default", TOTAL)
    assert moved is not None
    assert (moved.current.seq, moved.published) == (2, 2)
    # The next build of the edited code finds all of it made.
    assert home.build(module).counts == {"checked": 1, "reused": 2}


def test_promoting_twice_is_nothing_to_do(home: Sandbox, use: Use) -> None:
    begin(home, use)
    promote("dev", "default")
    again = promote("dev", "default")
    assert (again.promoted, again.n_same) == ((), 2)
    assert heads("default")[TOTAL] == (2, "")
    own = record("dev", TOTAL)
    assert own is not None
    assert own.base_seq == 2


def test_a_promoted_environment_can_be_promoted_again_after_its_next_change(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    promote("dev", "default")
    module = home.edit(module, "10 * sum", "20 * sum")
    home.build(module).raise_for_failure()
    assert [each.version for each in promote("dev", "default").promoted] == [3, 3]
    use("default")
    assert nacre.load(REPORT) == "60 mm"


def test_all_conflicts_are_named_at_once_and_nothing_is_promoted(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    use("default")
    home.build(home.edit(module, "10 * sum", "7 + sum")).raise_for_failure()
    before = heads("default")
    with pytest.raises(PromotionConflict) as raised:
        promote("dev", "default")
    assert "nothing was promoted" in str(raised.value)
    assert set(raised.value.facts) == {"total", "report"}
    assert "default got v2 meanwhile" in str(raised.value)
    assert heads("default") == before
    assert files(home.folder / "lake")["sums/total.json"] == 10
    promote("dev", "default", force=True)
    assert {asset: seq for asset, (seq, _) in heads("default").items()} == {RAIN: 1, TOTAL: 3, REPORT: 3}
    assert files(home.folder / "lake")["sums/total.json"] == 30


def test_after_a_conflict_dev_can_go_on_from_what_default_has(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    use("default")
    edited = home.edit(module, "10 * sum", "7 + sum")
    home.build(edited).raise_for_failure()
    promote("default", "dev", force=True)
    use("dev")
    assert nacre.load(TOTAL) == 10
    home.build(home.edit(edited, "7 + sum", "70 + sum")).raise_for_failure()
    promote("dev", "default")
    use("default")
    assert nacre.load(REPORT) == "73 mm"


def test_a_dry_run_writes_nothing(home: Sandbox, use: Use) -> None:
    begin(home, use)
    before = {each.path: each.token for each in home.workspace.records.scan("heads/")}
    result = promote("dev", "default", dry_run=True)
    assert str(result).splitlines() == [
        "total v2 of dev would be v2 of default",
        "report v2 of dev would be v2 of default",
    ]
    assert {each.path: each.token for each in home.workspace.records.scan("heads/")} == before


def test_what_something_was_made_from_has_to_be_there(home: Sandbox, use: Use) -> None:
    begin(home, use)
    with pytest.raises(
        PromotionConflict, match="report  was made from total v2 of dev, which default does not"
    ):
        promote("dev", "default", "report")
    with pytest.raises(PromotionConflict):
        promote("dev", "default", "report", force=True)
    assert [each.name for each in promote("dev", "default", "+report").promoted] == ["total", "report"]


def test_numbers_of_inputs_are_those_of_the_target(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    for number in ("11", "12"):
        module = home.edit(module, f"{int(number) - 1} * sum", f"{number} * sum")
        home.build(module).raise_for_failure()
    assert heads("dev")[REPORT] == (4, "")
    promote("dev", "default")
    catalog = home.workspace.catalog
    assert [each.upstream_seq for each in catalog.inputs("dev", REPORT, 4)] == [4]
    assert [each.upstream_seq for each in catalog.inputs("default", REPORT, 2)] == [2]
    assert heads("default")[TOTAL] == (2, "")


def test_an_asset_that_the_target_lacks_begins_there(home: Sandbox, use: Use) -> None:
    use("dev")
    home.build(home.module(PIPELINE)).raise_for_failure()
    assert set(heads("dev").values()) == {(1, "")}
    assert heads("default") == {}
    assert not (home.folder / "lake").exists()
    assert [each.version for each in promote("dev", "default").promoted] == [1, 1, 1]
    assert files(home.folder / "lake") == {"raw/rain.json": [1, 2], "sums/total.json": 3}


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
    assert home.workspace.catalog.own_heads("dev") == []
    assert [row.seq for row in home.workspace.catalog.history("dev", TOTAL)] == [1]
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


def test_a_wrong_environment_to_promote_is_named(home: Sandbox, use: Use) -> None:
    begin(home, use)
    with pytest.raises(UsageError, match="did you mean 'dev'"):
        promote("devv", "default")
    with pytest.raises(UsageError, match="to itself"):
        promote("dev", "dev")
    with pytest.raises(UnknownName, match="did you mean 'total'"):
        promote("dev", "default", "totl")


def test_another_machine_forgets_a_removed_environment_and_sees_the_new_one_of_its_name(
    home: Sandbox, use: Use, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "://" not in os.environ["NACRE_STORE"]:
        pytest.skip("only a bucket is shared")
    module = begin(home, use)
    for number in ("11", "12"):
        module = home.edit(module, f"{int(number) - 1} * sum", f"{number} * sum")
        home.build(module).raise_for_failure()
    other = Sandbox(tmp_path_factory.mktemp("other"))
    try:
        monkeypatch.chdir(other.folder)
        other.reopen()
        assert heads("dev")[TOTAL] == (4, "")
        runs = len(other.workspace.catalog.runs())
        other.close()

        monkeypatch.chdir(home.folder)
        home.reopen()
        project = roots.current_project()
        remove(project.workspace(), project.settings, "dev")
        home.build(home.edit(module, "12 * sum", "13 * sum")).raise_for_failure()
        home.close()

        monkeypatch.chdir(other.folder)
        other.reopen()
        assert heads("dev")[TOTAL] == (2, "")
        assert nacre.load(TOTAL) == 39
        catalog = other.workspace.catalog
        assert [row.seq for row in catalog.history("dev", TOTAL)] == [2, 1]
        assert len(catalog.runs()) == runs + 1
    finally:
        other.close()


# ── at the same time ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_build_that_goes_on_in_the_target_comes_on_top_of_what_is_promoted(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    use("default")
    edited = home.edit(module, "return 10 * sum(rain)", 'world["meanwhile"]()\n    return 7 + sum(rain)')
    edited.turn(meanwhile=lambda: promote("dev", "default"))
    home.build(edited).raise_for_failure()
    moved = record("default", TOTAL)
    assert moved is not None
    # All three are there: what was, what was promoted while the build went on, and what that made.
    assert [each.seq for each in moved.history] == [1, 2, 3]
    assert len({each.data_version for each in moved.history}) == 3
    assert nacre.load(TOTAL) == 10
    assert files(home.folder / "lake")["sums/total.json"] == 10
    with pytest.raises(PromotionConflict, match="default got v3 meanwhile"):
        promote("dev", "default")


def test_what_another_run_made_between_plan_and_promotion_stays_and_is_told(home: Sandbox, use: Use) -> None:
    class Overtaken:
        """The store's records, of which another run changes some just before the first batch arrives."""

        def __init__(self, below: RecordStore, action: Callable[[], object]) -> None:
            self._below, self._action = below, action
            self.is_over = False

        def batch(self, writes: Sequence[Write]) -> list[Token | None]:
            if not self.is_over:
                self.is_over = True
                self._action()
            return self._below.batch(writes)

        def __getattr__(self, name: str) -> object:
            return getattr(self._below, name)

    module = begin(home, use)
    module.turn(rain=[3])
    home.build(module).raise_for_failure()
    project = roots.current_project()
    own = project.workspace()
    path = head_path("default", TOTAL)

    def overtake() -> None:
        stored = own.records.get(path)
        assert stored is not None
        head = decode(stored.data, Head, path)
        inputs = {"rain": (RAIN, 99)}
        newer = structs.replace(
            head.current, seq=2, fingerprint="theirs", attempt="x", run="R", inputs=inputs
        )
        assert own.records.replace(
            path, encode(structs.replace(head, history=(*head.history, newer))), stored.token
        )

    project._workspace = own._replace(records=Overtaken(own.records, overtake))  # type: ignore[arg-type]  # by __getattr__
    with pytest.raises(PromotionConflict, match="A run made newer versions") as raised:
        promote("dev", "default")
    assert raised.value.facts["assets"] == "total"
    stays = record("default", TOTAL)
    assert stays is not None
    assert [each.run == "R" for each in stays.history] == [False, True]


# ── partitions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_single_partitions_are_promoted(home: Sandbox, use: Use) -> None:
    source = """
    from nacre import DailyPartitions

    @materialize("s3://lake/posts/{date}.json", partitions=DailyPartitions("2025-12-01", "2025-12-03"))
    def posts(date: str) -> str:
        return "posts of " + date

    @materialize("demo://all_posts")
    def all_posts(posts: dict) -> list:
        return sorted(posts.values())
    """
    module = home.module(source)
    home.build(module).raise_for_failure()
    use("dev")
    home.build(home.edit(module, '"posts of "', '"all of "')).raise_for_failure()
    result = promote_versions(roots.current_project(), "dev", "default", ["posts"], partitions=["2025-12-02"])
    assert [(each.partition, each.version) for each in result.promoted] == [("2025-12-02", 2)]
    assert files(home.folder / "lake/posts") == {
        "2025-12-01.json": "posts of 2025-12-01",
        "2025-12-02.json": "all of 2025-12-02",
        "2025-12-03.json": "posts of 2025-12-03",
    }
    with pytest.raises(UsageError, match="no such partition"):
        promote_versions(roots.current_project(), "dev", "default", partitions=["2025-11-01"])
    # What was made from all of them needs the others too.
    assert len(promote("dev", "default").promoted) == 3
    catalog = home.workspace.catalog
    assert [each.upstream_seq for each in catalog.inputs("default", "demo://all_posts", 2)] == [2, 2, 2]
