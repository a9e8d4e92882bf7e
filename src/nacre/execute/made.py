"""What a run has made or taken so far: versions, values, and which object in memory is which asset."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import count

from msgspec import Struct, field

from nacre.declare.task import Task
from nacre.errors import CyclicAssets, InputMutated, NacreError
from nacre.execute.deferred import Deferred
from nacre.store.claims import Claim
from nacre.store.contents import Contents
from nacre.store.records import Output
from nacre.values import identify
from nacre.version.fingerprint import InputVersion
from nacre.version.outline import Outline

_SHARED = (bool, int, float, complex, str, bytes, type(None), enum.Enum, range, type, type(...))
#: Stands for a value that is in the store alone.
MISSING = object()


class Made(Struct):
    """One asset version of this run.

    Args:
        version: Asset, content and seq.
        output: What the store holds of it.
        value: The object in memory, as long as somebody may need it.
        digest: Content of the whole value, whatever rule the asset has for its data version.
        is_mutable: True where a reader could change the object.
    """

    version: InputVersion
    output: Output
    value: object = MISSING
    digest: str = ""
    is_mutable: bool = True
    taken_by: str = ""
    lent_to: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def lend(self, contents: Contents, as_type: object | None, reader: str) -> object:
        """Return the value as ``load`` does; while a reader has the object itself, others get a copy of their own.

        What is lent is asked back with ``give_back``.
        """
        with self.lock:
            is_free, self.lent_to = not self.lent_to, self.lent_to or reader
        return self.load(contents, as_type, reader) if is_free else self._read(contents, as_type)

    def give_back(self, reader: str) -> None:
        """Take back what a reader was lent."""
        with self.lock:
            if self.lent_to == reader:
                self.lent_to = ""

    def load(self, contents: Contents, as_type: object | None, reader: str) -> object:
        """Return the value for a step, as its annotation wants it.

        Small values are decoded afresh for each reader, so none can change another's. A large one is passed on as it
        is, and looked at again before its second reader.

        Raises:
            InputMutated: A reader changed the object.
            CorruptObject: The stored bytes are missing or damaged.
        """
        if self.value is MISSING or not self.output.object or not _is_instance(self.value, as_type):
            return self._read(contents, as_type)
        with self.lock:
            if self.is_mutable and self.taken_by and identify(self.value).digest != self.digest:
                raise self._mutated(reader)
            self.taken_by = reader
        return self.value

    def _read(self, contents: Contents, as_type: object | None) -> object:
        try:
            return contents.read(self.output, as_type)
        except NacreError as error:
            if self.version.seq:
                error.about("version", f"v{self.version.seq}")
            raise

    def forget(self) -> None:
        """Let go of the object in memory; the store still has it."""
        self.value = MISSING

    def _mutated(self, reader: str) -> InputMutated:
        facts = {"asset": self.version.asset, "changed by": self.taken_by, "wanted by": reader}
        hint = f"work on a copy inside {self.taken_by}; what is stored is as it was made"
        return InputMutated(f"{self.taken_by} changed a value that {reader} reads too", facts, hint)


def _is_instance(value: object, as_type: object | None) -> bool:
    if as_type is None:
        return True
    plain = getattr(as_type, "__origin__", as_type)
    return isinstance(plain, type) and type(value) is plain


class Holdings(Struct):
    """Which objects in memory came from which asset versions, for lineage inside a flow.

    Objects are held, so their identity cannot be given to another object while the run lasts. Types that Python
    shares between unrelated values are never held.
    """

    _held: dict[int, tuple[object, tuple[InputVersion, ...], bool]] = field(default_factory=dict)

    def hold(self, value: object, versions: Iterable[InputVersion], is_exact: bool) -> None:
        """Remember that an object is, or (not exact) was made from, these versions."""
        versions = tuple(versions)
        is_empty = isinstance(value, (tuple, frozenset)) and not value
        if versions and not is_empty and not isinstance(value, _SHARED):
            self._held[id(value)] = (value, versions, is_exact)

    def exact(self, value: object) -> InputVersion | None:
        """Return the version an object is, None where it is none."""
        found = self._held.get(id(value))
        return found[1][0] if found and found[2] and len(found[1]) == 1 else None

    def within(self, value: object) -> list[InputVersion]:
        """Collect the versions that an object or anything inside it came from, at any depth.

        Walks plain containers, each once; linear in what they hold.
        """
        found: dict[str, InputVersion] = {}
        seen: set[int] = set()
        waiting = [value]
        while waiting and self._held:
            each = waiting.pop()
            held = self._held.get(id(each))
            if held is not None:
                found.update({version.asset: version for version in held[1]})
            if id(each) in seen or not isinstance(each, (list, tuple, dict, set, frozenset)):
                continue
            seen.add(id(each))
            waiting.extend(each.values() if isinstance(each, dict) else each)
        return list(found.values())


class Shared(Struct):
    """What all runs of one tree (a flow and the flows it calls) have in common.

    Args:
        made: Asset key to its latest version in this tree.
        results: Fingerprint, or recipe digest of what runs every time, to the versions made from it.
        holdings: Which objects are which assets.
        moves: Heads to move at the end of the tree, by asset, in call order.
        outlines: What the versions made here look like, by asset and data version.
        versions: The same versions themselves, those that are no longer the latest included.
        recipes: Asset key to the fingerprints of its calls.
        last_calls: Asset key to the last of its calls, in call order, and the data version it gave.
        calls: Numbers the calls.
        producers: Step key to the task that makes it.
        in_flight: What is being made right now, by fingerprint or step key, with what tells that it ended.
        key_errors: Step key to what its cache key function raised, for the step to fail with.
        held: Fingerprint to the claim on it, which no other run has until what is made is durable or has failed.
    """

    made: dict[str, Made] = field(default_factory=dict)
    results: dict[str, Mapping[str, Made]] = field(default_factory=dict)
    holdings: Holdings = field(default_factory=Holdings)
    moves: dict[str, list[Deferred]] = field(default_factory=dict)
    outlines: dict[tuple[str, str], Outline] = field(default_factory=dict)
    versions: dict[tuple[str, str], Made] = field(default_factory=dict)
    recipes: dict[str, set[str]] = field(default_factory=dict)
    last_calls: dict[str, tuple[int, str]] = field(default_factory=dict)
    calls: Iterator[int] = field(default_factory=count)
    producers: dict[str, Task[..., object]] = field(default_factory=dict)
    in_flight: dict[str, threading.Event] = field(default_factory=dict)
    key_errors: dict[str, BaseException] = field(default_factory=dict)
    held: dict[str, Claim] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def hold_loaded(self, found: Sequence[tuple[InputVersion, Output]], value: object) -> None:
        """Take what a flow loaded: the object is that asset, as the one a step returned is; or is made of several."""
        with self.lock:
            for version, output in found:
                # Its own rule says what counts as its content, so that is not the digest of the value.
                digest = identify(value).digest if output.rule and len(found) == 1 else ""
                made = Made(version, output, digest=digest)
                self.versions.setdefault((version.asset, version.data_version), made)
        self.holdings.hold(value, [version for version, _ in found], is_exact=len(found) == 1)

    def note_call(self, order: int, fingerprint: str, made: Mapping[str, Made]) -> None:
        """Take what a call gave; the last call, not the last to end, decides what becomes current."""
        with self.lock:
            self.made.update(made)
            for asset, each in made.items():
                self.versions[asset, each.version.data_version] = each
                self.recipes.setdefault(asset, set()).add(fingerprint)
                if order >= self.last_calls.get(asset, (0, ""))[0]:
                    self.last_calls[asset] = (order, each.version.data_version)

    def claim(self, find: Callable[[], set[str]], callers: Set[str] = frozenset()) -> set[str]:
        """Take the steps that are found to be open, for this thread to make; waits while another makes one of them.

        Args:
            find: Finds the open steps; asked again after each wait.
            callers: Steps that wait for this call, so that waiting for them would never end.

        Raises:
            CyclicAssets: One of the callers is wanted.
        """
        while True:
            with self.lock:
                wanted = find()
                other = next((self.in_flight[step] for step in wanted if step in self.in_flight), None)
                for step in wanted & callers:
                    raise CyclicAssets(
                        f"{step} is needed to make itself", hint="a step called what waits for it"
                    )
                if other is None:
                    self.in_flight.update({step: threading.Event() for step in wanted})
                    return wanted
            other.wait()

    def release(self, steps: Iterable[str]) -> None:
        """Let those go on who wait for steps that were claimed. Idempotent."""
        with self.lock:
            for step in steps:
                event = self.in_flight.pop(step, None)
                if event is not None:
                    event.set()
