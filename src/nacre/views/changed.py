"""Which pieces of code differ from what a version was made with, and how: from the texts that were kept."""

from __future__ import annotations

from dataclasses import dataclass

from nacre.execute.workspace import Workspace
from nacre.frames import shorter
from nacre.graph.graph import AnyTask
from nacre.planning.decide import Decision, all_causes, code_changes
from nacre.planning.explain import describe_piece, sentence
from nacre.planning.facts import Facts
from nacre.planning.reason import Cause, Reason
from nacre.store.records import Action
from nacre.survey.gather import Versions
from nacre.version.fingerprint import HIDDEN
from nacre.version.snippet import difference, text_at, value_of

#: A constant is shown as old → new where both are at most this long.
_MAX_VALUE = 60
#: As many lines of differences as a person is shown at once.
MAX_LINES = 40


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One piece of code that differs from what a version was made with.

    Args:
        name: Its qualified name; ``dist pandas`` for an installed package.
        place: ``file.py:12``; empty for a package.
        text: What happened to it, in words, a constant with its old and new value.
        diff: Its lines with ``-``, ``+`` or a space before each; empty where the old text was not kept, and where
            the words say it all.
    """

    name: str
    place: str
    text: str
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Because:
    """One cause, said for a person: the sentence and, of code, the diff."""

    text: str
    diff: str = ""


class Compared:
    """Compares the code of one task with the record of a version.

    Args:
        workspace: Where the code of now is known.
        versions: Where the texts of then are.
        task: Whose code it is.
        record: What the version was made with.
    """

    def __init__(self, workspace: Workspace, versions: Versions, task: AnyTask, record: Action) -> None:
        self._code = workspace.code
        self._versions = versions
        self._record = record
        self._now = workspace.code.of(task)
        self.n_parts = len(self._now.parts)

    def changes(self) -> list[CodeChange]:
        """List the pieces that differ, in the order in which a plan names them."""
        before = {part.name: (part.place, part.digest) for part in self._record.parts}
        found: list[CodeChange] = []
        for reason in code_changes(self._now, before):
            change = self._change(reason, before[reason.subject][0] if reason.old else "")
            # A function that is defined in another is part of its text: once is enough.
            is_told = change.diff and any(each.diff == change.diff for each in found)
            found.append(CodeChange(change.name, change.place, change.text) if is_told else change)
        return found

    def _change(self, reason: Reason, old_place: str) -> CodeChange:
        old, new = self._old(old_place), self._new(reason.place) if reason.new else ""
        place = relative(reason.place)
        shown = Reason(Cause.CODE, reason.subject, place, reason.old, reason.new)
        was, now = value_of(old), value_of(new)
        if was and now and was != now and max(len(was), len(now)) <= _MAX_VALUE:
            return CodeChange(reason.subject, place, describe_piece(shown, was, now))
        text = describe_piece(shown)
        if old and old == new and HIDDEN not in old:
            text += ", though its lines did not"
        is_kept = bool(old or not reason.old)
        return CodeChange(reason.subject, place, text, difference(old, new) if is_kept else "")

    def _old(self, place: str) -> str:
        file, _, line = place.rpartition(":")
        digest = self._record.sources.get(file, "")
        return text_at(self._versions.texts(digest), line) if digest else ""

    def _new(self, place: str) -> str:
        file, _, line = place.rpartition(":")
        return text_at(self._code.texts(file), line) if file else ""


def because(
    workspace: Workspace, versions: Versions, task: AnyTask, decision: Decision, facts: Facts
) -> list[Because]:
    """Say every cause of a decision, those of code with the difference; at most ``MAX_LINES`` lines of it in all."""
    causes = all_causes(decision, facts)
    head = facts.heads.get(decision.recipe.assets[0])
    record = versions.action(head.fingerprint) if head is not None else None
    changes: list[CodeChange] = []
    if record is not None and any(each.cause is Cause.CODE for each in causes):
        changes = Compared(workspace, versions, task, record).changes()
    found = [Because(change.text, change.diff) for change in shortened(changes)]
    return found + [Because(sentence(each)) for each in causes if not (changes and each.cause is Cause.CODE)]


def shortened(changes: list[CodeChange], limit: int = MAX_LINES) -> list[CodeChange]:
    """Cut the differences to a number of lines in all; the last line says how many were left out."""
    n_all = sum(len(change.diff.splitlines()) for change in changes)
    left, found = limit, []
    for change in changes:
        lines = change.diff.splitlines()
        cut = lines[:left]
        if left > 0 and len(lines) > left:
            cut.append(f" … and {n_all - limit:,} more {'line' if n_all - limit == 1 else 'lines'}")
        left -= len(lines)
        found.append(CodeChange(change.name, change.place, change.text, "\n".join(cut)))
    return found


def relative(place: str) -> str:
    """Say where code is as seen from the working directory."""
    path, _, line = place.rpartition(":")
    return f"{shorter(path)}:{line}" if path else place
