"""Seeded interleavings: real code, one request at a time, in an order that a seed chooses.

Each process is a thread that passes a baton before every request, so only one runs at any time and a seed names a whole
history: who goes next, who is killed, whose answer is lost. Nothing here knows the protocol; ``witness.py`` judges it.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import md5
from types import SimpleNamespace
from typing import Any, BinaryIO, TypeVar

from nacre.errors import StoreError, StoreUnavailable
from nacre.store import bucket_records, history
from nacre.store.connect import Bucket, Listed
from nacre.store.memory import MemoryObjects, MemoryRecords
from nacre.store.port import ObjectInfo, Stored, Token, Write
from nacre.store.publish import bucket as bucket_place
from nacre.store.refusals import Site

T = TypeVar("T")
Body = Callable[[], None]

MAX_REQUESTS = 5_000
MAX_AT_ONCE = 4
PAGE_ROWS = 3
_SHORT = re.compile(r'"(attempt|run|at|outline|digest|task|code|env|started_at)":("[^"]*"|\{[^}]*\}),?')
RECORDS, OBJECTS = "store/records", "store/objects"


class Violation(AssertionError):
    """An invariant that did not hold."""


class Killed(BaseException):
    """What a killed process sees at its next request, and at all later ones; nobody catches it."""


class Lost(Exception):
    """The answer of a request did not come; whether it took effect is another matter."""


class _Worker:
    """A thread that runs one process after another; started once, since threads cost more than schedules."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.turn.acquire()
        self.schedule: Schedule
        self.body: Body
        self.is_killed = False
        self.speed = 1.0
        threading.Thread(target=self._live, daemon=True, name="process").start()

    def _live(self) -> None:
        while True:
            self.turn.acquire()
            schedule = self.schedule
            try:
                self.body()
            except (Killed, Lost, StoreError):
                schedule.n_ended += 1
            except Violation as error:
                schedule.fail(error)
            except BaseException as error:
                told = Violation(f"raised: {error!r}")
                told.__cause__ = error
                schedule.fail(told)
            schedule.end(self)


_idle: list[_Worker] = []


class Schedule:
    """One history of several processes.

    Args:
        seed: Chooses everything.
        bodies: The processes, in the order they are started.
        between: Called when no process runs, before the next one starts: time may pass.
    """

    def __init__(self, seed: int, bodies: Sequence[Body], between: Callable[[], None]) -> None:
        self.chance = random.Random(seed)
        self._coming = list(reversed(bodies))
        self._between = between
        self._running: list[_Worker] = []
        self._current: _Worker | None = None
        self._main = threading.Lock()
        self._main.acquire()
        self.is_over = False
        self.error: BaseException | None = None
        self.trace: list[tuple[int, str, str, str]] = []
        self.n_ended = 0
        # The weather differs: in some histories nothing goes wrong, in others much.
        draw = self.chance.random
        self.p_killed = (0.0, 0.01, 0.03)[int(draw() * 3)]
        self.p_lost = (0.0, 0.03, 0.1)[int(draw() * 3)]
        self._p_start = (0.03, 0.1, 0.3)[int(draw() * 3)]

    @property
    def process(self) -> object:
        """Whose turn it is; None before and after."""
        return self._current.body if self._current is not None else None

    def run(self) -> None:
        """Run all processes to their ends; raises what the first of them noticed."""
        first = self._choose()
        if first is not None:
            first.turn.release()
            self._main.acquire()
        if self.error is not None:
            raise self.error

    def request(self, verb: str, path: str, effect: Callable[[], T], *, writes: bool = False) -> T:
        """Make a request of the process whose turn it is; others may go first.

        Raises:
            Killed: The process is killed, before or after the request took effect.
            Lost: There is no answer.
        """
        me = self._current
        if me is None:
            return effect()  # before the processes, or after them: nobody to wait for, and nothing goes wrong
        self._let_others(me)
        draw = self.chance.random()
        if draw < self.p_killed + self.p_lost:
            is_killed = draw < self.p_killed
            took_effect = writes and self.chance.random() < 0.6
            self.trace.append((id(me), verb, path, f"{'killed' if is_killed else 'lost'}, {took_effect=}"))
            if took_effect:
                effect()
            me.is_killed = is_killed
            raise Killed if is_killed else Lost
        try:
            result = effect()
        except Violation as error:
            self.trace.append((id(me), verb, path, "✗"))
            self.fail(error)
            raise
        self.trace.append((id(me), verb, path, _shown(result)))
        if len(self.trace) > MAX_REQUESTS:
            raise Violation(f"still going on after {MAX_REQUESTS} requests")
        return result

    def fail(self, error: BaseException) -> None:
        """Keep the first thing that went wrong; everybody else ends at their next request."""
        self.error = self.error or error
        self.is_over = True

    def end(self, me: _Worker) -> None:
        """Let go of a process that is done."""
        self._running.remove(me)
        _idle.append(me)
        chosen = self._choose()
        (chosen.turn if chosen is not None else self._main).release()

    def told(self, last: int = 60) -> str:
        """The last requests, for a person."""
        names: dict[int, str] = {}
        for who, *_ in self.trace:
            names.setdefault(who, f"thread {len(names) + 1}")
        return "\n".join(
            f"{names[w]:9} {verb:8} {path}  → {what}" for w, verb, path, what in self.trace[-last:]
        )

    def _let_others(self, me: _Worker) -> None:
        if me.is_killed or self.is_over:
            raise Killed
        chosen = self._choose()
        if chosen is not None and chosen is not me:
            chosen.turn.release()
            me.turn.acquire()
            if me.is_killed or self.is_over:
                raise Killed

    def _choose(self) -> _Worker | None:
        """Say whose turn it is; None at the end."""
        running, draw = self._running, self.chance.random
        may_start = self._coming and len(running) < MAX_AT_ONCE and not self.is_over
        if may_start and (not running or draw() < self._p_start):
            if not running:
                self._between()
            chosen = self._start(self._coming.pop())
        elif not running:
            self._current = None
            return None
        elif len(running) == 1:
            chosen = running[0]
        else:
            # Some are slow, so that what they know grows old.
            at = draw() * sum(each.speed for each in running)
            for chosen in running:
                at -= chosen.speed
                if at < 0:
                    break
        self._current = chosen
        return chosen

    def _start(self, body: Body) -> _Worker:
        worker = _idle.pop() if _idle else _Worker()
        worker.schedule, worker.body, worker.is_killed = self, body, False
        worker.speed = (1.0, 1.0, 0.15, 0.03)[int(self.chance.random() * 4)]
        self._running.append(worker)
        return worker


def _shown(result: object) -> str:
    return (
        {True: "yes", None: "nothing"}.get(result, "")
        if isinstance(result, bool | None)
        else repr(result)[:60]
    )


class Time:
    """A clock that the schedule moves, and ids that carry its time and are the same for the same seed."""

    def __init__(self) -> None:
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self.passed_s = 0.0
        self._n_ids = 0

    def now(self) -> datetime:
        # A little goes by with every look, as it does for all of us.
        self.passed_s += 0.001
        return self._start + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s

    def new_id(self) -> str:
        """A ULID whose random part counts."""
        self._n_ids += 1
        milliseconds = int((self._start.timestamp() + self.passed_s) * 1000)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        time = "".join(digits[milliseconds >> shift & 31] for shift in range(45, -1, -5))
        return f"{time}{self._n_ids:016d}"


Saw = Callable[[str, str, bytes | None], None]
"""Told of everything that changes: ``record``, ``object`` or ``file``, its name, its bytes or None."""


class FakeBucket(Bucket):
    """A bucket in memory under the real drivers: only single requests are made up, what they mean is the product's.

    Args:
        ask: Makes a request.
        saw: Told of every change.
        takes_blindly: Paths whose conditions this service ignores.
    """

    def __init__(self, ask: Callable[..., Any], saw: Saw, takes_blindly: Callable[[str], bool]) -> None:
        super().__init__(Site("s3://lake", is_store=True), SimpleNamespace())  # type: ignore[arg-type]  # never asked
        self.ask = ask
        self.saw = saw
        self._takes_blindly = takes_blindly
        # Before the processes the driver tries the service out with threads of its own.
        self._one_at_a_time = threading.Lock()
        self.kept: dict[str, bytes] = {}

    def read(self, path: str) -> tuple[bytes, str] | None:
        return self._asked("GET", path, lambda: self._found(path))

    def read_start(self, path: str, size_bytes: int) -> tuple[bytes, int]:
        found = self.read(path)
        if found is None:
            raise FileNotFoundError(path)
        return found[0][:size_bytes], len(found[0])

    def read_range(self, path: str, start: int, end: int) -> bytes:
        found = self.read(path)
        if found is None:
            raise FileNotFoundError(path)
        return found[0][start:end]

    def head(self, path: str) -> Listed | None:
        def look() -> Listed | None:
            found = self._found(path)
            return Listed(path, len(found[0]), found[1]) if found else None

        return self._asked("HEAD", path, look)

    def try_write(self, path: str, data: bytes, expect: str | None) -> str | StoreError | None:
        def write() -> str | None:
            with self._one_at_a_time:
                found = self._found(path)
                if (found[1] if found else None) != expect and not self._takes_blindly(path):
                    return None
                return self._keep(path, data)

        try:
            return self.ask("PUT?", path, write, writes=True)  # type: ignore[no-any-return]
        except Lost:
            # A retry that met our own write, a conflict, or an error: none of them says what happened.
            return None if len(data) % 2 else _no_answer(path)

    def put(self, path: str, source: BinaryIO) -> str:
        data = source.read()
        return self._asked("PUT", path, lambda: self._keep(path, data), writes=True)

    def copy(self, source: str, target: str, size_bytes: int) -> str:
        def copy() -> bool:
            if source not in self.kept:
                return False
            self._keep(target, self.kept[source])
            return True

        if not self._asked("COPY", f"{source} to {target}", copy, writes=True):
            raise FileNotFoundError(source)
        found = self.head(target)
        return found.etag if found is not None and found.size_bytes == size_bytes else ""

    def delete(self, path: str) -> None:
        def delete() -> None:
            if self.kept.pop(path, None) is not None:
                self._tell(path, None)

        self._asked("DELETE", path, delete, writes=True)

    def pages(self, folder: str, after: str = "") -> Iterator[list[Listed]]:
        while True:
            page = self._asked("LIST", f"{folder} after {after}", partial(self._page, folder, after))
            if page:
                yield page
                after = page[-1].path
            if len(page) < PAGE_ROWS:
                return

    def _page(self, folder: str, after: str) -> list[Listed]:
        start = f"{folder}/" if folder else ""
        paths = sorted(path for path in self.kept if path.startswith(start) and path > after)[:PAGE_ROWS]
        return [Listed(path, len(self.kept[path]), _etag(self.kept[path])) for path in paths]

    def _asked(self, verb: str, path: str, effect: Callable[[], T], *, writes: bool = False) -> T:
        try:
            return self.ask(verb, path, effect, writes=writes)  # type: ignore[no-any-return]
        except Lost:
            raise _no_answer(path) from None

    def _found(self, path: str) -> tuple[bytes, str] | None:
        data = self.kept.get(path)
        return None if data is None else (data, _etag(data))

    def _keep(self, path: str, data: bytes) -> str:
        self.kept[path] = data
        self._tell(path, data)
        return _etag(data)

    def _tell(self, path: str, data: bytes | None) -> None:
        for area, folder in (("record", RECORDS), ("object", OBJECTS)):
            if path.startswith(f"{folder}/"):
                # The last line of a record in a bucket is the id of its write.
                record = data.rpartition(b"\n")[0] if data is not None and area == "record" else data
                self.saw(area, path.removeprefix(f"{folder}/"), record)
                return
        self.saw("file", path, data)


class TurnedRecords(MemoryRecords):
    """The shipped records in memory, each call a request: as the embedded store, whose batches are transactions."""

    def __init__(self, ask: Callable[..., Any], saw: Saw) -> None:
        def tell(found: Sequence[Stored]) -> None:
            for each in found:
                saw("record", each.path, each.data or None)

        super().__init__(tell)
        self._ask = ask

    def get(self, path: str) -> Stored | None:
        return _asked(self._ask, "get", path, lambda: super(TurnedRecords, self).get(path))

    def scan(self, prefix: str) -> Iterator[Stored]:
        return _asked(self._ask, "scan", prefix, lambda: super(TurnedRecords, self).scan(prefix))

    def batch(self, writes: Sequence[Write]) -> list[Token | None]:
        paths = " ".join(write.path for write in writes)
        return _asked(
            self._ask, "batch", paths, lambda: super(TurnedRecords, self).batch(writes), writes=True
        )

    def delete(self, path: str, token: Token) -> bool:
        return _asked(
            self._ask, "delete", path, lambda: super(TurnedRecords, self).delete(path, token), writes=True
        )


class TurnedObjects(MemoryObjects):
    """The shipped objects in memory, each call a request."""

    def __init__(self, ask: Callable[..., Any], saw: Saw) -> None:
        super().__init__()
        self._ask = ask
        self._saw = saw

    def get(self, name: str) -> BinaryIO:
        return _asked(self._ask, "open", name, lambda: super(TurnedObjects, self).get(name))

    def head(self, name: str) -> ObjectInfo | None:
        return _asked(self._ask, "head", name, lambda: super(TurnedObjects, self).head(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return _asked(self._ask, "list", prefix, lambda: super(TurnedObjects, self).list(prefix))

    def delete(self, name: str) -> None:
        def delete() -> None:
            super(TurnedObjects, self).delete(name)
            self._saw("object", name, None)

        _asked(self._ask, "delete", name, delete, writes=True)

    def _keep(self, name: str, data: bytes) -> None:
        def keep() -> None:
            super(TurnedObjects, self)._keep(name, data)
            self._saw("object", name, data)

        _asked(self._ask, "put", name, keep, writes=True)


@contextmanager
def in_turn(chance: random.Random) -> Iterator[None]:
    """Let what the drivers do several at a time happen one by one, in an order that the seed chooses.

    Histories are long after a few versions in some, too, since schedules are short.
    """

    def at_once(action: Callable[[Any], T], arguments: Sequence[Any]) -> list[T]:
        order = list(range(len(arguments)))
        chance.shuffle(order)
        done = {n: action(arguments[n]) for n in order}
        return [done[n] for n in range(len(arguments))]

    before = bucket_records.at_once, bucket_place.at_once, history.MAX_HISTORY, history.SPILLED
    bucket_records.at_once = bucket_place.at_once = at_once  # type: ignore[attr-defined]
    if chance.random() < 0.3:
        history.MAX_HISTORY, history.SPILLED = 2, 1  # so that histories spill
    try:
        yield
    finally:
        bucket_records.at_once, bucket_place.at_once, history.MAX_HISTORY, history.SPILLED = before  # type: ignore[attr-defined]


def _asked(
    ask: Callable[..., T], verb: str, path: str, effect: Callable[[], T], *, writes: bool = False
) -> T:
    try:
        return ask(verb, path, effect, writes=writes)
    except Lost:
        raise _no_answer(path) from None


def _etag(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def _no_answer(path: str) -> StoreUnavailable:
    return StoreUnavailable("There was no answer", {"path": path}, "run again")
