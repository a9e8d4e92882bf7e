"""What a value looked like, small enough to keep with every version, and what differs between two of them.

An outline never holds data: only types, counts, names and digests. Plan and why compare outlines, so explaining a
change reads no data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PATHS = 1_000


@dataclass(frozen=True, slots=True)
class Outline:
    """The shape of one value.

    Args:
        type: What a person calls it: ``table``, ``dict``, ``list``, ``str``, ``bytes``, ``file`` …
        size: Rows of a table, items of a container, characters or bytes of text; None where that means nothing.
        columns: Column name to ``(type, digest)``, in order; tables only.
        paths: Key path (``items[0].name``) to the digest of what is there; at most the first 1,000 leaves.
        truncated: True where there were more paths than kept.
    """

    type: str
    size: int | None = None
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two outlines, as data; ``planning.explain`` makes the sentence.

    Args:
        size: ``(old, new)`` where the size differs.
        added: Columns or paths only the new one has.
        removed: Columns or paths only the old one has.
        changed: Columns or paths that both have with other content or type.
        type: ``(old, new)`` where the type differs.
        retyped: Of the changed columns, those of another type: ``(name, old type, new type)``.
        complete: False where an outline was truncated, so something unseen may differ as well.
        kind: What the new value is: ``table``, or its type.
    """

    size: tuple[int, int] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    type: tuple[str, str] | None = None
    complete: bool = True
    kind: str = ""
    retyped: tuple[tuple[str, str, str], ...] = ()


def compare(old: Outline, new: Outline) -> Change:
    """Say what differs between two outlines.

    Args:
        old: The earlier outline.
        new: The later one.

    Returns:
        The change; all fields empty when the outlines are equal. Linear in their entries.
    """
    # The digest of a column covers its type, which an outline may have shortened.
    before = {name: found for name, (_, found) in old.columns.items()} | old.paths
    after = {name: found for name, (_, found) in new.columns.items()} | new.paths
    sized = old.size is not None and new.size is not None and old.size != new.size
    return Change(
        size=(old.size, new.size) if sized else None,  # type: ignore[arg-type]  # both are int where sized
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(n for n, what in after.items() if n in before and before[n] != what),
        type=(old.type, new.type) if old.type != new.type else None,
        complete=not (old.truncated or new.truncated),
        kind="table" if new.columns else new.type,
        retyped=tuple(
            (name, old.columns[name][0], kind)
            for name, (kind, _) in new.columns.items()
            if name in old.columns and old.columns[name][0] != kind
        ),
    )
