"""Options: decoded once, every name of Prefect's known, nothing silently ignored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nacre.cache_policies import DEFAULT, FLOW_PARAMETERS, INPUTS, NO_CACHE, RUN_ID, TASK_SOURCE
from nacre.declare.options import DEFAULTS, FLOW_NAMES, TASK_NAMES, FlowOptions, TaskOptions, decode
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
        ("data_version", "x"),
    ],
)
def test_an_impossible_value_is_refused_with_the_function(name: str, value: object) -> None:
    with pytest.raises(InvalidOption, match="make_rain"):
        decode({name: value}, "make_rain")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_key_fn", print),
        ("persist_result", False),
        ("result_storage", "s3/x"),
        ("result_serializer", "pickle"),
        ("on_commit", [print]),
        ("cache_policy", RUN_ID),
        ("cache_policy", INPUTS + FLOW_PARAMETERS),
        ("cache_policy", INPUTS - "limit"),
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


def test_policies_add_up() -> None:
    assert INPUTS + TASK_SOURCE == DEFAULT
    assert (DEFAULT + NO_CACHE, NO_CACHE + DEFAULT) == (DEFAULT, DEFAULT)
