"""One build, ended or failed at each of its system calls that changes anything: strace does it, from outside.

usage: python syscalls.py FOLDER
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from lives import Life, fork, page_of, published, wait

import nacre
from nacre.errors import NacreError

#: What changes files, by the names the kernel has for it; those this machine lacks are left out.
CALLS = (
    *("openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fallocate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
    *("copy_file_range", "sendfile", "ioctl", "utimensat", "fchmod", "symlinkat"),
)
#: Where a failure says something of the disk; a file that cannot be opened says something of the machine.
FAILING = tuple(each for each in CALLS if each not in ("openat", "ioctl"))
ERRORS = ("ENOSPC", "EIO")
FAILED, WRONG = 3, 4


def known_calls() -> list[str]:
    """Those of the calls that strace knows here."""
    return [
        each
        for each in CALLS
        if subprocess.run(["strace", "-qq", "-e", f"trace={each}", "true"], capture_output=True).returncode
        == 0
    ]


class Trial:
    """A project that has one version, copied afresh for each way to disturb the next build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template, self.at = folder / "template", folder / "at"
        self.since = time.time()
        self._use(self.template)
        self.template.mkdir()
        self.run(lambda: self.life().build(1).raise_for_failure())
        self._use(self.at)

    def _use(self, folder: Path) -> None:
        os.environ["NACRE_STORE"] = str(folder / "store")
        os.environ["NACRE_PLACES"] = f"s3://lake={folder / 'lake'}"

    def life(self) -> Life:
        return Life(Path(os.environ["NACRE_STORE"]).parent / "project", self.since)

    def run(self, body: object) -> None:
        code = wait(fork(body))  # type: ignore[arg-type]
        if code:
            raise SystemExit(f"a life that nobody disturbed failed ({code})")

    def disturb(self, *expressions: str) -> tuple[int, str]:
        """Build once under strace; how it ended, and what strace wrote."""
        shutil.rmtree(self.at, ignore_errors=True)
        shutil.copytree(self.template, self.at)
        reading, writing = os.pipe()
        ready, begun = os.pipe()
        child = fork(lambda: self._build_when_told(reading, begun))
        os.close(begun)
        os.read(ready, 1)  # or the end of the pipe, where the child is gone: strace cannot attach then
        os.close(ready)
        log = self.folder / "strace"
        command = ["strace", "-f", "-qq", "-o", str(log), *expressions, "-p", str(child)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
            while b"TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_bytes():
                if tracer.poll() is not None:
                    raise SystemExit("strace could not attach: it needs to be root, or ptrace_scope = 0")
                time.sleep(0.001)
            os.write(writing, b"go")
            code = wait(child)
        os.close(reading)
        os.close(writing)
        return code, log.read_text()

    def _build_when_told(self, reading: int, begun: int) -> None:
        life = self.life()
        # What a life begins with is none of the build: strace is attached after it.
        os.write(begun, b"!")
        os.read(reading, 2)
        try:
            result = life.build(2)
            result.raise_for_failure()
        except NacreError:
            os._exit(FAILED)
        with suppress(OSError):  # what fails here is ours
            Path(life.project.root, "told").write_text("done")
        os._exit(0)

    def judge(self) -> None:
        """After a disturbed build: all is whole, what was told is there, and the next run makes the rest."""
        from stored_history import Seen

        life, seen = self.life(), Seen()
        seen.look(life.workspace)
        life.check()
        assert all(1 in history for history in seen.histories.values()), "a version is lost"
        if Path(life.project.root, "told").exists():
            assert nacre.load("s3://lake/page.json") == page_of(2), "what was reported is lost"
        assert published() in (page_of(1), page_of(2)), "I7"
        for x in (2, 3):
            life.build(x).raise_for_failure()
            assert nacre.load("s3://lake/page.json") == published() == page_of(x), "I8"
        seen.look(life.workspace)


def counted(trial: Trial) -> dict[str, int]:
    """How often the build makes each call, in that of its threads that makes it most."""
    calls = known_calls()
    code, log = trial.disturb("-e", f"trace={','.join(calls)}")
    if code:
        raise SystemExit(f"the build failed under strace ({code})")
    found: dict[str, Counter[str]] = {}
    for thread, name in re.findall(r"^(\d+) +(\w+)\(", log, re.MULTILINE):
        found.setdefault(name, Counter())[thread] += 1
    return {name: max(found[name].values()) for name in calls if name in found}


def main(folder: Path) -> dict[str, object]:
    """Disturb the build everywhere; what was done how often."""
    trial = Trial(folder)
    counts = counted(trial)
    killed, failed, outcomes = Counter[str](), Counter[str](), Counter[str]()
    for name in counts:
        # Up to the first that no thread makes: there are fewer once files are old enough not to be read again.
        for n in itertools.count(1):
            code, _ = trial.disturb("-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={n}")
            trial.run(trial.judge)
            if code == 0:
                break
            if code > 0:
                raise SystemExit(f"the build was to be killed at {name} number {n}, and ended with {code}")
            killed[name] += 1
            for error in ERRORS if name in FAILING else ():
                code, _ = trial.disturb("-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={n}")
                if code not in (0, FAILED):
                    raise SystemExit(f"{name} number {n} failed with {error}, and the build with {code}")
                outcomes["went on" if code == 0 else "refused"] += 1
                failed[name] += 1
                trial.run(trial.judge)
    return {"calls": counts, "killed": dict(killed), "failed": dict(failed), "outcomes": dict(outcomes)}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))
    print(json.dumps(main(Path(sys.argv[1]))))
