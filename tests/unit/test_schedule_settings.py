"""Schedules as they are written: in settings, decoded strictly, and as deployments in Prefect's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nacre
from nacre import flow
from nacre.config import read_settings
from nacre.declare import deployment
from nacre.declare.deployment import Deployment
from nacre.errors import InvalidOption, MissingContext, NotYetEffective, StoreReadOnly, UsageError
from nacre.schedule.definition import Schedule
from nacre.schedule.serve import scheduled, serve_deployments
from nacre.schedule.settings import NAMES
from nacre.schedule.trigger import ANCHOR, Cron, Interval, find_zone
from nacre.schedules import Cron as PublicCron
from nacre.store.ids import RUN_ID, given_run_id
from nacre.store.wrap import Fault, FaultyRecords
from sandbox import Sandbox

ROOT = Path(__file__).parent.parent.parent
DAILY = 'name = "daily"\ncron = "0 7 * * *"\n'


@flow
def shop(limit: int = 3) -> int:
    return limit


renamed = shop.with_options(name="another name")


def written(tmp_path: Path, *tables: str) -> tuple[Schedule, ...]:
    text = "".join(f"[[schedules]]\n{table}\n" for table in tables)
    (tmp_path / "nacre.toml").write_text(text, encoding="utf-8")
    return read_settings(str(tmp_path), {}).schedules


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_is_a_schedule(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        DAILY + 'timezone = "Europe/Berlin"\nbuild = ["report", "tag:x"]',
        'name = "b"\ninterval = 900\nrun = "p.py:shop"\nparameters = { limit = 10, who = "1" }\n'
        'catchup = "none"\ngrace = 60\noverlap = "allow"\npaused = true',
    )
    assert found == (
        Schedule("daily", Cron("0 7 * * *", "Europe/Berlin"), ("build", "report", "tag:x")),
        Schedule(
            "b",
            Interval(900),
            ("run", "p.py:shop", "limit:=10", 'who:="1"'),
            "none",
            60.0,
            "allow",
            paused=True,
        ),
    )
    assert found[0].target == "build report tag:x"
    assert found[1].target == "run p.py:shop limit:=10 'who:=\"1\"'"
    assert written(tmp_path, DAILY + 'build = "*"')[0].command == ("build", "*")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('cron = "0 7 * * *"\nbuild = "x"', "A schedule needs a name"),
        (DAILY + "biuld = 1", "did you mean 'build'?"),
        (DAILY, "A schedule builds assets or runs a flow\n"),
        (DAILY + 'build = "x"\nrun = "p.py:f"', "builds assets or runs a flow, not both"),
        (DAILY + 'interval = 3\nbuild = "x"', "Only one can say when it is due, not cron and interval"),
        ('name = "x"\nbuild = "x"', "Say when it is due"),
        ('name = "x"\ncron = "0 0 30 2 *"\nbuild = "x"', "cron"),
        ('name = "x"\ncron = "0 7 * *"\nbuild = "x"', "The cron expression cannot be read"),
        ('name = "x"\ncron = 7\nbuild = "x"', "A cron expression is a text"),
        ('name = "x"\ninterval = 0\nbuild = "x"', "An interval is a whole number of seconds"),
        ('name = "x"\ninterval = 1.5\nbuild = "x"', "An interval is a whole number of seconds"),
        ('name = "x"\ninterval = "1h"\nbuild = "x"', "An interval is a whole number of seconds"),
        (DAILY + 'build = "x"\ntimezone = "Europe/Berln"', "did you mean 'Europe/Berlin'?"),
        (DAILY + 'build = "x"\ntimezone = 3', "There is no time zone 3"),
        (DAILY + "build = []", "'build' is a list of what to build"),
        (DAILY + 'build = ["--refresh"]', "'build' is a list of what to build"),
        (DAILY + 'run = "-m"', "'run' names a file and a flow in it"),
        (DAILY + "run = 3", "'run' names a file and a flow in it"),
        (DAILY + 'build = "x"\nparameters = { a = 1 }', "belongs to 'run'"),
        (DAILY + 'run = "p.py:f"\nparameters = { a = 2026-01-01 }', "parameters must be JSON"),
        (DAILY + 'run = "p.py:f"\nparameters = { a = nan }', "parameters must be JSON"),
        (DAILY + 'build = "x"\ncatchup = "all"', "'catchup' is one of latest, none"),
        (DAILY + 'build = "x"\noverlap = true', "'overlap' is one of skip, allow"),
        (DAILY + 'build = "x"\ngrace = -1', "'grace' is a number of seconds"),
        (DAILY + 'build = "x"\npaused = 1', "'paused' is true or false"),
        ('name = ""\ncron = "0 7 * * *"\nbuild = "x"', "A schedule's name must say something"),
        ('name = "a\\nb"\ncron = "0 7 * * *"\nbuild = "x"', "A schedule's name must say something"),
    ],
)
def test_a_wrong_table_names_the_file_and_the_schedule(tmp_path: Path, table: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        written(tmp_path, 'name = "fine"\ninterval = 60\nbuild = "x"', table)
    assert problem in str(raised.value)
    assert re.search(r"\n  file +/.*nacre\.toml\n", str(raised.value))
    assert re.search(r"\n  schedule +\S", str(raised.value))


def test_names_are_unique_and_tables_are_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Two schedules have the same name"):
        written(tmp_path, DAILY + 'build = "x"', DAILY + 'build = "y"')
    (tmp_path / "nacre.toml").write_text("schedules = 3")
    with pytest.raises(UsageError, match="must be tables"):
        read_settings(str(tmp_path), {})


def test_every_setting_of_a_schedule_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    table = page.partition("## Schedules")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) == NAMES


# ── triggers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 31 4,6 *", "Bad day-of-month"),
        ("61 * * * *", "Bad minute"),
        ("", "Wrong number of fields"),
        ("@never", "Wrong number of fields"),
    ],
)
def test_an_impossible_expression_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        Cron(expression)


def test_the_29th_of_february_is_waited_for() -> None:
    due = Cron("0 0 29 2 *").after(datetime(2096, 3, 1, tzinfo=UTC))
    assert due is not None
    assert due.at == datetime(2104, 2, 29, tzinfo=UTC)


def test_what_falls_into_the_gap_of_spring_is_due_once_right_after_it() -> None:
    berlin = Cron("0,30 2,3 * * *", "Europe/Berlin")
    first = berlin.after(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
    assert first == ("20260329T030000", datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert berlin.after(first.at) == ("20260329T033000", datetime(2026, 3, 29, 1, 30, tzinfo=UTC))


def test_a_gap_that_ends_on_the_next_date_counts_for_the_date_before() -> None:
    """In Nuuk the clock jumps from 23:00 on Saturday to 00:00 on Sunday."""
    nuuk = Cron("30 23 * * *", "America/Nuuk")
    saturday = nuuk.after(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert saturday == ("20260328T233000", datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert nuuk.after(saturday.at) == ("20260329T233000", datetime(2026, 3, 30, 0, 30, tzinfo=UTC))


def test_an_interval_has_an_anchor_and_words() -> None:
    assert Interval(timedelta(days=7)).after(ANCHOR) == ("20240108T000000", datetime(2024, 1, 8, tzinfo=UTC))
    local = datetime(2026, 1, 1, 0, 0, 30, 500, tzinfo=find_zone("Europe/Berlin"))
    anchored = Interval(3600, local, "Europe/Berlin")
    assert anchored.after(datetime(2026, 1, 1, tzinfo=UTC)).at == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert [Interval(n).words() for n in (1, 90, 900, 5400, 7200, 86_400, 172_800)] == [
        "every 1 s", "every 90 s", "every 15 min", "every 90 min", "every 2 h", "every 1 day", "every 2 days",
    ]  # fmt: skip
    with pytest.raises(InvalidOption, match="An anchor is a time with its zone"):
        Interval(60, datetime(2026, 1, 1))  # noqa: DTZ001  # what is refused
    assert Cron("@daily", "Asia/Tokyo").words() == "at 00:00 every day (Asia/Tokyo)"


# ── deployments ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deployment_names_file_and_variable(tmp_path: Path) -> None:
    made = shop.to_deployment(
        "nightly", cron="0 2 * * *", timezone="Europe/Berlin", parameters={"limit": 5}, tags=["n"]
    )
    assert isinstance(made, Deployment)
    found = scheduled(made, str(ROOT))
    here = str(Path(__file__).relative_to(ROOT))
    assert found == Schedule(
        "nightly", Cron("0 2 * * *", "Europe/Berlin"), ("run", f"{here}:shop", "limit:=5", "--tag=n")
    )
    assert scheduled(renamed.to_deployment(interval=60), str(ROOT)).command == ("run", f"{here}:renamed")
    assert renamed.to_deployment(interval=60).name == "another name"
    assert (
        scheduled(shop.to_deployment(interval=timedelta(minutes=1)), str(tmp_path)).command[1]
        == f"{__file__}:shop"
    )


def test_a_ready_schedule_is_taken_as_it_is() -> None:
    made = scheduled(
        shop.to_deployment(schedule=PublicCron("0 7 * * *", timezone="Asia/Tokyo"), paused=True), "/"
    )
    assert (made.trigger, made.paused) == (Cron("0 7 * * *", "Asia/Tokyo"), True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "Say when it is due"),
        ({"cron": "0 7 * * *", "interval": 60}, "Only one can say when it is due, not cron and interval"),
        ({"cron": "0 7 * * *", "schedule": Cron("@daily")}, "Only one can say when"),
        ({"schedule": "0 7 * * *"}, "A schedule is a Cron or an Interval"),
        ({"schedule": Cron("@daily"), "timezone": "UTC"}, "The schedule has its own time zone"),
        ({"crn": "0 7 * * *"}, "did you mean cron=?"),
        ({"interval": 60, "parameters": [1]}, "Option parameters= must be a dict"),
        ({"interval": 60, "parameters": {"a": {1, 2}}}, "parameters must be JSON"),
        ({"interval": 60, "tags": "x"}, "Option tags= must be a list of strings"),
        ({"interval": 60, "paused": 1}, "Option paused= must be True or False"),
        ({"interval": -1}, "An interval is a whole number of seconds"),
        ({"cron": "nonsense"}, "The cron expression cannot be read"),
    ],
)
def test_a_wrong_deployment_says_what_is_wrong(options: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(problem)):
        scheduled(shop.to_deployment("x", **options), "/")


def test_every_serving_option_has_the_status_the_page_gives() -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8").partition("## Serving")[2]
    status = {
        name: second
        for first, second in re.findall(r"^\| (`.+?) \| ([^|]+?) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", first)
    }
    assert status.keys() == deployment.NAMES
    assert {name for name, each in status.items() if each == "clear error"} == deployment.WAITING.keys()
    assert {name for name, each in status.items() if each == "accepted"} == deployment.FREE
    for name in deployment.WAITING:
        with pytest.raises(NotYetEffective, match=name):
            shop.to_deployment(interval=60, **{name: "something"})
    for name in deployment.FREE:
        assert shop.to_deployment(interval=60, **{name: "anything"}).interval == 60


def test_a_flow_that_no_other_process_can_find_is_refused() -> None:
    @flow
    def inner() -> None: ...

    scope: dict[str, Callable[[], None]] = {}
    exec("def typed(): pass", scope)
    for each in (inner, flow(scope["typed"])):
        with pytest.raises(InvalidOption, match="A flow that is served must lie in a file"):
            each.to_deployment(interval=60)


# ── what is refused before anything is served ─────────────────────────────────────────────────────────────────────────


def test_serving_nothing_or_twice_the_same_or_in_memory_is_refused(project: Sandbox) -> None:
    with pytest.raises(UsageError, match="There is no schedule to serve"):
        nacre.serve()
    with pytest.raises(InvalidOption, match="Two schedules have the same name"):
        nacre.serve(shop.to_deployment("x", interval=60), shop.to_deployment("x", interval=70))
    with pytest.raises(InvalidOption, match="serve takes deployments"):
        nacre.serve(shop)  # type: ignore[arg-type]
    memory = project.workspace._replace(location="memory://")
    with pytest.raises(UsageError, match="a store that other processes see"):
        serve_deployments(lambda: memory, [shop.to_deployment(interval=60)])
    with pytest.raises(NotYetEffective, match="limit"):
        nacre.serve(shop.to_deployment(interval=60), limit=3)
    with pytest.raises(InvalidOption, match="did you mean limit="):
        nacre.serve(shop.to_deployment(interval=60), limt=3)  # type: ignore[call-arg]
    assert list(project.workspace.records.scan("schedules/")) == []


def test_a_store_that_refuses_is_found_before_anything_is_promised(
    project: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = StoreReadOnly("The store cannot be written", {"store": "here"})
    records = FaultyRecords(project.workspace.records, lambda call: Fault(refused))
    workspace = project.workspace._replace(records=records)
    with pytest.raises(StoreReadOnly, match="The store cannot be written"):
        serve_deployments(lambda: workspace, [shop.to_deployment(interval=60)])
    assert capsys.readouterr() == ("", "")


def test_serving_from_what_is_served_is_refused(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_ID, "01" + "A" * 24)
    with pytest.raises(MissingContext, match='put the call under: if __name__ == "__main__":'):
        shop.serve(interval=60)
    monkeypatch.delenv(RUN_ID)

    @flow
    def serving() -> None:
        shop.serve(interval=60)

    with pytest.raises(MissingContext, match="serve was called by what is served itself"):
        serving()


def test_the_first_run_of_a_process_gets_the_id_it_was_started_with(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_ID, "01M89V2B14B5KC3KA1509SG5F2")
    shop()
    shop()
    assert "01M89V2B14B5KC3KA1509SG5F2" in {run.id for run in project.runs()}
    assert len(project.runs()) == 2
    for bad in ("", "../../etc/passwd/is/no/id/", "short", "01m89v2b14b5kc3ka1509sg5f2"):
        environ = {RUN_ID: bad}
        assert (given_run_id(environ), environ) == ("", {})
