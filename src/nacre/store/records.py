"""The typed records of the store.

docs/reference/store-format.md gives writer, mutability and retention of each. All times are aware UTC. Fields are
only ever added, with a default: an old reader ignores what it does not know, a new reader fills what is not there.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from nacre.keys import slot
from nacre.planning.reason import Reason
from nacre.store.paths import env_folder, env_life
from nacre.version.outline import Outline

FORMAT_VERSION = 1
DEFAULT_ENV = "default"
INLINE_BYTES = 64 * 1024
#: As many digits of a file's digest name the record of its text.
SOURCE_DIGITS = 32


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every record is: immutable, and encoded as JSON without its defaults."""


class StoreFormat(Record, frozen=True, kw_only=True):
    """``format``: which layout this store has; written once.

    ``probed_at`` says when its service was seen to keep conditions; None where there is no service, or nobody tried it.
    """

    version: int = FORMAT_VERSION
    digest: str = "blake3-256"
    created_at: datetime
    probed_at: datetime | None = None


class Input(Record, frozen=True, kw_only=True):
    """A version of an asset that a step read through a parameter.

    ``derived`` marks a value that came from the asset but had other content when it was passed.
    """

    parameter: str
    asset: str
    data_version: str
    partition: str = ""
    seq: int = 0
    derived: bool = False

    @property
    def name(self) -> str:
        """What tells it from the other inputs of a step: parameter or key, with the partition where it is one."""
        return slot(self.parameter or self.asset, self.partition)


class Read(Record, frozen=True, kw_only=True):
    """Something a step read that is no parameter: ``kind`` is asset, file or env."""

    kind: str
    name: str
    digest: str


class Part(Record, frozen=True, kw_only=True):
    """One piece of code in a code version: qualified name, ``file.py:12``, digest of its normalised source."""

    name: str
    place: str
    digest: str


class Output(Record, frozen=True, kw_only=True):
    """What a step made for one asset. The bytes lie inline (at most 64 KiB) or in ``object``, never both.

    ``rule`` names the asset's own ``data_version=``; empty where the data version is the digest of the content.
    ``is_by_key`` marks one of several outputs that the function returned as a mapping. ``is_written`` marks one that
    the step put at the asset's place itself. ``is_outside`` marks bytes of others that lie at the asset's place alone.
    """

    asset: str
    data_version: str
    format: str
    size_bytes: int
    digest: str
    outline: Outline
    object: str = ""
    inline: bytes = b""
    rule: str = ""
    is_by_key: bool = False
    is_written: bool = False
    is_outside: bool = False


class Accepted(Record, frozen=True, kw_only=True):
    """Who said that an edit of the code does not change a result, when and why. ``fingerprint`` is what made it."""

    who: str
    at: datetime
    fingerprint: str
    reason: str = ""


class Action(Record, frozen=True, kw_only=True):
    """``ac/<fingerprint>``: recipe to result, the fact that is reused. Created once, first writer wins.

    ``sources`` maps each own file of ``parts`` to the record of its text; ``shown`` a parameter to its value, where
    that is short enough to show. ``accepted`` is there where nothing ran: the outputs are those of another record.
    ``used_at`` is written when an old result is taken again, so that a collection that is going on leaves it alone.
    ``buried_at`` marks a tombstone: the result was collected, has no outputs, and may be recorded again.
    """

    fingerprint: str
    task: str
    code: str
    outputs: tuple[Output, ...]
    attempt: str
    run: str
    started_at: datetime
    duration_s: float
    env: str = DEFAULT_ENV
    partition: str = ""
    inputs: tuple[Input, ...] = ()
    parameters: dict[str, str] = {}
    recipe: dict[str, str] = {}
    reads: tuple[Read, ...] = ()
    parts: tuple[Part, ...] = ()
    unknowns: tuple[str, ...] = ()
    is_source: bool = False
    sources: dict[str, str] = {}
    shown: dict[str, str] = {}
    accepted: Accepted | None = None
    used_at: datetime | None = None
    buried_at: datetime | None = None


class Sources(Record, frozen=True, kw_only=True):
    """``sources/<digest of a file>``: what was defined in one version of a source file, line to text.

    Only a person reads it, to see what an edit changed; nothing is decided by it.
    """

    texts: dict[str, str]


class Materialization(Record, frozen=True, kw_only=True):
    """One entry of a head's history: ``vN`` of an asset-partition in an environment.

    ``inputs`` maps a parameter (or key, of what was no parameter) to asset and seq; a partition that was read stands
    under ``parameter#partition``. ``reason`` says what made it current where that was no run, such as ``rolled back to
    v3``, and ``by`` who did; ``run`` is the one that made it then.
    """

    seq: int
    fingerprint: str
    data_version: str
    run: str
    at: datetime
    attempt: str
    inputs: dict[str, tuple[str, int]] = {}
    reason: str = ""
    by: str = ""


class Head(Record, frozen=True, kw_only=True):
    """``heads/<env>/<asset>[/<partition>]``: what is current. Replaced by token; ``history`` ends with the current.

    The oldest entries of a long history are in ``hist/``. ``published`` is the seq of the version whose file lies at
    the asset's place (0: none), ``mark`` what its place says of that file. ``held`` names the version that builds leave
    current, such as ``v12``, since ``held_since``. ``base_seq`` is what was current in the base of the environment
    when this head began or was last promoted. ``lost`` are versions whose bytes are found to be gone or damaged.
    ``first``, where it is not 0, is the lowest number that this record tells of: what it does not list from there on
    was dropped, as the settings say.
    """

    env: str
    asset: str
    history: tuple[Materialization, ...]
    partition: str = ""
    published: int = 0
    mark: str = ""
    held: str = ""
    metadata: dict[str, str] = {}
    held_since: datetime | None = None
    base_seq: int = 0
    lost: tuple[int, ...] = ()
    first: int = 0

    @property
    def current(self) -> Materialization:
        """The version that readers get."""
        return self.history[-1]


class Past(Record, frozen=True, kw_only=True):
    """``hist/<env>/<asset>[/<partition>]/<seq>``: a part of a history that no longer fits into its head.

    ``first`` as in a head.
    """

    env: str
    asset: str
    history: tuple[Materialization, ...]
    partition: str = ""
    first: int = 0


class Pin(Record, frozen=True, kw_only=True):
    """``pins/<name>``: a version that is kept whatever the settings say, and that can be asked for by this name.

    ``data_version`` tells it from others of its recipe in environments that number them otherwise.
    """

    name: str
    env: str
    asset: str
    seq: int
    fingerprint: str
    at: datetime
    partition: str = ""
    by: str = ""
    data_version: str = ""


class Environment(Record, frozen=True, kw_only=True):
    """``envs/<name>``: a namespace of heads. Whatever has no head in it is read from its ``base``.

    ``life`` says how many times it was begun: each time in another folder. ``ended_at`` is when it was removed.
    """

    name: str
    base: str
    created_at: datetime
    life: int = 1
    ended_at: datetime | None = None

    @property
    def folder(self) -> str:
        """Where its heads lie."""
        return env_folder(self.name, self.life)

    def ended(self, at: datetime) -> Environment:
        """The record of an environment that was removed."""
        return msgspec.structs.replace(self, ended_at=at)

    def has_left(self, folder: str) -> bool:
        """Whether a folder of an environment of this name was removed with it: it is never used again."""
        life = env_life(folder)
        return life < self.life or (life == self.life and self.ended_at is not None)


class Failing(Record, frozen=True, kw_only=True):
    """The line of the user's code that failed: ``pipeline.py:63``, numbered text, types and lengths, never values."""

    place: str
    function: str = ""
    lines: tuple[tuple[int, str], ...] = ()
    held: str = ""


class StepRecord(Record, frozen=True, kw_only=True):
    """What one step of a run did; part of its run record. ``failing`` is there where it failed in the user's code.

    ``superseded_by`` is the run that was ahead, so that what was made is kept and did not become current.
    """

    step: str
    action: str
    reason: Reason
    assets: tuple[str, ...] = ()
    partition: str = ""
    started_at: datetime | None = None
    duration_s: float = 0.0
    attempts: int = 0
    checked: bool = False
    seq: int = 0
    error: str = ""
    failing: Failing | None = None
    superseded_by: str = ""


class Run(Record, frozen=True, kw_only=True):
    """``runs/<id>``: one execution of a plan or a flow. Written at its start and replaced at its end.

    ``process`` is who runs it, as ``host:pid:start``: a run without an end whose process is gone was killed.
    """

    id: str
    name: str
    kind: str
    state: str
    started_at: datetime
    env: str = DEFAULT_ENV
    ended_at: datetime | None = None
    parent: str = ""
    parameters: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    counts: dict[str, int] = {}
    error: str = ""
    process: str = ""


class Artifact(Record, frozen=True, kw_only=True):
    """``artifacts/<key>/<id>``: what a person looks at. ``kind`` is markdown, table, link, image or progress.

    ``data`` is the text, the table as JSON rows, or the progress in percent; an image file lies in ``object``.
    """

    id: str
    kind: str
    created_at: datetime
    data: str = ""
    key: str = ""
    description: str = ""
    run: str = ""
    step: str = ""
    asset: str = ""
    object: str = ""
    media_type: str = ""
    updated_at: datetime | None = None


class ScheduleRecord(Record, frozen=True, kw_only=True):
    """``schedules/<name>``: what is served, so that it can be shown and computed with without importing any code.

    ``command`` is what follows ``nacre`` when a tick starts. Either ``cron`` or ``interval_s`` and ``anchor`` say when;
    the next time is computed and never stored. Nothing before ``changed_at`` counts as missed.
    """

    name: str
    command: tuple[str, ...]
    created_at: datetime
    changed_at: datetime
    cron: str = ""
    interval_s: int = 0
    anchor: datetime | None = None
    timezone: str = "UTC"
    paused: bool = False
    lease: str = ""


class Tick(Record, frozen=True, kw_only=True):
    """``ticks/<schedule>/<nominal>``: one nominal time of a schedule. Who creates it is the one that starts it.

    ``state`` is claimed, started, then completed, failed, cancelled, crashed or lost; or skipped from the beginning.
    ``holder`` names the process that has it, ``lease`` what that holds while it lives, ``run`` the run that it starts.
    """

    schedule: str
    nominal: str
    due_at: datetime
    state: str
    holder: str
    lease: str = ""
    run: str = ""
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Lease(Record, frozen=True, kw_only=True):
    """``leases/<what>``: who takes care of something just now. ``holder`` is empty when it was given back.

    Whoever sees it unchanged for long enough by their own clock may take it over, so ``renewed_at`` is for people only.
    """

    holder: str
    renewed_at: datetime


class State(Record, frozen=True, kw_only=True):
    """``state/<name>``: a memo that can be lost without harm, such as the code versions of the last plan."""

    digest: str
    entries: dict[str, str] = {}
