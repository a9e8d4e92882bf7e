"""Who names an old version marks its record first: a collection sees that, or had removed it before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nacre.errors import NotMaterialized
from nacre.pinning import pin_version, pins
from nacre.store.codec import decode, encode
from nacre.store.gc import Retention, collect
from nacre.store.keeping import Kept, keep, kept
from nacre.store.listing import list_again
from nacre.store.paths import action_path, head_path, replaced_path
from nacre.store.port import RecordStore, Write
from nacre.store.reach import tombstone
from nacre.store.records import Action
from nacre.store.retain import Roots
from sandbox import Sandbox

SOURCE = """
value = 0

@materialize("asset://number")
def number(): return value
"""
KEY = "asset://number"


def made(project: Sandbox, n: int) -> Sandbox:
    """A source with as many versions."""
    module = project.module(SOURCE)
    for value in range(n):
        module.value = value
        project.build(module)
        project.clock.advance(20 * 24 * 3600)
    return project


def lying(records: RecordStore, fingerprint: str, data_version: str) -> Kept | None:
    """The record of a version of the source, wherever it lies."""
    return kept(records, records.get(action_path(fingerprint)), fingerprint, KEY, data_version)


def test_the_record_of_a_version_is_found_where_a_refresh_left_it(project: Sandbox) -> None:
    made(project, 1)
    records, row = project.workspace.records, project.workspace.catalog.heads_of("default", KEY)[0]
    found = lying(records, row.fingerprint, row.data_version)
    assert found is not None
    assert found.path == action_path(row.fingerprint)
    assert lying(records, row.fingerprint, "other content") is None
    moved = replaced_path(row.fingerprint, found.action.attempt)
    buried = encode(tombstone(found.action, project.workspace.clock.now()))
    records.batch([Write(moved, encode(found.action)), Write(found.path, buried, found.token)])
    again = lying(records, row.fingerprint, row.data_version)
    assert again is not None
    assert again.path == moved


def test_an_old_result_that_is_kept_survives_a_collection_that_saw_it_before(project: Sandbox) -> None:
    workspace = made(project, 3).workspace
    old = workspace.catalog.history("default", KEY)[-1]
    path = action_path(old.fingerprint)
    before = workspace.records.get(path)
    assert before is not None
    assert keep(workspace.records, old.fingerprint, KEY, old.data_version, workspace.clock.now())
    grave = tombstone(decode(before.data, Action, path), workspace.clock.now())
    assert workspace.records.replace(path, encode(grave), before.token) is None
    collect(
        workspace.records,
        workspace.contents.objects,
        now=workspace.clock.now() + timedelta(days=8),
        settings=Retention(keep_versions=1, cache_keep=30),
        delete=True,
    )
    assert lying(workspace.records, old.fingerprint, old.data_version) is not None


def test_a_version_that_was_collected_is_not_pinned(project: Sandbox) -> None:
    workspace = made(project, 3).workspace
    old = workspace.catalog.history("default", KEY)[-1]
    settings = Retention(keep_versions=1, cache_keep=1)
    collect(
        workspace.records,
        workspace.contents.objects,
        now=workspace.clock.now(),
        settings=settings,
        delete=True,
    )
    with pytest.raises(NotMaterialized) as caught:
        pin_version(workspace, "release", KEY, "", old)
    assert caught.value.facts["version"] == "v1"
    assert pins(workspace) == []


def test_a_collection_that_did_not_see_a_pin_does_not_drop_its_version(project: Sandbox) -> None:
    workspace = made(project, 3).workspace
    roots_of = Roots(workspace.records)
    old = workspace.catalog.history("default", KEY)[-1]
    pin_version(workspace, "release", KEY, "", old)
    n_dropped = roots_of.trim(Retention(keep_versions=1), workspace.clock.now(), delete=True)
    assert n_dropped == 0
    assert [row.seq for row in workspace.catalog.history("default", KEY)] == [3, 2, 1]
    assert list_again(workspace.records, "default", KEY, "", 1)
    assert not list_again(workspace.records, "default", KEY, "", 4)
    assert workspace.records.get(head_path("default", KEY)) is not None
