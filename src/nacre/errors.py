"""Every error nacre raises on purpose, and the one builder of their text.

The tree is grouped by what the catcher does::

    NacreError
    ├── DefinitionError        fix the code: nothing has run
    │   ├── InvalidKey · InvalidOption · NotYetEffective · UnknownName · AmbiguousName
    │   ├── DuplicateAsset · CyclicAssets · MissingArgument · SourceDrift · UnknownCode
    │   └── DefinitionErrors   several of the above, found together
    ├── StepError              a step did not finish: nothing of it was recorded
    │   ├── StepFailed · StepTimedOut · UpstreamFailed
    │   └── UnserialisableValue · TypeMismatch · OutputMismatch · InputMutated
    ├── StoreError             the store refused or is damaged
    │   ├── StoreUnavailable · StoreReadOnly · StoreFull · StoreTooNew · NotPublished
    │   └── CorruptObject · CorruptRecord
    ├── PromotionConflict      the environment to promote to went its own way: nothing was promoted
    ├── NotMaterialized        nothing stored under that key (yet)
    ├── MissingContext         called outside a run or step
    └── UsageError             a command or setting was misspelt

Each class is also the natural builtin, and carries a stable ``kind`` code that is never reused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

SAFE = "Stored data is safe: nothing was changed."


def message(
    what: str,
    facts: Mapping[str, object] | None = None,
    hint: str | Sequence[str] = (),
) -> str:
    """Build an error text: what failed, the facts aligned, what to do next.

    Args:
        what: One sentence naming what failed.
        facts: Label to value, shown one per line with the values aligned.
        hint: What to do next, a line or several.

    Returns:
        The text, lines joined by newlines, without a trailing one.
    """
    lines = [what]
    shown = {label: str(value) for label, value in (facts or {}).items() if value not in (None, "")}
    width = max(map(len, shown), default=0)
    for label, value in shown.items():
        first, *rest = value.splitlines() or [""]
        lines.append(f"  {label:<{width}}  {first}")
        lines.extend(f"  {'':<{width}}  {line}" for line in rest)
    hints = [hint] if isinstance(hint, str) else list(hint)
    lines.extend(f"  → {line}" for line in hints if line)
    return "\n".join(lines)


def said(error: BaseException) -> str:
    """Say what an error says, whatever its class does when asked; always text that can be stored."""
    try:
        text = str(error)
    except Exception:  # the user's class may raise anything
        text = "(its text cannot be shown)"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if isinstance(error, NacreError) else f"{type(error).__name__}: {text}".removesuffix(": ")


class NacreError(Exception):
    """Something nacre noticed and can explain.

    Args:
        what: One sentence naming what failed.
        facts: Label to value; shown aligned.
        hint: What to do next.
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self,
        what: str,
        facts: Mapping[str, object] | None = None,
        hint: str | Sequence[str] = (),
    ) -> None:
        self.what = what
        self.facts = dict(facts or {})
        self.hint = (hint,) if isinstance(hint, str) else tuple(hint)
        super().__init__(message(what, self.facts, self.hint))

    def __str__(self) -> str:
        # KeyError's own __str__ would show the repr of the text.
        return str(self.args[0])

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what, self.facts, self.hint)

    def about(self, label: str, value: object) -> Self:
        """Add a fact that only the caller knows, first, unless it is there already; returns the same error."""
        if label not in self.facts:
            self.facts = {label: value, **self.facts}
            self.args = (message(self.what, self.facts, self.hint),)
        return self

    def advise(self, hint: Sequence[str]) -> Self:
        """Say something else to do next, where the caller knows better; returns the same error."""
        self.hint = tuple(hint)
        self.args = (message(self.what, self.facts, self.hint),)
        return self


class DefinitionError(NacreError):
    """The declared assets, tasks or flows cannot be used as they are."""

    kind = "definition"


class InvalidKey(DefinitionError, ValueError):
    """An asset or artifact key breaks the rules."""

    kind = "invalid-key"


class InvalidOption(DefinitionError, TypeError):
    """An option is unknown or has a value it cannot have."""

    kind = "invalid-option"


class NotYetEffective(DefinitionError, NotImplementedError):
    """An option of Prefect's that nacre accepts by name but does not act on yet."""

    kind = "not-yet-effective"


class UnknownName(DefinitionError, LookupError):
    """A name or key that no declared asset has."""

    kind = "unknown-name"


class AmbiguousName(DefinitionError, LookupError):
    """A parameter or name that several assets answer to."""

    kind = "ambiguous-name"


class DuplicateAsset(DefinitionError, ValueError):
    """Two functions materialize the same key."""

    kind = "duplicate-asset"


class CyclicAssets(DefinitionError, ValueError):
    """Assets that need each other."""

    kind = "cyclic-assets"


class MissingArgument(DefinitionError, TypeError):
    """An argument was not given and names no asset."""

    kind = "missing-argument"


class SourceDrift(DefinitionError, RuntimeError):
    """A source file changed after its code was imported."""

    kind = "source-drift"


class UnknownCode(DefinitionError, TypeError):
    """Something a function reaches that cannot be given an identity."""

    kind = "unknown-code"


class DefinitionErrors(DefinitionError):
    """All definition errors of one validation, reported at once.

    Args:
        errors: The single errors, in source order.
    """

    kind = "definitions"

    def __init__(self, errors: Sequence[DefinitionError]) -> None:
        self.errors = tuple(errors)
        n = len(self.errors)
        text = "\n\n".join(map(str, self.errors))
        super().__init__(f"{n} definition errors; nothing was run\n\n{text}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.errors,)


class StepError(NacreError):
    """A step did not finish; nothing of it was recorded."""

    kind = "step"


class StepFailed(StepError, RuntimeError):
    """The user's function raised; the cause is chained."""

    kind = "step-failed"


class StepTimedOut(StepError, TimeoutError):
    """The user's function ran past its ``timeout_seconds``."""

    kind = "step-timed-out"


class UpstreamFailed(StepError, RuntimeError):
    """A step was not run because something it needs failed."""

    kind = "upstream-failed"


class UnserialisableValue(StepError, TypeError):
    """A value no format can store so that it comes back as it was."""

    kind = "unserialisable-value"


class TypeMismatch(StepError, TypeError):
    """A stored value was asked for as a type it cannot become."""

    kind = "type-mismatch"


class OutputMismatch(StepError, ValueError):
    """A function of several assets returned something other than one value for each."""

    kind = "output-mismatch"


class InputMutated(StepError, RuntimeError):
    """A step changed a value that another step was to read."""

    kind = "input-mutated"


class StoreError(NacreError):
    """The store refused, or what it holds is damaged."""

    kind = "store"


class StoreUnavailable(StoreError, OSError):
    """The store could not be reached or opened."""

    kind = "store-unavailable"


class StoreReadOnly(StoreError, PermissionError):
    """The store cannot be written."""

    kind = "store-read-only"


class StoreFull(StoreError, OSError):
    """No space is left where the store is."""

    kind = "store-full"


class StoreTooNew(StoreError, RuntimeError):
    """The store was written by a newer nacre."""

    kind = "store-too-new"


class NotPublished(StoreError, OSError):
    """A version is stored, but its file could not be put where its key says."""

    kind = "not-published"


class CorruptObject(StoreError, ValueError):
    """Stored bytes no longer have their digest."""

    kind = "corrupt-object"


class CorruptRecord(StoreError, ValueError):
    """A record cannot be decoded."""

    kind = "corrupt-record"


class PromotionConflict(NacreError, RuntimeError):
    """Versions cannot be promoted as they are; all reasons are there, and nothing was promoted."""

    kind = "promotion-conflict"


class NotMaterialized(NacreError, LookupError):
    """Nothing is stored under that key."""

    kind = "not-materialized"


class MissingContext(NacreError, RuntimeError):
    """Something that only works inside a run or step was called outside."""

    kind = "missing-context"


class UsageError(NacreError, ValueError):
    """A command, selector or setting that does not exist."""

    kind = "usage"
