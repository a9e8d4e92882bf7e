"""The loop behind ``nacre serve``: a lease, then ticks, then what they start. One turn at a time; it never waits.

Several processes may turn on one store. The record of a tick decides who starts it; the lease only keeps the others
from trying. What was left by a process that is gone is settled by the next one that gets the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from nacre.errors import NacreError, said
from nacre.execute.clock import Clock
from nacre.execute.report import duration
from nacre.schedule.definition import Schedule
from nacre.schedule.ticks import Ending, Held, TickBook
from nacre.schedule.trigger import missed
from nacre.store.lease import RENEW_S, Tenure
from nacre.store.records import Tick

#: A tick that starts this late is on time: a machine may be busy, or another process may have had to take over.
ON_TIME_S = 60.0
#: Of the ticks that were missed in a row, as many are recorded.
MAX_MISSED = 50
#: How often to look whether something that was started has ended.
LOOK_S = 0.25
#: How long what was started may take to end when serving ends, before it is killed.
PATIENCE_S = 25.0


class Process(Protocol):
    """What a tick started."""

    def poll(self) -> int | None:
        """Return the exit code; None while it goes on."""
        ...

    def interrupt(self) -> None:
        """Ask it to end, so that what it finished is recorded."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


Start = Callable[[Schedule, Tick], Process]


class TickReporter(Protocol):
    """Shows a person what happens."""

    def on_tick(self, schedule: Schedule, tick: Tick) -> None:
        """Take a tick that was started, skipped or has ended."""
        ...

    def on_duty(self, is_serving: bool) -> None:
        """Take whether this process serves now, or stands by while another does; told when that changes."""
        ...

    def on_problem(self, what: str) -> None:
        """Take what kept a turn from being done; it is tried again."""
        ...


class _Served:
    """One schedule in this process: what is settled, and what is due next."""

    def __init__(self, schedule: Schedule, settled: datetime) -> None:
        self.schedule = schedule
        self.settle(settled)

    def settle(self, until: datetime) -> None:
        self.settled = until
        self.next = None if self.schedule.paused else self.schedule.trigger.after(until)


class Loop:
    """Starts what is due.

    Args:
        schedules: What is served.
        book: Records of schedules and ticks.
        tenure: The lease of those who serve these schedules.
        clock: Time.
        start: Starts the process of a tick.
        reporter: Shows what happens.
        new_id: Makes the id of the run that a tick starts.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        book: TickBook,
        tenure: Tenure,
        clock: Clock,
        start: Start,
        reporter: TickReporter,
        new_id: Callable[[], str],
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._book = book
        self._tenure = tenure
        self._clock = clock
        self._start_process = start
        self._reporter = reporter
        self._new_id = new_id
        self._served: dict[str, _Served] = {}
        self._running: list[tuple[Schedule, Held, Process]] = []
        self._open: list[tuple[Schedule, Held]] = []
        self._looked = 0.0
        self._problem = ""
        self._is_serving = True

    # ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def turn(self) -> float:
        """Do what is to be done now.

        Returns:
            Seconds until there may be something to do again.
        """
        now = self._clock.now()
        problem = self._guarded(self._reap)
        problem = self._guarded(lambda: self._serve(now)) or problem
        if problem and problem != self._problem:
            self._reporter.on_problem(problem)
        self._problem = problem
        return self._pause()

    def _serve(self, now: datetime) -> None:
        is_serving = self._tenure.hold()
        if is_serving != self._is_serving:
            self._is_serving = is_serving
            self._reporter.on_duty(is_serving)
        if not is_serving:
            self._served.clear()
            return
        if not self._served:
            self._take_over(now)
        self._look_after_open(now)
        problem = ""
        for served in self._served.values():
            if served.settled > now:
                # The clock was put back. What has a tick cannot get another, so nothing is due twice.
                served.settle(now)
            problem = self._guarded(partial(self._catch_up, served, now)) or problem
        if problem:
            raise NacreError(problem)

    def _guarded(self, act: Callable[[], None]) -> str:
        """Do something; what the store or the system refuses is told, and tried again on the next turn."""
        try:
            act()
        except (NacreError, OSError) as error:
            return said(error)
        return ""

    def _pause(self) -> float:
        now = self._clock.now()
        waits = [RENEW_S] if not self._running else [LOOK_S]
        waits += [(s.next.at - now).total_seconds() for s in self._served.values() if s.next is not None]
        return max(0.0, min(waits)) if not self._problem else min(RENEW_S, 1.0)

    # ── ticks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_over(self, now: datetime) -> None:
        """Begin to serve: see what is settled, and settle what another process has left."""
        self._book.look()
        served = {}
        for name, schedule in self._schedules.items():
            changed_at = self._book.enter(schedule)
            settled = max(self._book.settled_until(name, now) or changed_at, changed_at)
            served[name] = _Served(schedule, min(settled, now))
        self._open = [
            (schedule, held)
            for schedule in self._schedules.values()
            for held in self._book.left_open(schedule.name)
            if not self._is_running(held.tick)
        ]
        self._looked = -RENEW_S
        self._served = served

    def _look_after_open(self, now: datetime) -> None:
        """Settle ticks that another process had when this one began to serve: once they ended, or it is gone."""
        monotonic = self._clock.monotonic()
        if not self._open or monotonic - self._looked < RENEW_S:
            return
        self._looked = monotonic
        for entry in list(self._open):
            schedule, held = entry[0], self._book.fresh(entry[1])
            if held is None or self._book.is_left(held.tick):
                if held is not None:
                    self._settle(schedule, held, now)
                self._open.remove(entry)

    def _settle(self, schedule: Schedule, held: Held, now: datetime) -> None:
        """Go on with a tick that was left: start it where nobody did, else see how it ended."""
        if held.tick.state == "claimed" or held.tick.holder == self._book.holder:
            self._begin(schedule, held, now)
            return
        gone = Ending("lost", "the process that started it is gone, and its run did not end")
        self._reporter.on_tick(schedule, self._book.conclude(held, gone))

    def _catch_up(self, served: _Served, now: datetime) -> None:
        """Start the newest tick that is due; those before it were missed."""
        if served.next is None or served.next.at > now:
            return
        schedule = served.schedule
        *older, newest = missed(schedule.trigger, served.settled, now, MAX_MISSED)
        if older:
            for tick in self._book.skip(schedule.name, older, "missed: a later one was due as well"):
                self._reporter.on_tick(schedule, tick)
        held = self._book.claim(schedule.name, newest)
        if held is not None and not self._is_running(held.tick):
            self._begin(schedule, held, now)
        served.settle(newest.at)

    def _begin(self, schedule: Schedule, held: Held, now: datetime) -> None:
        """Start a claimed tick, or record why not."""
        reason = self._why_not(schedule, held.tick, now)
        if reason:
            self._reporter.on_tick(schedule, self._book.end(held, Ending("skipped", reason)))
            return
        # From here on nobody else starts it; a process that dies before the next line has it lost, never run twice.
        started = self._book.replace(
            held,
            state="started",
            holder=self._book.holder,
            lease=self._book.lease,
            run=self._new_id(),
            started_at=now,
        )
        if started is None:
            return
        try:
            process = self._start_process(schedule, started.tick)
        except OSError as error:
            ending = Ending("failed", f"its process could not be started: {said(error)}")
            self._reporter.on_tick(schedule, self._book.end(started, ending))
            return
        self._running.append((schedule, started, process))
        self._reporter.on_tick(schedule, started.tick)

    def _is_running(self, tick: Tick) -> bool:
        return any(
            (held.tick.schedule, held.tick.nominal) == (tick.schedule, tick.nominal)
            for _, held, _ in self._running
        )

    def _why_not(self, schedule: Schedule, tick: Tick, now: datetime) -> str:
        late_s = (now - tick.due_at).total_seconds()
        limit = schedule.grace_s if schedule.catchup == "latest" else 0.0
        if late_s > max(limit, ON_TIME_S):
            return f"missed: nothing served it for {duration(late_s)}"
        going = [(of, held) for of, held, _ in self._running] + self._open
        others = [
            held.tick for of, held in going if of.name == schedule.name and held.tick.nominal != tick.nominal
        ]
        if others and schedule.overlap == "skip":
            return f"the run of {others[0].nominal} still goes on"
        return ""

    # ── what was started ──────────────────────────────────────────────────────────────────────────────────────────

    def _reap(self, is_stopping: bool = False) -> None:
        """Record what has ended."""
        for entry in list(self._running):
            schedule, held, process = entry
            code = process.poll()
            if code is None:
                continue
            ended = self._book.conclude(held, _ending(code, is_stopping))
            self._running.remove(entry)
            self._reporter.on_tick(schedule, ended)

    def stop(self, wait: Callable[[float], object], is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Start nothing more, ask what was started to end and record how it did; what takes too long is killed.

        Args:
            wait: Waits for some seconds.
            is_hurried: Whether to kill at once, because somebody asked again.
        """
        for _, _, process in self._running:
            process.interrupt()
        deadline = self._clock.monotonic() + PATIENCE_S
        problem = self._guarded(lambda: self._reap(is_stopping=True))
        while self._running:
            is_late = is_hurried() or self._clock.monotonic() > deadline
            for _, _, process in self._running if is_late else ():
                process.kill()
            wait(LOOK_S)
            problem = self._guarded(lambda: self._reap(is_stopping=True))
            if problem and is_late:
                break
        problem = self._guarded(self._tenure.release) or problem
        if problem:
            self._reporter.on_problem(problem)


def _ending(code: int, is_stopping: bool) -> Ending:
    """Say how a process ended that left no record of its run."""
    if is_stopping:
        return Ending("cancelled", "serving ended before it did")
    if code < 0:
        return Ending("crashed", f"its process was ended by signal {-code}")
    if code:
        return Ending("failed", f"it ended before its run began, with exit code {code}: see its output")
    return Ending("completed", "it ended well, and left no record of a run")
