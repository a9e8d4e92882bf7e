"""What a person may call a version, and what is said where that is no version or several."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.catalog.history import HistoryRow, RunRow
from nacre.catalog.versions_at import is_moment, require_pin_name, split_at, version_at
from nacre.errors import NotMaterialized, UsageError

KEY = "s3://lake/posts.parquet"
RUNS = ["01KBAAAAAAAAAAAAAAAAAAAAAA", "01KBAAAAAAAAAAAAAAAAAAAAAB", "01KBCCCCCCCCCCCCCCCCCCCCCC"]


def row(seq: int, content: str, day: int, run: str = RUNS[0], recipe: str = "") -> HistoryRow:
    fingerprint = (recipe or f"f{seq}") + "0" * 60
    return HistoryRow(seq, fingerprint, content + "0" * 58, run, f"2026-11-{day:02}T12:00:00Z")


ROWS = [
    row(4, "a1b2c3", 20, RUNS[2], recipe="f2"),
    row(3, "a1b2c4", 10, RUNS[1]),
    row(2, "a1b2c3", 5, RUNS[0]),
    row(1, "777777", 1, RUNS[0]),
]


def seq(at: str | int | date, **options: object) -> int:
    return version_at(ROWS, at, KEY, zone=UTC, **options).seq  # type: ignore[arg-type]


def ran(run: str, ended_at: str | None) -> RunRow:
    return RunRow(run, "posts", "build", "completed", "default", "2026-11-06T00:00:00Z", ended_at, "", {}, "")


@pytest.mark.parametrize(("at", "expected"), [(3, 3), ("v3", 3), ("V3", 3), ("3", 3), (" v1 ", 1)])
def test_a_version_is_named_by_its_number(at: str | int, expected: int) -> None:
    assert seq(at) == expected


def test_a_version_is_named_by_the_first_digits_of_content_or_recipe() -> None:
    assert seq("a1b2c4") == 3
    assert seq("A1B2C400") == 3
    assert seq("f3000000") == 3


def test_versions_with_the_same_content_are_one_answer_the_newest() -> None:
    assert seq("a1b2c3") == 4
    assert seq("f200000000") == 4


def test_digits_that_are_no_number_of_a_version_are_digits_of_its_content() -> None:
    assert seq("777777") == 1


def test_digits_that_begin_several_contents_are_refused_with_what_they_could_mean() -> None:
    rows = [row(2, "abcdef1", 2), row(1, "abcdef2", 1)]
    with pytest.raises(UsageError, match="several versions of posts") as caught:
        version_at(rows, "abcdef", KEY)
    assert {"v1", "v2"} <= caught.value.facts.keys()


def test_a_run_names_the_version_it_made_and_of_several_the_last() -> None:
    assert seq(RUNS[1]) == 3
    assert seq(RUNS[0]) == 2
    assert seq(RUNS[2][:12].lower()) == 4


def test_the_beginning_of_several_runs_is_refused() -> None:
    with pytest.raises(UsageError, match="several versions"):
        seq(RUNS[0][:12])


def test_a_run_that_made_no_version_names_what_was_current_at_its_end() -> None:
    other = "01KBDDDDDDDDDDDDDDDDDDDDDD"
    for at in (other, other[:12], other[:6].lower()):
        assert seq(at, runs=lambda beginning: [ran(other, "2026-11-06T00:00:00Z")]) == 2
        with pytest.raises(NotMaterialized, match=f"Run {other} made no version of posts, and has no end"):
            seq(at, runs=lambda beginning: [ran(other, None)])


@pytest.mark.parametrize("at", [RUNS[2], RUNS[2][:12]])
def test_a_run_that_made_a_version_is_found_without_a_look_at_the_runs(at: str) -> None:
    asked: list[str] = []

    def runs(beginning: str) -> list[RunRow]:
        asked.append(beginning)
        return [ran(RUNS[2][:-1] + "D", "2026-11-06T00:00:00Z")]

    assert seq(at, runs=runs) == 4
    with pytest.raises(UsageError, match="several versions"):
        seq(RUNS[0][:12], runs=runs)
    assert not asked


def test_the_beginning_of_several_runs_that_made_no_version_is_refused_with_them() -> None:
    others = [RUNS[2][:-4] + end for end in ("DDDD", "EEEE")]
    runs = [ran(each, "2026-11-06T00:00:00Z") for each in others]
    with pytest.raises(UsageError, match="several versions") as caught:
        version_at(ROWS[1:], RUNS[2][:12], KEY, runs=lambda beginning: runs)
    assert caught.value.facts.keys() == {f"run {each}" for each in others}


def test_runs_that_made_the_same_content_are_one_answer_the_newest() -> None:
    rows = [row(2, "a1b2c3", 5, RUNS[1]), row(1, "a1b2c3", 1, RUNS[0])]
    assert version_at(rows, RUNS[0][:12], KEY).seq == 2


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-05", 2),
        ("9999-12-31", 4),
        ("2026-11-04", 1),
        (date(2026, 11, 10), 3),
        ("2026-11-10T11:59", 2),
        ("2026-11-10 12:00", 3),
        ("2026-11-10T12:59:00+01:00", 2),
        ("2026-11-10T12:00:00Z", 3),
        (datetime.fromisoformat("2026-11-10T11:00"), 2),
        (datetime(2026, 11, 10, 13, tzinfo=timezone(timedelta(hours=1))), 3),
        (datetime(2030, 1, 1, tzinfo=UTC), 4),
    ],
)
def test_a_time_names_what_was_current_then_and_a_date_means_its_end(at: str | date, expected: int) -> None:
    assert seq(at) == expected


def test_a_time_without_an_offset_is_local() -> None:
    west = timezone(timedelta(hours=-2))
    assert version_at(ROWS, "2026-11-10T10:00", KEY, zone=west).seq == 3
    assert version_at(ROWS, "2026-11-10T09:59", KEY, zone=west).seq == 2


def test_a_time_before_the_first_version_says_when_that_was() -> None:
    with pytest.raises(NotMaterialized, match="had no version at 2026-10-01") as caught:
        seq("2026-10-01")
    assert "v1, made 2026-11-01" in str(caught.value)


def test_a_time_before_the_oldest_that_is_kept_says_that_older_ones_are_gone() -> None:
    with pytest.raises(NotMaterialized, match="the oldest version that is kept  v3"):
        version_at(ROWS[:2], "2026-11-02", KEY, zone=UTC)


def test_a_pin_names_the_version_it_keeps_before_anything_else_does() -> None:
    pins = {"facade": (ROWS[1].fingerprint, 3, "")}
    assert seq("facade", pins=pins) == 3
    with pytest.raises(NotMaterialized, match="pinned as gone"):
        seq("gone", pins={"gone": ("e" * 64, 9, "")})


@pytest.mark.parametrize("at", ["v9", "9", 9, 0])
def test_a_number_there_is_not_says_which_there_are(at: str | int) -> None:
    with pytest.raises(NotMaterialized, match="posts has no version v") as caught:
        seq(at)
    assert caught.value.facts["there is"] == "v1 to v4"


@pytest.mark.parametrize(
    "at", ["", "yesterday", "a1b2c", "2026-13-01", "v", "@", "nié", "0001-01-01T00:00+14:00"]
)
def test_what_names_nothing_says_what_can_be_said(at: str) -> None:
    with pytest.raises(UsageError, match="has no version") as caught:
        seq(at)
    assert "a pin" in str(caught.value.facts["may be"])


def test_a_partition_is_named_as_the_command_line_takes_it() -> None:
    with pytest.raises(NotMaterialized) as caught:
        version_at(ROWS, 9, f"{KEY}#2026-11-01")
    assert caught.value.hint == ("nacre history posts --partition 2026-11-01",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("posts", ("posts", "")),
        ("posts@v3", ("posts", "v3")),
        ("s3://lake/posts.parquet@2026-11-01T10:00+01:00", (KEY, "2026-11-01T10:00+01:00")),
        ("postgresql://me@host/db/posts", ("postgresql://me@host/db/posts", "")),
        ("postgresql://me@host/db/posts@v2", ("postgresql://me@host/db/posts", "v2")),
        ("posts@", ("posts", "")),
        ("@v3", ("@v3", "")),
    ],
)
def test_key_and_version_are_written_with_an_at_sign_between(text: str, expected: tuple[str, str]) -> None:
    assert split_at(text) == expected


def test_times_and_runs_mean_something_for_all_partitions_at_once() -> None:
    assert all(map(is_moment, ["2026-11-01", "2026-11-01T10:00", date(2026, 11, 1), RUNS[0]]))
    assert all(map(is_moment, [RUNS[0][:12], RUNS[0][:6].lower()]))
    assert not any(map(is_moment, ["v3", 3, "a1b2c3", "release-1", "123456", "7a1b2c3", "01KBA"]))


@pytest.mark.parametrize(
    "name", ["", "V1", "v1", "12", "2026-11-01", "a b", "-a", "é", "01kbaaaaaaaaaaaaaaaaaaaaaa"]
)
def test_a_pin_has_no_name_that_means_something_else(name: str) -> None:
    with pytest.raises(UsageError, match="A pin cannot be called"):
        require_pin_name(name)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_version_or_an_error_of_ours(text: str) -> None:
    with suppress(NotMaterialized, UsageError):
        assert version_at(ROWS, text, KEY, zone=UTC) in ROWS


@given(st.integers(0, len(ROWS) - 1), st.integers(6, 64))
def test_every_long_enough_beginning_of_a_content_names_that_content(index: int, n: int) -> None:
    wanted = ROWS[index]
    try:
        found = version_at(ROWS, wanted.data_version[:n], KEY, zone=UTC)
    except UsageError:
        assert n < 8
    else:
        assert found.data_version == wanted.data_version


def test_a_time_at_which_a_removed_version_may_have_been_current_gives_no_other() -> None:
    kept = [ROWS[0], ROWS[3]]
    assert version_at(kept, "2026-11-21", KEY, zone=UTC).seq == 4
    assert version_at(kept, datetime(2026, 11, 1, 12, tzinfo=UTC), KEY).seq == 1
    with pytest.raises(NotMaterialized, match="may have been removed") as caught:
        version_at(kept, "2026-11-06", KEY, zone=UTC)
    assert caught.value.facts["removed by gc"] == "v2 to v3"
    with pytest.raises(NotMaterialized) as caught:
        version_at(kept, "v3", KEY)
    assert caught.value.facts["there is"] == "v1, v4"


def test_a_pin_means_its_own_version_where_several_were_made_by_one_recipe() -> None:
    same = [row(2, "bbbbbb", 5, recipe="f1"), row(1, "aaaaaa", 1, recipe="f1")]
    for content in ("", same[1].data_version):
        assert version_at(same, "first", KEY, pins={"first": (same[1].fingerprint, 1, content)}).seq == 1
    # In another environment, by its content: the number is another's there.
    elsewhere = [row(3, "bbbbbb", 5, recipe="f1"), row(2, "aaaaaa", 1, recipe="f1")]
    pins = {"first": (same[1].fingerprint, 1, same[1].data_version)}
    assert version_at(elsewhere, "first", KEY, pins=pins).seq == 2
    with pytest.raises(NotMaterialized, match="pinned as first"):
        version_at(elsewhere[:1], "first", KEY, pins=pins)
