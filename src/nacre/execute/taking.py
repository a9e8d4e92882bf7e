"""Files that a step takes as versions: those that it wrote itself, and those of others that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from nacre.catalog.history import HeadRow
from nacre.errors import NotMaterialized, OutputMismatch, StoreUnavailable, UnserialisableValue
from nacre.execute.effects import Effects
from nacre.execute.made import MISSING
from nacre.execute.publishing import Publishing, Taken
from nacre.execute.step import Receipt, StepRun
from nacre.execute.workspace import Workspace
from nacre.keys import dimensions, key_of, partition_of, resolved
from nacre.planning.decide import is_seen_outside
from nacre.planning.explain import short
from nacre.planning.facts import HeadFact
from nacre.store import formats
from nacre.store.publish.publisher import Publisher, has_drifted
from nacre.store.publish.taking import take
from nacre.store.records import Output


def external_keys(outside: Publisher, unmade: Iterable[str], heads: Mapping[str, HeadFact]) -> list[str]:
    """List the external assets among keys that nobody in a graph makes: those that name a place.

    One whose current version was made by a step, in another module or earlier, is not: it is taken as it is.

    Args:
        outside: Knows which keys name a place.
        unmade: Keys.
        heads: What is current.
    """
    placed = outside.placed(each for each in unmade if not dimensions(each) and not partition_of(each))
    return [each for each in placed if each not in heads or is_seen_outside(each, heads[each])]


def changed_outside(
    workspace: Workspace, keys: Sequence[str], heads: Mapping[str, HeadFact]
) -> dict[str, str]:
    """Find the external assets that are not as they were seen.

    Args:
        workspace: Where they lie.
        keys: Of external assets.
        heads: What is current.

    Returns:
        Each that changed, to what its place says of it now; empty where it is gone.

    Raises:
        StoreError: A place cannot be reached.
    """
    marks, found = workspace.outside.marks(keys), {}
    for each in keys:
        head = cast("HeadRow | None", heads.get(each))
        if head is not None and head.base:
            # Where a file of others lies is the same for all environments, and so is what was seen of it.
            head = next(iter(workspace.catalog.over({}).heads_of(head.base, each)), None)
        if head is None or has_drifted(head, marks.get(each, "")):
            found[each] = marks.get(each, "")
    return found


class Taking:
    """Takes files at places as the versions of one run.

    Args:
        workspace: The places and the store.
        publishing: Knows what lay there when the run looked, and notes what is taken.
        heads: What is current.
    """

    def __init__(self, workspace: Workspace, publishing: Publishing, heads: Mapping[str, HeadFact]) -> None:
        self._workspace = workspace
        self._publishing = publishing
        self._heads = heads

    def written(self, step: StepRun, made: str) -> Output | None:
        """Give what a step wrote to its place itself, in a function that returned ``None``.

        Args:
            step: The step, whose function has returned.
            made: One of its slots.

        Returns:
            The version; that of before where the step had written that one and wrote nothing now; None where ``None``
            is its value.

        Raises:
            OutputMismatch: It wrote nothing, and ``None`` is nothing that such a file holds; or it is to write a file
                for which its environment has no place.
            StoreError: The file cannot be read or kept.
        """
        publisher = self._workspace.publisher
        if not publisher.placed([made]):
            if self._workspace.outside.placed([made]) and not _has_none(step, made):
                raise self._placeless(step, made)
            return None
        before, now = self._publishing.seen(made), publisher.marks([made]).get(made, "")
        present = step.previous.get(made)
        if now and (now != before or self._may_be_new(made, now)):
            contents = self._workspace.contents
            try:
                found = take(publisher, contents, made, keeps=True, is_written=True, present=present)
            except FileNotFoundError:
                facts = {"asset": resolved(made), "place": publisher.location(made)}
                hint = "somebody else removes files there: find out who, then build again"
                what = f"The file that {step.task.name} wrote was gone before it was read"
                raise StoreUnavailable(what, facts, hint) from None
            except UnserialisableValue as error:
                self._publishing.spoilt.add(made)
                error.about("function", f"{step.task.name} at {step.task.place}")
                raise
            self._publishing.taken[made] = Taken(found.output.digest, found.mark)
            return found.output
        if present is not None and present.is_written:
            if before and not now:
                self._publishing.spoilt.add(made)
                raise _gone(step, made, publisher.location(made))
            return present
        if formats.holds_none(key_of(made)):
            return None
        facts = {
            "asset": resolved(made),
            "function": f"{step.task.name} at {step.task.place}",
            "place": publisher.location(made),
            "returned": "None",
        }
        where = f"nacre.location({key_of(made)!r})"
        hints = ("return its content", f"or write the file yourself, at {where}, and return None")
        raise OutputMismatch(f"{step.task.name} returned nothing and wrote no file", facts, hints)

    def _placeless(self, step: StepRun, made: str) -> OutputMismatch:
        """Make the error of a step that writes its file itself where it has no place: ``None`` would be its value."""
        env = self._workspace.env_name
        facts = {
            "asset": resolved(made),
            "function": f"{step.task.name} at {step.task.place}",
            "environment": env,
            "place": "none: it publishes nowhere",
            "returned": "None",
        }
        hints = (
            f"give it a place: publish_root in [env.{env}], and write to nacre.location({key_of(made)!r})",
            "or return its content",
        )
        return OutputMismatch(
            f"{step.task.name} returned nothing, and has no place to write to", facts, hints
        )

    def _may_be_new(self, made: str, mark: str) -> bool:
        """Say whether a step may have written the file that looks as it did before it.

        Where the same bytes have the same mark, a run that ended before it noted its file leaves what the next one
        writes again. A file that is noted is the version that is current, written again or not.
        """
        if not self._workspace.publisher.marks_content(made):
            return False
        head = cast("HeadRow | None", self._heads.get(made))
        return head is None or bool(head.base) or has_drifted(head, mark)

    def seen(self, step: StepRun) -> Effects[Receipt]:
        """Look at an external asset: read what lies at its key, and run nothing.

        Args:
            step: Its step.
        """
        clock, made = self._workspace.clock, step.key
        start = clock.monotonic()
        error: Exception | None = None
        outputs: dict[str, Output] = {}
        try:
            outputs[made] = self._look(made, step.previous.get(made))
        except Exception as raised:  # the receipt carries it, as that of any step
            error = raised
        return Receipt(
            key=made,
            attempt=step.id,
            started_at=step.started_at,
            duration_s=clock.monotonic() - start,
            attempts=1,
            values={made: MISSING},
            digests={made: ""},
            outputs=outputs,
            error=error,
        )
        yield  # a step of effects, which needs none

    def _look(self, made: str, present: Output | None) -> Output:
        outside = self._workspace.outside
        try:
            found = take(
                outside, self._workspace.contents, made, keeps=self._workspace.keep_external, present=present
            )
        except FileNotFoundError:
            facts = {"asset": made, "place": outside.location(made)}
            hints = (
                "put the file there, or correct the key",
                f"what was seen of it before: nacre history {made}",
            )
            what = f"{short(made)} is made by nobody, and there is no file"
            raise NotMaterialized(what, facts, hints) from None
        base = self._heads[made].base if made in self._heads else ""
        self._publishing.taken[made] = Taken(found.output.digest, found.mark, base)
        return found.output


def _has_none(step: StepRun, made: str) -> bool:
    """Say whether ``None`` is a value of a step, and not what says that it wrote its file: its annotation tells."""
    present = step.previous.get(made)
    if (present and present.is_written) or len(step.task.assets) > 1 or not formats.holds_none(key_of(made)):
        return False
    try:
        said = step.task.fn.__annotations__.get("return")
    except (AttributeError, NameError):  # there are none, or they name what is not there
        return False
    return _admits_none(said if isinstance(said, str) else f"{said}")


def _admits_none(annotation: str) -> bool:
    """Say whether a type, as it is written, is that of values and of None.

    >>> [_admits_none(each) for each in ("dict[str, int] | None", "typing.Optional[dict]", "typing.Any")]
    [True, True, True]
    >>> [_admits_none(each) for each in ("None", "dict", "list[dict | None]", "tuple[None, dict]")]
    [False, False, False, False]
    """
    outer = re.sub(r"\[.*\]", "", annotation)
    if outer.endswith("Union"):
        return "None" in annotation
    return bool(re.search(r"\b(Optional|Any|object)\b|\| *None\b|\bNone *\|", outer))


def _gone(step: StepRun, made: str, place: str) -> OutputMismatch:
    facts = {
        "asset": resolved(made),
        "function": f"{step.task.name} at {step.task.place}",
        "place": place,
        "returned": "None",
    }
    hints = (
        "write the file, under another name and renamed; or leave the one that is there, where nothing is new",
        "the version that is current stays",
    )
    return OutputMismatch(f"{step.task.name} returned nothing, and its file is gone", facts, hints)
