"""Checks a project's store against itself, its index and the files it published; and mends what can be mended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from nacre.catalog.compare import differs
from nacre.catalog.mirror import SCHEDULED, USUAL
from nacre.catalog.restore import restored_heads
from nacre.errors import CorruptRecord, StoreError, UsageError, said
from nacre.execute.publishing import Publishing
from nacre.execute.taking import changed_outside
from nacre.execute.workspace import Workspace
from nacre.keys import slot
from nacre.pinning import pins
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.project import Project
from nacre.store.codec import decode, encode
from nacre.store.fsck import Checked, Finding, Problem, check, mend
from nacre.store.history import fitted
from nacre.store.lives import left_of
from nacre.store.paths import env_folder, env_life, env_name
from nacre.store.port import Write
from nacre.store.records import DEFAULT_ENV, Environment, Head
from nacre.survey.gather import Versions
from nacre.views.words import count

#: A version that is younger may still be on its way to its place.
_BEING_PUT_S = 60.0
#: So often the index is compared before a difference counts as one.
_LOOKS = 3
#: What concerns the files at places, and no bytes of the store.
_OF_FILES = (Problem.STALE, Problem.OUTSIDE)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check of a store found, and what was done about it.

    Args:
        checked: What was found, and how much was looked at.
        repaired: Sentences on what was mended; empty where nothing was to be, or nobody asked.
        left: Sentences on what could not be, with what to do about it.
    """

    checked: Checked
    repaired: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.checked.faults


def check_store(project: Project, *, reads_data: bool = False, repair: bool = False) -> CheckResult:
    """Check a project's store.

    Args:
        project: The project.
        reads_data: True verifies every byte.
        repair: True makes the index anew, notes lost versions so that the next build makes them again, and publishes
            again what is stale. Nothing is ever removed.

    Returns:
        What was found.

    Raises:
        UsageError: There is no store, or it cannot be written and shall be repaired.
        StoreError: It cannot be reached, or its file cannot be read.
    """
    workspace = project.workspace(creates=False)
    if not project.is_stored:
        raise UsageError("There is no store yet", {"store": project.store}, "a build makes it: nacre build")
    checked = check(workspace.records, workspace.contents.objects, reads_data=reads_data)
    checked.findings += [Finding(Problem.FILE, project.store, text=each) for each in project.file_problems()]
    _note_behind(checked, _behind(workspace, checked))
    # The index first says what it knows of heads that cannot be read: made anew, it knows nothing of them.
    done: list[str] = []
    left: list[str] = []
    if repair:
        done, known = _restore_heads(workspace, checked)
        done += _restore_environments(project, workspace, checked)
        left = _left(checked, known)
    index = _index(project, workspace, checked)
    checked.findings += index
    if index and repair:
        project.rebuild_catalog()
        done.append("the index was made anew from the records")
    # An index that differs would say the wrong thing of files.
    stale = _stale(workspace) if repair or not index else []
    checked.findings += stale
    checked.findings += _of_others(workspace)
    if repair:
        done += _mend(workspace, checked, [each.slot for each in stale])
    return CheckResult(checked, tuple(done), tuple(left))


def _behind(workspace: Workspace, checked: Checked) -> dict[str, str]:
    """Find the heads that are at an older version than this machine's index knows, each with its environment."""
    try:
        behind = workspace.catalog.behind()
    except CorruptRecord:  # the index says nothing of any
        return {}
    return {path: env for path, env in behind.items() if path not in checked.unreadable}


def _note_behind(checked: Checked, behind: Mapping[str, str]) -> None:
    """Take heads that went back for ones that are to be mended; the runs may tell of them as of what nobody can."""
    checked.headless.update(behind)
    checked.findings = [each for each in checked.findings if each.place not in behind]
    text = "it went back to an older version than this machine knows"
    for path, env in sorted(behind.items()):
        checked.findings.append(Finding(Problem.NO_HEAD, path, env=env_name(env), text=text))


def _index(project: Project, workspace: Workspace, checked: Checked) -> list[Finding]:
    """Compare the index with the records; what cannot be read is in neither."""
    areas = (*USUAL, *SCHEDULED) if project.indexes_at_once else ("heads",)
    found: list[str] = []
    aside = checked.unreadable | _behind(workspace, checked).keys()
    for _ in range(_LOOKS):
        stored = (
            each
            for area in ("heads", "hist", *areas[1:])
            for each in workspace.records.scan(f"{area}/")
            if each.path not in aside
        )
        found = differs(workspace.catalog.read, stored, areas, aside)
        if not found:
            break  # else somebody may have written between the two looks
        project.follow()
    return [Finding(Problem.INDEX, project.store, text=each) for each in found]


def _stale(workspace: Workspace) -> list[Finding]:
    """Find the published files that are not what is current; a place that cannot be reached is a finding too."""
    heads = {row.slot: row for row in workspace.catalog.heads(workspace.env)}
    placed = [
        each
        for each in workspace.publisher.placed(heads)
        if heads[each].published and not is_seen_outside(each, heads[each])
    ]
    if not placed:
        return []
    try:
        drifted = _publishing(workspace).drifted(placed, heads)
    except StoreError as error:
        return [Finding(Problem.STALE, str(error.facts.get("place", "")), text=said(error).splitlines()[0])]
    found = []
    now = workspace.clock.now()
    for made in sorted(drifted):
        head = heads[made]
        age_s = (now - datetime.fromisoformat(head.at)).total_seconds()
        if head.published != head.seq and age_s < _BEING_PUT_S:
            continue  # a run that goes on is about to put it
        text = "its file is not as it was published"
        if head.published != head.seq:
            text = f"v{head.published} lies there, v{head.seq} is current"
        where = workspace.publisher.location(made)
        found.append(Finding(Problem.STALE, where, made, f"v{head.seq}", workspace.env_name, text))
    return found


def _of_others(workspace: Workspace) -> list[Finding]:
    """Tell which external files are not as they were seen: others may change them, and nothing is to be mended."""
    heads = {row.slot: row for row in workspace.catalog.heads(workspace.env)}
    seen = [each for each, row in heads.items() if is_seen_outside(each, row) and not row.held]
    try:
        changed = changed_outside(workspace, seen, heads) if seen else {}
    except StoreError as error:
        text = said(error).splitlines()[0]
        return [Finding(Problem.OUTSIDE, str(error.facts.get("place", "")), text=text)]
    found = []
    for made, mark in sorted(changed.items()):
        text = (
            "changed since it was seen: the next build reads it" if mark else "gone: what reads it would fail"
        )
        where, seq = workspace.outside.location(made), f"v{heads[made].seq}"
        found.append(Finding(Problem.OUTSIDE, where, made, seq, workspace.env_name, text))
    return found


def _publishing(workspace: Workspace) -> Publishing:
    versions = Versions(workspace.records, workspace.catalog, workspace.env)
    return Publishing(workspace, versions, lambda level, text: None)


def _restore_heads(workspace: Workspace, checked: Checked) -> tuple[list[str], dict[str, str]]:
    """Put heads together again that cannot be read or are gone, as far as this machine's index knows them.

    Returns:
        What was done; and of the heads of which the index knows less than there was, how much that is, by path.
    """
    known: dict[str, str] = {}
    writes: list[Write] = []
    heads: dict[int, Head] = {}
    damaged = {each for each in checked.unreadable if each.startswith("heads/")}
    restored = restored_heads(workspace.catalog.read, damaged | checked.headless)
    stored = workspace.records.get_many(list(restored))
    for (path, found), there in zip(restored.items(), stored, strict=True):
        head: Head | None = found
        if there is not None and path not in damaged:
            head = _with_newer(found, decode(there.data, Head, path))
        if head is None:
            continue
        built, listed = checked.built.get(path, 0), _listed(there.data) if there and path in damaged else 0
        if head.current.seq < max(built, listed):
            told = f"runs made v{built}" if built >= listed else f"it lists v{listed}"
            known[path] = f"this machine's index knows v1 to v{head.current.seq}, and {told}"
            continue
        head, past = fitted(head)
        # A head never lacks the part of its history that left it.
        waits = () if past is None else (len(writes),)
        writes += [past] if past is not None else []
        heads[len(writes)] = head
        writes.append(Write(path, encode(head), there.token if there is not None else None, waits=waits))
    outcomes = workspace.records.batch(writes)
    done = []
    for n, head in heads.items():
        if outcomes[n] is not None:
            checked.unreadable.discard(writes[n].path)
            about = short(slot(head.asset, head.partition))
            done.append(f"the head of {about} was put together again from this machine's index")
    return done, known


def _listed(data: bytes) -> int:
    """Read off a head that is damaged how far it went, as well as can be: who rolled back or promoted is in no run."""
    return max(map(int, re.findall(r'"seq":(\d{1,9})\b', repr(data))), default=0)


def _restore_environments(project: Project, workspace: Workspace, checked: Checked) -> list[str]:
    """Record environments anew whose record cannot be read, or is gone while there are heads of a later life.

    One goes on only where something says so: what had ended must never come back. Where one that went on is taken for
    ended, its results are stored still, and the next build in it takes them.
    """
    done = []
    heads = {stored.path.split("/")[1] for stored in workspace.records.scan("heads/")}
    pinned = {pin.env for pin in pins(workspace)}
    for path in sorted(path for path in checked.unreadable | checked.nameless if path.startswith("envs/")):
        name = path.removeprefix("envs/")
        stored = next((each for each in workspace.records.scan(path) if each.path == path), None)
        told = left_of(stored.data if stored is not None else b"")
        # An environment of which versions are pinned cannot be removed.
        kept = [env_life(each) for each in pinned if env_name(each) == name]
        life = max(kept or [told.life, *(env_life(each) for each in heads if env_name(each) == name)])
        folder = env_folder(name, life)
        goes_on = folder in heads and (bool(kept) or (told.goes_on and told.life == life))
        base = project.settings.environment(name).base or DEFAULT_ENV
        now = workspace.clock.now()
        found = Environment(name=name, base=base, created_at=now, life=life)
        data = encode(found if goes_on else found.ended(now))
        if workspace.records.batch([Write(path, data, stored.token if stored else None)])[0] is None:
            continue
        checked.unreadable.discard(path)
        if goes_on:
            how = f"over {base}, as the settings say"
        elif all(env_name(each) != name for each in heads):
            how = "as removed, since it has no heads"
        elif told.has_ended:
            how = "as removed, as its record still says"
        else:
            how = f"as removed, since nothing tells that it was not: nacre build --env {name} begins it anew"
        done.append(f"the environment {name} was recorded anew, {how}")
    return done


def _left(checked: Checked, known: Mapping[str, str]) -> list[str]:
    """Say of the records that nobody here can mend what to do about them."""
    found = [
        f"{path}: {how_far}: repair it on the machine that made it, or restore a backup"
        for path, how_far in sorted(known.items())
    ]
    for path in sorted(checked.unreadable - checked.spoilt - known.keys()):
        area, _, name = path.partition("/")
        advice = {
            "heads": "no index here knows it: restore a backup, or remove the record and build anew",
            "hist": "older versions of its asset cannot be told: restore a backup",
            "pins": f"free it: nacre pin --remove {name}",
        }.get(area, "nothing that is current rests on it: restore a backup, or remove the record")
        found.append(f"{path}: {advice}")
    return found


def _with_newer(head: Head, begun: Head) -> Head | None:
    """Put what was made since a head was lost on top of it; None where the index knows nothing that is not there."""
    if head.current.seq <= begun.current.seq:
        return None
    own = begun.current
    if (own.fingerprint, own.data_version) == (head.current.fingerprint, head.current.data_version):
        return replace(head, published=0, mark="")
    newest = replace(own, seq=head.current.seq + 1)
    return replace(head, history=(*head.history, newest), published=0, mark="")


def _mend(workspace: Workspace, checked: Checked, stale: list[str]) -> list[str]:
    done = []
    mend(workspace.records, checked, workspace.clock.now())
    of_versions = [each for each in checked.findings if each.version and each.problem not in _OF_FILES]
    if n_lost := sum(not each.is_noted for each in of_versions):
        noted = count(n_lost, "lost version")
        done.append(f"{noted} noted for the next build, which makes again what is current")
    if n_found := sum(map(len, checked.found.values())):
        done.append(f"{count(n_found, 'version')} noted as lost, and whole again")
    lost = {each.slot for each in of_versions}
    if again := [each for each in stale if each and each not in lost]:
        publishing = _publishing(workspace)
        publishing.again(again)
        done.append(f"{len(again) - len(publishing.errors):,} files were published again")
    return done
