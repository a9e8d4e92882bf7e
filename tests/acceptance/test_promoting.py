"""Promoting: versions of one environment become current in another, and nothing runs; or all conflicts are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec import structs

import nacre
from branches import PIPELINE, RAIN, REPORT, TOTAL, Use, begin, files, heads, promote, record, settings
from nacre import project as roots
from nacre.curate.promoting import promote_versions
from nacre.errors import CorruptRecord, PromotionConflict, UnknownName, UsageError
from nacre.store.codec import decode, encode
from nacre.store.paths import action_path, head_path
from nacre.store.port import RecordStore, Token, Write
from nacre.store.records import Head
from sandbox import Sandbox


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


def test_the_verb_of_python_is_the_command(home: Sandbox, use: Use) -> None:
    begin(home, use)
    planned = nacre.promote("dev", "default", "total", dry_run=True)
    assert (str(planned), planned.is_dry_run) == ("total v2 of dev would be v2 of default", True)
    with pytest.raises(UsageError, match="no such partition"):
        nacre.promote("dev", "default", partition="2026-11-01")
    assert [each.version for each in nacre.promote("dev", "default").promoted] == [2, 2]
    assert nacre.promote("dev", "default").n_same == 2


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


def test_a_wrong_environment_to_promote_is_named(home: Sandbox, use: Use) -> None:
    begin(home, use)
    with pytest.raises(UsageError, match="did you mean 'dev'"):
        promote("devv", "default")
    with pytest.raises(UsageError, match="to itself"):
        promote("dev", "dev")
    with pytest.raises(UnknownName, match="did you mean 'total'"):
        promote("dev", "default", "totl")


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
    # What was made from it moves no head either: nothing current names an input that never was a version there.
    assert raised.value.facts["assets"] == "total, report"
    stays = record("default", TOTAL)
    assert stays is not None
    assert [each.run == "R" for each in stays.history] == [False, True]


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


def test_what_is_promoted_is_published_below_the_root_of_the_target(home: Sandbox, use: Use) -> None:
    settings(home, '[env.staging]\npublish_root = "./staging"\n')
    use("staging")
    home.build(home.module(PIPELINE), "rain").raise_for_failure()
    use("default")
    begin(home, use)
    result = promote("dev", "staging")
    assert [(each.name, each.version, each.place) for each in result.promoted] == [
        ("total", 2, str(home.folder / "staging/lake/sums/total.json")),
        ("report", 2, ""),
    ]
    assert files(home.folder / "staging")["lake/sums/total.json"] == 30
    assert heads("default")[TOTAL] == (1, "")
    assert files(home.folder / "lake")["sums/total.json"] == 3


def test_a_version_whose_record_cannot_be_read_is_told_as_such(home: Sandbox, use: Use) -> None:
    begin(home, use)
    own = record("dev", TOTAL)
    assert own is not None
    path = action_path(own.current.fingerprint)
    stored = home.workspace.records.get(path)
    assert stored is not None
    assert home.workspace.records.replace(path, b"{", stored.token)
    home.reopen()
    with pytest.raises(CorruptRecord, match="The record of total v2 cannot be read"):
        promote("dev", "default")


def test_a_crash_between_promotion_and_note_is_mended_by_promoting_again(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    promote("dev", "default")
    records = home.workspace.records
    path = head_path("dev", TOTAL)
    stored = records.get(path)
    assert stored is not None
    behind = structs.replace(decode(stored.data, Head, path), base_seq=1)
    assert records.replace(path, encode(behind), stored.token)
    # What the default took is the source's own, so a further version is no conflict either.
    assert promote("dev", "default").n_same == 2
    mended = record("dev", TOTAL)
    assert mended is not None
    assert mended.base_seq == 2
    assert module.calls == ["rain", "total", "report"]


LARGE = """
@materialize("demo://seed")
def seed() -> int:
    return 1

@materialize("demo://large")
def large(seed: int) -> str:
    calls.append("large")
    return "one" * 50_000
"""


def test_a_version_whose_bytes_are_gone_is_not_promoted_and_is_made_again(home: Sandbox, use: Use) -> None:
    module = home.module(LARGE)
    home.build(module).raise_for_failure()
    module = home.edit(module, "one", "two")
    use("dev")
    home.build(module).raise_for_failure()
    objects = home.workspace.contents.objects
    for each in [*objects.list("data/")]:
        with objects.get(each.name) as file:
            is_new = b"two" in file.read(9)
        if is_new:
            objects.delete(each.name)
    for _ in range(2):
        with pytest.raises(PromotionConflict, match="the bytes of v2 are gone or damaged"):
            promote("dev", "default")
        use("default")
        assert nacre.load("demo://large") == "one" * 50_000
    use("dev")
    assert home.ran(module) == ["large"]
    promote("dev", "default")
    use("default")
    assert nacre.load("demo://large") == "two" * 50_000
