"""Short lives of builders: forked from a process that has imported everything, so that thousands fit into minutes.

Their days are short too: a week of grace passes in half a minute, so that garbage is collected beside them for real.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import obstore  # noqa: F401  # imported once, for all lives

import nacre
from nacre import project as roots
from nacre.config import read_settings
from nacre.declare.discover import load_module
from nacre.errors import StepFailed
from nacre.execute.workspace import Workspace
from nacre.store import ids
from nacre.store.fsck import check
from nacre.store.gc import Retention, collect

#: Seconds of the store's time in a second of ours.
HASTE = 20_000
N_WORLDS = 8
PAGE = "s3://lake/page.json"
PR_SET_PDEATHSIG = 1
#: What a build says that takes a result in the moment in which it is collected.
COLLECTED = "was collected at the moment when it was taken"
RETENTION = Retention(keep_versions=3, cache_keep=1)
PIPELINE = """
from nacre import materialize

world = {}

@materialize("kill://x")
def x():
    return world["x"]

@materialize("kill://bulk.bin")
def bulk(x):
    return bytes([x]) * 70_000

@materialize("s3://lake/page.json")
def page(x, bulk):
    return {"x": x, "square": x * x, "bulk": sum(bulk)}
"""


def is_right(value: object) -> bool:
    """Whether a page can only have been made whole."""
    return isinstance(value, dict) and value == page_of(value.get("x", -1))


def page_of(x: int) -> dict[str, int]:
    """What a page is."""
    return {"x": x, "square": x * x, "bulk": 70_000 * x}


class HastyClock:
    """The time of a store for which our seconds are hours."""

    def __init__(self, since: float) -> None:
        self._since = since

    def seconds(self) -> float:
        return self._since + (time.time() - self._since) * HASTE

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


class Life:
    """What a forked process is: a machine with a checkout of its own.

    Args:
        folder: The checkout; made where it is not there.
        since: When the store's time began to hurry.
    """

    def __init__(self, folder: Path, since: float) -> None:
        folder.mkdir(exist_ok=True)
        os.chdir(folder)
        (folder / "nacre.toml").touch()
        if not (folder / "pipeline.py").exists():
            (folder / "pipeline.py").write_text(PIPELINE)
        self.clock = HastyClock(since)
        ids.new_id.__defaults__ = (self.clock.seconds,)
        root = os.path.realpath(folder)
        settings = read_settings(root)
        self.project = roots.Project(root, settings, self.clock)
        roots._open_projects[root, repr(settings)] = self.project
        # A project is looked for where the started script lies: here that would be one for all, with another clock.
        vars(sys.modules["__main__"]).pop("__file__", None)
        assert roots.current_project() is self.project
        self.module = load_module(folder / "pipeline.py")

    @property
    def workspace(self) -> Workspace:
        return self.project.workspace()

    def build(self, x: int) -> nacre.RunResult:
        self.module.world["x"] = x
        return nacre.build("*", modules=[self.module])

    def check(self) -> None:
        """What ``nacre fsck --read-data`` does: nothing may be wrong."""
        workspace = self.workspace
        checked = check(workspace.records, workspace.contents.objects, reads_data=True)
        assert not checked.faults, checked.faults

    def build_for_ever(self, told: Path) -> NoReturn:
        """Build one world after the other, and tell which versions were reported."""
        while True:
            result = self.build(random.randrange(N_WORLDS))
            try:
                result.raise_for_failure()
            except StepFailed as error:
                # Said rather than guessed: the next build makes it anew. Nothing else may fail.
                if COLLECTED not in str(error.__cause__):
                    raise
                note(told.with_name("collected"), "once\n")
                continue
            lines = [f"{step.asset} {step.version}\n" for step in result if step.version]
            note(told, "".join(lines))

    def collect_for_ever(self) -> NoReturn:
        """Collect garbage again and again."""
        while True:
            workspace = self.workspace
            collect(
                workspace.records,
                workspace.contents.objects,
                now=self.clock.now(),
                settings=RETENTION,
                delete=True,
            )
            time.sleep(random.uniform(0, 0.2))


def note(path: Path, text: str) -> None:
    """Append to what all lives have noted."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def fork(body: Callable[[], object]) -> int:
    """Begin a life; its number."""
    child = os.fork()
    if child:
        return child
    try:
        # Nobody outlives the one who kills.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        random.seed()
        body()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child: int) -> int:
    """Wait for a life to end; its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def finish(body: Callable[[], object]) -> None:
    """Let a life do something to its end."""
    code = wait(fork(body))
    if code:
        raise SystemExit(f"a life that nobody ended failed ({code})")


def published() -> object:
    """What lies at the key of the page; None where nothing does."""
    place = os.environ["NACRE_PLACES"].partition("=")[2]
    if "://" not in place:
        path = Path(place, "page.json")
        return json.loads(path.read_bytes()) if path.exists() else None
    from nacre.store.connect import connect, parse

    found = connect(place).read(f"{parse(place).prefix}/page.json")
    return json.loads(found[0]) if found else None


def slay(folder: Path, n_kills: int, seed: int, n_writers: int = 3) -> dict[str, int]:
    """Kill builders and collectors at random, watching the store; returns what happened how often.

    Args:
        folder: Where the checkouts lie.
        n_kills: How many kills.
        seed: Chooses moments and victims.
        n_writers: How many builders live at any time; one collector lives beside them.
    """
    chance = random.Random(seed)
    since = time.time()
    told = folder / "told"
    told.touch()
    collected = folder / "collected"
    collected.touch()
    # A build over HTTP takes longer, and some shall come to their ends.
    longest_s = 0.5 if "://" in os.environ["NACRE_STORE"] else 0.12

    def writer(n: int) -> int:
        return fork(lambda: Life(folder / f"writer-{n}", since).build_for_ever(told))

    def collector() -> int:
        return fork(lambda: Life(folder / "collector", since).collect_for_ever())

    def begin() -> None:
        life = Life(folder / "writer-0", since)
        for x in range(N_WORLDS):
            life.build(x).raise_for_failure()

    finish(begin)
    counts = {"kills": 0, "of collectors": 0}
    lives = {n: writer(n) for n in range(n_writers)} | {-1: collector()}
    watcher = fork(lambda: _watch(folder, since))
    try:
        while counts["kills"] < n_kills:
            time.sleep(chance.uniform(0.005, longest_s))
            victim = chance.choice(list(lives))
            os.kill(lives[victim], signal.SIGKILL)
            code = wait(lives[victim])
            if code != -signal.SIGKILL:
                del lives[victim]
                raise SystemExit(f"builder {victim} ended by itself ({code})")
            counts["kills"] += 1
            counts["of collectors"] += victim == -1
            lives[victim] = collector() if victim == -1 else writer(victim)
            if os.waitpid(watcher, os.WNOHANG)[0]:
                watcher = 0
                raise SystemExit("the watcher saw something that must not be")
    finally:
        for child in [*lives.values(), *([watcher] if watcher else [])]:
            os.kill(child, signal.SIGKILL)
            wait(child)
    finish(lambda: _judge(folder, since))
    counts["reported"] = len(told.read_text().splitlines())
    counts["told that it was collected"] = len(collected.read_text().splitlines())
    counts["seconds"] = round(time.time() - since)
    return counts


def _watch(folder: Path, since: float) -> None:
    """Look at everything all the time: histories, bytes, and the file at the key."""
    from stored_history import Seen

    life, seen = Life(folder / "watcher", since), Seen(keeps_all=False)
    while True:
        seen.look(life.workspace)
        assert is_right(published()), f"I7: {published()}"
        time.sleep(0.1)


def _judge(folder: Path, since: float) -> None:
    """After the last kill: nothing reported is lost, and one clean run mends the rest."""
    from stored_history import Seen

    life, seen = Life(folder / "writer-0", since), Seen(keeps_all=False)
    seen.look(life.workspace)
    life.check()
    for line in (folder / "told").read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            key, seq = line.split()
            history = seen.histories["default", key]
            assert int(seq) in history or int(seq) < min(history), f"reported and lost: {line}"
    for x in (N_WORLDS, 1):
        life.build(x).raise_for_failure()
        assert nacre.load(PAGE) == page_of(x)
        assert published() == page_of(x), "I8: the key is not what is current"
    seen.look(life.workspace)
    life.check()


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))
    done = slay(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(done))
