"""A run whose heads were removed meanwhile begins them anew, and what it makes from them names the new numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from nacre.store.codec import decode
from nacre.store.commit import Commit, Committer, Move
from nacre.store.memory import MemoryRecords
from nacre.store.paths import head_path
from nacre.store.records import Action, Head

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def commit(name: str, inputs: dict[str, tuple[str, int]]) -> Commit:
    action = Action(
        fingerprint=name, task=name, code="", outputs=(), attempt=name, run="run", started_at=NOW, duration_s=1.0
    )  # fmt: skip
    return Commit(name, "run", name, NOW, action, (Move("dev", f"asset://{name}", "content", inputs, 2),))


def test_what_is_made_from_a_head_that_was_removed_names_its_new_number() -> None:
    records = MemoryRecords()
    committer = Committer(records, lambda: 0.0)
    committer.add(commit("above", {}))
    committer.add(commit("below", {"x": ("asset://above", 3)}))
    above, below = committer.flush()
    assert (above.seqs, below.seqs) == ({"asset://above": 1}, {"asset://below": 1})
    stored = records.get(head_path("dev", "asset://below"))
    assert stored is not None
    assert decode(stored.data, Head).current.inputs == {"x": ("asset://above", 1)}
