"""What planning is told: plain values gathered by ``survey``, and nothing it could look up itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    @property
    def base(self) -> str:
        """The environment that it is read from, where the run's own has no version of it; else empty."""
        ...

    @property
    def held(self) -> str:
        """The version that builds leave current, such as ``v12``; empty where they go on."""
        ...

    @property
    def held_since(self) -> str:
        """Since when it is held: ISO 8601, UTC."""
        ...

    @property
    def is_lost(self) -> int:
        """1 where its bytes are known to be gone or damaged, else 0."""
        ...


#: The kind of a read of which nobody can tell what it brought: a program, a connection. Its name is a phrase.
UNSEEN = "unseen"


class ReadFact(NamedTuple):
    """Something a step read that is no parameter of it, and what it was like then.

    Args:
        kind: ``file``, ``folder``, ``source``, ``env``, ``asset`` or ``unseen``.
        name: A path relative to the project, a variable, or a slot.
        digest: Of its content; empty where it was not there.
    """

    kind: str
    name: str
    digest: str


class KnownResult(NamedTuple):
    """A recorded result of a recipe.

    Args:
        fingerprint: What it is recorded under: the recipe's, with the digest of what was read besides.
        data_versions: Asset key to content.
        at: When it was made.
        reads: What must be as it was for the result to hold.
        is_lost: True where its bytes were found to be gone or damaged, and were not made again since.
    """

    fingerprint: str
    data_versions: Mapping[str, str]
    at: datetime
    reads: Sequence[ReadFact] = ()
    is_lost: bool = False


class Evidence(NamedTuple):
    """What a stored version was made of, for explaining why the next one differs.

    Args:
        code: Code version.
        parts: Qualified name to ``(place, digest)`` of each piece of code.
        inputs: Name of each input, as ``InputVersion.name``, to ``(slot, data version)``.
        parameters: Name to digest.
        settings: Name to value.
        reads: What was read besides.
        shown: Parameters whose values are short enough to show.
        duration_s: How long it took to make.
        sizes: Asset key to the bytes that were stored.
    """

    code: str
    parts: Mapping[str, tuple[str, str]] = MappingProxyType({})
    inputs: Mapping[str, tuple[str, str]] = MappingProxyType({})
    parameters: Mapping[str, str] = MappingProxyType({})
    settings: Mapping[str, str] = MappingProxyType({})
    reads: Sequence[ReadFact] = ()
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
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it looks up by literal names."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where more was taken into account than may be used, because it could not be told; one sentence each."""
        ...


class Asked(NamedTuple):
    """What cache policies ask for besides code and inputs.

    Args:
        run: Id of the run at the root of the tree, for ``RUN_ID``.
        flow: Name of each parameter of the flow to the digest of its value, for ``FLOW_PARAMETERS``.
        key: The text of ``cache_key_fn``; None where it gave none.
        unknown: What has no identity, in words.
        failed: What ``cache_key_fn`` raised, in words.
    """

    run: str = ""
    flow: Mapping[str, str] = MappingProxyType({})
    key: str | None = None
    unknown: str = ""
    failed: str = ""


def _nothing(step: str, edges: Sequence[tuple[str, str, bool]], taken: Mapping[str, str]) -> Asked:
    return Asked()


def nothing_released(slot: str) -> bool:
    """Leave everything that is held as it is: what flows and schedules do."""
    return False


class Facts(NamedTuple):
    """All that a decision may rest on.

    Args:
        now: Aware UTC.
        heads: Slot to what is current there.
        code: Step key to its code version.
        known: Fingerprint and first slot of a recipe to its recorded results: one, or one a set of things it read.
        evidence: Fingerprint to what that version was made of.
        outline: ``(asset, data version)`` to what that version looked like.
        digest_now: Kind and name of something that is read to its digest as it is now.
        refresh: Assets to run whatever is known; ``*`` means all.
        reuse_sources: True where sources with a current version are not looked at again.
        drifted: Slots whose published file is gone or no longer what was published.
        asked: Step key, its edges, and the fingerprints of upstreams that are taken without being current, to what the
            step's cache policy asks for besides; called only where a policy does.
        doubts: By the identity of a task: sentences on what of its code could not be followed. Most have none.
        released: Says of a slot that is held whether it is asked for so plainly that the hold ends.
        look_ahead: Where the store is far away: told of recipes that are about to be asked for, each with the current
            one, so that they are looked for at the same time.
    """

    now: datetime
    heads: Mapping[str, HeadFact]
    code: Callable[[str], CodeFact]
    known: Callable[[str, str], Sequence[KnownResult]]
    evidence: Callable[[str], Evidence | None]
    outline: Callable[[str, str], Outline | None]
    digest_now: Callable[[str, str], str]
    refresh: frozenset[str] = frozenset()
    reuse_sources: bool = False
    drifted: frozenset[str] = frozenset()
    asked: Callable[[str, Sequence[tuple[str, str, bool]], Mapping[str, str]], Asked] = _nothing
    doubts: Mapping[int, tuple[str, ...]] = MappingProxyType({})
    released: Callable[[str], bool] = nothing_released
    look_ahead: Callable[[Sequence[tuple[str, str]]], None] | None = None
