"""Options: decoded once, every name of Prefect's known, nothing silently ignored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nacre.cache_policies import DEFAULT, INPUTS, NO_CACHE, TASK_SOURCE
from nacre.declare.flow import flow
from nacre.declare.options import DEFAULTS, FLOW_NAMES, TASK_NAMES, FlowOptions, TaskOptions, decode
from nacre.declare.task import materialize
from nacre.errors import InvalidOption, NotYetEffective


def test_nothing_given_is_the_defaults() -> None:
    assert decode({}, "f") is DEFAULTS
    assert (DEFAULTS.retries, DEFAULTS.tags, DEFAULTS.log_prints) == (0, frozenset(), None)


def test_values_are_brought_into_one_form() -> None:
    options = decode(
        {
            "tags": ["a", "b", "a"],
            "retries": None,
            "retry_delay_seconds": [1, 2.5],
            "timeout_seconds": 3,
            "on_failure": [print],
            "cache_expiration": timedelta(days=1),
            "task_run_name": "x",
            "refresh_cache": None,
        },
        "f",
    )
    assert options.tags == {"a", "b"}
    assert options.retries == 0
    assert options.retry_delay_seconds == (1.0, 2.5)
    assert options.timeout_seconds == 3.0
    assert options.on_failure == (print,)
    assert options.run_name == "x"
    assert options.refresh_cache is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retries", -1),
        ("retries", True),
        ("retries", "3"),
        ("retry_delay_seconds", "soon"),
        ("retry_delay_seconds", [-1]),
        ("retry_delay_seconds", [1] * 51),
        ("retry_jitter_factor", -0.5),
        ("timeout_seconds", -1),
        ("tags", "weekly"),
        ("tags", 3),
        ("on_failure", ["not a function"]),
        ("retry_condition_fn", 3),
        ("cache_policy", "inputs"),
        ("cache_expiration", 60),
        ("log_prints", "yes"),
        ("name", 3),
        ("name", ""),
        ("task_run_name", 5),
        ("task_run_name", ""),
        ("timeout_seconds", float("nan")),
        ("timeout_seconds", float("inf")),
        ("retry_delay_seconds", 10**400),
        ("tags", [1]),
        ("on_failure", print),
        ("data_version", "x"),
        ("unordered", 1),
        ("cache_key_fn", "key"),
        ("code", "v1"),
        ("code", "pinned: "),
        ("deps", "settings.toml"),
        ("deps", ["settings.toml"]),
        ("deps", ["s3://lake/posts.parquet"]),
        ("ignore", print),
    ],
)
def test_an_impossible_value_is_refused_with_the_function(name: str, value: object) -> None:
    with pytest.raises(InvalidOption, match="make_rain"):
        decode({name: value}, "make_rain")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("persist_result", False),
        ("result_storage", "s3/x"),
        ("result_serializer", "pickle"),
        ("on_commit", [print]),
    ],
)
def test_what_has_no_effect_yet_says_so(name: str, value: object) -> None:
    with pytest.raises(NotYetEffective, match="has no effect in nacre yet"):
        decode({name: value}, "f")


def test_what_nacre_does_anyway_is_taken() -> None:
    assert (
        decode({"persist_result": True, "cache_result_in_memory": False, "cache_key_fn": None}, "f")
        == DEFAULTS
    )


def test_options_are_replaced_one_by_one() -> None:
    first = decode({"retries": 3, "name": "a"}, "f")
    second = decode({"name": "b"}, "f", first)
    assert (second.retries, second.name, first.name) == (3, "b", "a")


def test_the_closest_name_is_offered() -> None:
    with pytest.raises(InvalidOption, match="did you mean timeout_seconds="):
        decode({"timeout_second": 1}, "f")
    with pytest.raises(InvalidOption, match=r"docs/reference/options\.md"):
        decode({"zzz": 1}, "f")


def test_names_of_prefect_are_all_known() -> None:
    """Every name in the signatures of Prefect's decorators either acts or says that it does not yet."""
    for names, declared in ((TASK_NAMES, TaskOptions), (FLOW_NAMES, FlowOptions)):
        assert names == set(declared.__annotations__)
        for name in names:
            decode(
                {name: [] if name == "asset_deps" else True if name == "cache_result_in_memory" else None},
                "f",
                names=names,
            )


def test_a_bare_hook_is_told_to_be_a_list() -> None:
    with pytest.raises(InvalidOption, match=r"write on_failure=\[print\]"):
        decode({"on_failure": print}, "f")


def test_an_error_calls_the_option_as_it_was_written() -> None:
    with pytest.raises(InvalidOption, match="task_run_name= must be"):
        decode({"task_run_name": 5}, "f")


@pytest.mark.parametrize("delay", [[1], lambda n: [1.0]])
def test_a_flow_has_one_delay_for_all_its_retries(delay: object) -> None:
    with pytest.raises(InvalidOption, match="retry_delay_seconds= must be a number"):
        decode({"retry_delay_seconds": delay}, "f", names=FLOW_NAMES)


@pytest.mark.parametrize("name", ["{nope}", "{}", "{day", "{0}", 5])
def test_a_flow_run_name_with_unknown_braces_is_refused_where_it_is_written(name: object) -> None:
    with pytest.raises(InvalidOption, match="flow_run_name="):
        flow(flow_run_name=name)(lambda day: None)  # type: ignore[call-overload]  # 5 is what a user may write


def test_a_flow_run_name_may_reach_into_every_parameter() -> None:
    def run(day: object, *rest: int, hour: int = 1, **more: int) -> None: ...

    name = "{day.year} {day[0]:>3} {hour!r} {rest} {more} {{nope}}"
    assert flow(flow_run_name=name)(run).options.run_name == name


def test_asset_deps_given_a_single_key_are_not_read_as_letters() -> None:
    with pytest.raises(InvalidOption, match=r"write asset_deps=\['x://a'\]"):
        materialize("x://b", asset_deps="x://a")
    made = materialize("x://b")(lambda: 1)
    for wrong in (5, made, made.assets[0]):
        with pytest.raises(InvalidOption, match="asset_deps= must be a list of keys or assets"):
            made.with_options(asset_deps=wrong)  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(InvalidOption, match="assets= must be a list"):
        made.with_options(assets="x://c")


def test_policies_add_up() -> None:
    assert INPUTS + TASK_SOURCE == DEFAULT
    assert (DEFAULT + NO_CACHE, NO_CACHE + DEFAULT) == (DEFAULT, DEFAULT)
