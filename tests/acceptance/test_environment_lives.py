"""An environment that is removed, and begun anew under its name: its next life has nothing of the one before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

import nacre
from branches import PIPELINE, RAIN, REPORT, TOTAL, Use, begin, heads, settings
from nacre import project as roots
from nacre.config import Settings
from nacre.environments import begin as begin_environment
from nacre.environments import chain_of, environments, remove
from nacre.errors import UsageError
from nacre.execute.workspace import Workspace
from nacre.project import FRESH_S
from nacre.store.codec import decode, encode
from nacre.store.fsck import check
from nacre.store.gc import Retention, collect
from nacre.store.port import Token, Write
from nacre.store.records import Head
from sandbox import Sandbox


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
        home.reopen()
        home.build(home.edit(module, "12 * sum", "13 * sum")).raise_for_failure()
        home.close()

        monkeypatch.chdir(other.folder)
        other.reopen()
        assert heads("dev")[TOTAL] == (2, "")
        assert nacre.load(TOTAL) == 39
        catalog = other.workspace.catalog
        assert [row.seq for row in catalog.history(other.workspace.env, TOTAL)] == [2, 1]
        assert len(catalog.runs()) == runs + 1
    finally:
        other.close()


class Removing:
    """Removes the environment just before the first group of a run is written to it."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        self._is_done = False

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        if not self._is_done and any(each.path.startswith("heads/dev/") for each in writes):
            self._is_done = True
            remove(self._workspace, self._settings, "dev")
        return self._workspace.records.batch(writes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workspace.records, name)


def test_a_run_in_an_environment_that_is_removed_meanwhile_makes_nothing_current(
    home: Sandbox, use: Use
) -> None:
    """It is told so, nothing runs again when the environment is begun anew, and what is left of it is collected."""
    module = begin(home, use)
    project = roots.current_project()
    project._workspace = home.workspace._replace(records=Removing(home.workspace, project.settings))  # type: ignore[arg-type]
    module.turn(rain=[7])
    home.build(module).raise_for_failure()
    (told,) = [text for text in home.log() if "removed" in text]
    assert told.startswith("dev was removed while this ran: nothing of what was made is current in it")
    home.reopen()
    records = home.workspace.records
    assert (home.workspace.env, nacre.load(TOTAL), nacre.load(REPORT)) == ("dev.2", 3, "3 mm")
    found = environments(home.workspace, project.settings)
    assert [(row.name, row.n_own) for row in found] == [("default", 3), ("dev", 0)]
    left = list(records.scan("heads/dev/"))
    assert left != []
    # It names results, and keeps none of them: fsck misses none either.
    head = decode(left[0].data, Head)
    lost = replace(head, history=(replace(head.current, fingerprint="0" * 64),))
    assert records.replace(left[0].path, encode(lost), left[0].token) is not None
    assert check(records, home.workspace.contents.objects, reads_data=True).faults == []

    kept = Retention(grace_s=0)
    now = home.workspace.clock.now()
    looked = collect(records, home.workspace.contents.objects, now=now, settings=kept, delete=False)
    done = collect(records, home.workspace.contents.objects, now=now, settings=kept, delete=True)
    assert looked.removed["left"] == done.removed["left"]
    assert [*records.scan("heads/dev/"), *records.scan("hist/dev/")] == []
    assert check(records, home.workspace.contents.objects, reads_data=True).faults == []

    module.calls.clear()
    home.build(module).raise_for_failure()
    assert module.calls == ["rain"]
    assert (nacre.load(TOTAL), nacre.load(REPORT)) == (70, "70 mm")
    assert heads("dev") == {RAIN: (2, ""), TOTAL: (2, ""), REPORT: (2, "")}
    use("default")
    assert nacre.load(TOTAL) == 3


def test_a_run_of_a_removed_environment_publishes_nothing_over_the_files_of_its_next_life(
    home: Sandbox, use: Use
) -> None:
    settings(home, '[env.dev]\npublish_root = "./dev"\n')
    module = begin(home, use)
    project = roots.current_project()
    inner = home.workspace

    class Rebuilding(Removing):
        """Begins the environment anew as well, as another process would: its file is there when the first run ends."""

        def batch(self, writes: Sequence[Write]) -> list[Token | None]:
            was_done = self._is_done
            found = super().batch(writes)
            if self._is_done and not was_done:
                (home.folder / "dev/lake/sums/total.json").write_text("the next life's")
            return found

    project._workspace = inner._replace(records=Rebuilding(inner, project.settings))  # type: ignore[arg-type]
    module.turn(rain=[7])
    home.build(module).raise_for_failure()
    assert (home.folder / "dev/lake/sums/total.json").read_text() == "the next life's"


def test_going_back_begins_an_environment(home: Sandbox, use: Use) -> None:
    begin(home, use)
    remove(home.workspace, roots.current_project().settings, "dev")
    home.reopen()
    project = roots.current_project()
    project.close()
    roots._open_projects.clear()
    nacre.rollback(TOTAL, "v1", dry_run=True)
    assert [row.name for row in environments(project.workspace(creates=False), project.settings)] == [
        "default"
    ]
    roots._open_projects.clear()
    nacre.rollback(TOTAL, "v1")
    workspace = roots.current_project().workspace(creates=False)
    assert [(row.name, row.is_begun) for row in environments(workspace, project.settings)] == [
        ("default", True),
        ("dev", True),
    ]
    assert remove(workspace, project.settings, "dev") == 1


def test_what_is_read_through_one_that_was_never_begun_cannot_be_removed(home: Sandbox, use: Use) -> None:
    settings(home, '[env.mid]\nbase = "dev"\n[env.top]\nbase = "mid"\n')
    module = begin(home, use)
    use("top")
    home.build(home.edit(module, "mm", "millimetres")).raise_for_failure()
    project = roots.current_project()
    with pytest.raises(UsageError, match="read through") as raised:
        remove(project.workspace(), project.settings, "dev")
    assert raised.value.facts["read through by"] == "top"


def test_a_project_that_is_open_notices_that_its_environment_was_removed(home: Sandbox, use: Use) -> None:
    module = begin(home, use)
    project = roots.current_project()
    remove(home.workspace, project.settings, "dev")
    if "://" in os.environ["NACRE_STORE"]:
        project._looked_in_at -= 2 * FRESH_S  # a bucket is looked at again after a while
    assert nacre.load(TOTAL) == 3
    home.build(module).raise_for_failure()
    assert heads("dev")[TOTAL] == (2, "")
    assert [row.env for row in home.workspace.catalog.runs()] == ["dev", "dev", "default"]


def test_an_environment_that_was_begun_or_removed_since_it_was_looked_at_is_not_begun(
    home: Sandbox, use: Use
) -> None:
    home.build(home.module(PIPELINE)).raise_for_failure()
    project = roots.current_project()
    records, now = home.workspace.records, home.workspace.clock.now()
    early = chain_of(project.settings, records, "dev")
    begin_environment(records, early, now)
    begin_environment(records, early, now)  # whoever was first stays, and others go on in it
    remove(home.workspace, project.settings, "dev")
    with pytest.raises(UsageError, match="begun or removed by somebody else meanwhile"):
        begin_environment(records, early, now)
    late = chain_of(project.settings, records, "dev")
    assert (late.folders, late.is_begun) == (("dev.2", "default"), False)
    begin_environment(records, late, now)
    with pytest.raises(UsageError, match="begun or removed"):
        begin_environment(records, early, now)
    other = late._replace(folders=("dev.2", "staging", "default"))
    with pytest.raises(UsageError, match="begun or removed"):
        begin_environment(records, other, now)
