"""What planning is told: plain values gathered by ``survey``, and nothing it could look up itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from nacre.version.outline import Outline


class HeadFact(Protocol):
    """What is current for a slot: an asset, or one partition of it."""

    @property
    def seq(self) -> int:
        """Number of the version."""
        ...

    @property
    def fingerprint(self) -> str:
        """Recipe it was made by."""
        ...

    @property
    def data_version(self) -> str:
        """Its content."""
        ...

    @property
    def at(self) -> str:
        """When it became current: ISO 8601, UTC."""
        ...


class KnownResult(NamedTuple):
    """A result recorded under a fingerprint: asset key to data version, and when it was made."""

    data_versions: Mapping[str, str]
    at: datetime


class Evidence(NamedTuple):
    """What a stored version was made of, for explaining why the next one differs.

    Args:
        code: Code version.
        parts: Qualified name to ``(place, digest)`` of each piece of code.
        inputs: Name of each input, as ``InputVersion.name``, to ``(slot, data version)``.
        parameters: Name to digest.
        settings: Name to value.
        shown: Parameters whose values are short enough to show.
        duration_s: How long it took to make.
        sizes: Asset key to the bytes that were stored.
    """

    code: str
    parts: Mapping[str, tuple[str, str]] = MappingProxyType({})
    inputs: Mapping[str, tuple[str, str]] = MappingProxyType({})
    parameters: Mapping[str, str] = MappingProxyType({})
    settings: Mapping[str, str] = MappingProxyType({})
    shown: Mapping[str, str] = MappingProxyType({})
    duration_s: float = 0.0
    sizes: Mapping[str, int] = MappingProxyType({})


class CodePartFact(Protocol):
    """One piece of code in an identity."""

    @property
    def name(self) -> str:
        """Qualified name."""
        ...

    @property
    def place(self) -> str:
        """``file.py:12``."""
        ...

    @property
    def digest(self) -> str:
        """Of its normalised source or value."""
        ...


class CodeFact(Protocol):
    """A code version with its parts."""

    @property
    def digest(self) -> str:
        """The code version."""
        ...

    @property
    def parts(self) -> tuple[CodePartFact, ...]:
        """Everything it is made of."""
        ...

    @property
    def unknowns(self) -> tuple[str, ...]:
        """What could not be followed, each with its remedy."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where more was taken into account than may be used, because it could not be told; one sentence each."""
        ...


class Facts(NamedTuple):
    """All that a decision may rest on.

    Args:
        now: Aware UTC.
        heads: Slot to what is current there.
        code: Step key to its code version.
        known: Fingerprint to the recorded result, None where there is none.
        evidence: Fingerprint to what that version was made of.
        outline: ``(asset, data version)`` to what that version looked like.
        refresh: Assets to run whatever is known; ``*`` means all.
        reuse_sources: True where sources with a current version are not looked at again.
        drifted: Slots whose published file is gone or no longer what was published.
        doubts: By the identity of a task: sentences on what of its code could not be followed. Most have none.
    """

    now: datetime
    heads: Mapping[str, HeadFact]
    code: Callable[[str], CodeFact]
    known: Callable[[str], KnownResult | None]
    evidence: Callable[[str], Evidence | None]
    outline: Callable[[str, str], Outline | None]
    refresh: frozenset[str] = frozenset()
    reuse_sources: bool = False
    drifted: frozenset[str] = frozenset()
    doubts: Mapping[int, tuple[str, ...]] = MappingProxyType({})
