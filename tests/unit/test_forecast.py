"""Forecasts: the median of the last times a step ran, and the bytes it had; nothing is asked of what does not run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nacre.catalog.history import HeadRow
from nacre.cli.plan import _forecast
from nacre.declare.task import Task, materialize
from nacre.graph.infer import infer
from nacre.planning.build import build
from nacre.planning.facts import Evidence, Facts
from nacre.planning.forecast import MAX_RECORDS, Forecast, Total, forecasts, may_run, total
from nacre.planning.plan import Plan
from nacre.planning.reason import Cause, Reason
from nacre.store.codec import encode
from nacre.store.paths import run_path
from nacre.store.records import Run, StepRecord
from nacre.survey.durations import LAST_RUNS, durations
from nacre.version.code import CodeIdentity
from serving import World

AT = datetime(2026, 1, 1, tzinfo=UTC)


@materialize("a://raw")
def raw() -> int:
    return 1


@materialize("a://top")
def top(raw: int) -> int:
    return raw


class Asked:
    """Evidence of versions, with a note of which were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, fingerprint: str) -> Evidence:
        self.asked.append(fingerprint)
        return Evidence("code", duration_s=4.0, sizes={"a://raw": 100, "a://top": 7})


def planned(asked: Asked, made: tuple[str, ...], *tasks: Task[..., object]) -> Plan:
    heads = {key: HeadRow(key, "", 1, f"f {key}", "d", "r", AT.isoformat()) for key in made}
    code = CodeIdentity("code", (), (), static=True)
    facts = Facts(
        AT, heads, lambda key: code, lambda f, made: [], asked, lambda a, d: None, lambda kind, name: ""
    )
    return build(infer(tasks or (raw, top)).graph, facts)


def test_a_step_takes_the_median_of_its_last_times_and_the_bytes_it_had() -> None:
    plan = planned(Asked(), ("a://raw", "a://top"))
    found = forecasts(plan, {"a://raw": [1.0, 9.0, 2.0]})
    assert found == {"a://raw": Forecast(2.0, 100), "a://top": Forecast(4.0, 7)}
    assert total(plan, found) == Total(6.0, 107, 0, 2, is_limit=True)


def test_what_was_never_made_is_counted_and_not_guessed() -> None:
    plan = planned(Asked(), ("a://raw",))
    found = forecasts(plan, {})
    assert found["a://top"] == Forecast()
    assert total(plan, found) == Total(4.0, 100, 1, 1, is_limit=True)


def test_nothing_is_asked_of_what_is_reused() -> None:
    asked = Asked()
    plan = planned(asked, ("a://raw",), raw)
    reusing = build(plan.graph, plan.facts._replace(reuse_sources=True))
    asked.asked.clear()
    assert may_run(reusing) == []
    assert forecasts(reusing, {}) == {}
    assert asked.asked == []


def test_of_very_many_steps_only_some_records_are_read() -> None:
    tasks = [materialize(f"a://n{n}")(raw.fn) for n in range(MAX_RECORDS + 50)]
    asked = Asked()
    plan = planned(asked, tuple(task.key for task in tasks), *tasks)
    asked.asked.clear()
    found = forecasts(plan, {tasks[-1].key: [1.0]})
    assert len(asked.asked) == MAX_RECORDS
    assert found[tasks[-1].key] == Forecast(1.0, None)
    assert found[tasks[-2].key] == Forecast()


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (Total(), ""),
        (Total(n_unknown=3), " · time not known (3 not made yet)"),
        (Total(200.0, 1_200_000_000, 2, 5), " · about 3 min, 1.2 GB (2 not made yet)"),
        (Total(7_200.0, 12, 0, 5, is_limit=True), " · up to 2 h, 12 B"),
        (Total(0.2, 12, 0, 5), " · under 1 s, 12 B"),
    ],
)
def test_a_plan_says_what_it_will_take_and_what_is_not_known(taken: Total, said: str) -> None:
    assert _forecast(taken) == said


def test_times_come_from_the_last_runs_and_only_of_what_ran(world: World) -> None:
    def ran(n: int, action: str, seconds: float) -> None:
        step = StepRecord(
            step="a://raw",
            action=action,
            reason=Reason(Cause.SOURCE),
            assets=("a://raw",),
            duration_s=seconds,
        )
        run = Run(
            id=f"{n:026}",
            name="*",
            kind="build",
            state="completed",
            started_at=AT,
            ended_at=AT,
            steps=(step,),
            counts={"built" if action == "built" else "reused": 1},
        )
        world.records.create(run_path(run.id), encode(run))

    for n in range(LAST_RUNS + 5):
        ran(n, "built" if n % 2 else "reused", float(n))
    assert durations(world.catalog, ["a://raw", "a://top"]) == {"a://raw": [23.0, 21.0, 19.0, 17.0, 15.0]}
    assert durations(world.catalog, []) == {}
