"""What the engine works with: the store, the catalog, time and identity, collected by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from nacre.catalog.history import Catalog
from nacre.catalog.index import Event
from nacre.execute.clock import Clock
from nacre.graph.graph import AnyTask
from nacre.planning.decide import HasContent, is_seen_outside
from nacre.planning.facts import CodeFact
from nacre.store.claims import Claims
from nacre.store.contents import Contents
from nacre.store.port import RecordStore
from nacre.store.publish.publisher import Publisher
from nacre.store.records import DEFAULT_ENV
from nacre.survey.reads import Reads


class CodeReader(Protocol):
    """Gives code versions; those of one run are all taken before its first step."""

    #: Digests of the files whose text this process has stored.
    kept: set[str]
    #: By the identity of a task: sentences on what of its code could not be followed.
    doubts: dict[int, tuple[str, ...]]
    #: Names of assets of which a person was told so: once a process is enough.
    told: set[str]

    def prepare(self, tasks: Iterable[AnyTask]) -> None:
        """Begin a run: look at everything afresh, and take the versions of the tasks that are known already."""
        ...

    def of(self, task: AnyTask) -> CodeFact:
        """Return the code version of a task."""
        ...

    def sources(self, task: AnyTask) -> dict[str, str]:
        """Say which own files the code of a task is in: file, as in places, to the digest of its bytes."""
        ...

    def texts(self, file: str) -> dict[str, str]:
        """Give the definitions in a file that ``sources`` named: line to text."""
        ...

    def text_record(self, file: str) -> bytes:
        """Encode the definitions in a file that ``sources`` named, as they are stored."""
        ...

    def save(self) -> None:
        """Keep what was found for the next process. Losing it costs time only."""
        ...


class Reporter(Protocol):
    """Shows a person what happens; fed by run events, after they are durable."""

    def on_event(self, kind: str, body: dict[str, object]) -> None:
        """Take one event."""
        ...


class Workspace(NamedTuple):
    """One project's store and what is needed to use it.

    Args:
        root: Folder of the project.
        location: The store, as a person would name it.
        env: Environment whose heads are read and moved, as the folder where these lie.
        records: Small records.
        contents: Values.
        catalog: Index over the records.
        code: Code versions.
        reads: What files and variables are like now.
        clock: Time.
        new_id: Time-sortable unique ids.
        append_events: Makes live progress visible to other processes.
        publisher: Puts versions where their keys say.
        claims: Keeps runs from making the same at the same time.
        is_far: True where each request to the store takes a while.
        outside: Reads the files of others that keys name, in any environment; puts nothing.
        keep_external: True where the bytes of such files are kept.
        env_name: The environment, as people name it.
    """

    root: str
    location: str
    env: str
    records: RecordStore
    contents: Contents
    catalog: Catalog
    code: CodeReader
    reads: Reads
    clock: Clock
    new_id: Callable[[], str]
    append_events: Callable[[str, Sequence[Event]], None]
    publisher: Publisher
    claims: Claims
    outside: Publisher
    is_far: bool = False
    keep_external: bool = False
    env_name: str = DEFAULT_ENV

    def place_of(self, slot: str, current: HasContent | None = None) -> str:
        """Say where the file of a slot lies: that of others wherever it is, whatever the environment.

        Args:
            slot: Whose file it is.
            current: Its current version; None where that is not known.

        Returns:
            An absolute path or a URL; empty where there is none.
        """
        is_outside = current is not None and is_seen_outside(slot, current)
        return (self.outside if is_outside else self.publisher).location(slot)
