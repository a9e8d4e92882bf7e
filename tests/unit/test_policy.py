"""Cache policies as data: how they compose, and what of a recipe counts under them."""

from __future__ import annotations

import pytest

from nacre.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
)
from nacre.declare.options import decode
from nacre.planning.counted import counted
from nacre.planning.facts import Asked
from nacre.planning.reason import Cause
from nacre.version.fingerprint import InputVersion, Recipe

RECIPE = Recipe(
    ["a://x"],
    "code",
    [InputVersion("rows", "a://rows", "d1", 3), InputVersion("", "a://dep", "d2", 1)],
    {"limit": "1", "unit": "mm"},
    {"version": "1"},
)


def by_key(context: object, parameters: object) -> str:
    return "k"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (INPUTS, "INPUTS"),
        (DEFAULT - "b" - "a", 'INPUTS - "a" - "b"'),
        (RUN_ID + INPUTS, "INPUTS + RUN_ID"),
        (FLOW_PARAMETERS, "FLOW_PARAMETERS"),
        (TASK_SOURCE, "TASK_SOURCE"),
        (TASK_SOURCE - "a", "TASK_SOURCE"),
        (CacheKeyFnPolicy(cache_key_fn=by_key) + INPUTS, "INPUTS + cache_key_fn"),
        (NO_CACHE - "a", "NO_CACHE"),
    ],
)
def test_a_policy_has_one_text_however_it_was_composed(policy: CachePolicy, text: str) -> None:
    assert str(policy) == text


def test_inputs_and_code_are_what_counts_without_a_policy_too() -> None:
    assert INPUTS.is_plain
    assert DEFAULT.is_plain
    assert NO_CACHE.is_plain
    for policy in (TASK_SOURCE, RUN_ID, INPUTS - "a", INPUTS + RUN_ID, CachePolicy.from_cache_key_fn(by_key)):
        assert not policy.is_plain


def test_a_key_function_goes_before_the_policy_and_with_options_replaces_both() -> None:
    keyed = decode({"cache_key_fn": by_key, "cache_policy": NO_CACHE}, "f")
    assert keyed.cache_policy == CachePolicy.from_cache_key_fn(by_key)
    assert decode({"cache_policy": INPUTS}, "f", keyed).cache_policy == INPUTS
    assert decode({"cache_key_fn": None}, "f", keyed).cache_policy is None
    assert decode({"cache_key_fn": None}, "f", decode({"cache_policy": INPUTS}, "f")).cache_policy == INPUTS


def test_what_is_left_out_stays_an_input_of_the_record() -> None:
    recipe, problem = counted(INPUTS - "rows" - "limit", RECIPE, Asked())
    assert problem is None
    assert recipe.inputs == RECIPE.inputs
    assert recipe.parameters == {"unit": "mm"}
    assert recipe.settings == {"version": "1", "cache_policy": 'INPUTS - "limit" - "rows"'}
    other = RECIPE._replace(inputs=[RECIPE.inputs[0]._replace(data_version="d9"), RECIPE.inputs[1]])
    assert counted(INPUTS - "rows" - "limit", other, Asked())[0].fingerprint() == recipe.fingerprint()
    assert counted(INPUTS - "limit", other, Asked())[0].fingerprint() != recipe.fingerprint()
    assert other.fingerprint() != RECIPE.fingerprint()


def test_without_inputs_none_counts() -> None:
    recipe, _ = counted(TASK_SOURCE, RECIPE, Asked())
    bare = RECIPE._replace(inputs=[], parameters={})
    assert recipe.fingerprint() == counted(TASK_SOURCE, bare, Asked())[0].fingerprint()


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        (RUN_ID, Asked(run="1"), Asked(run="2")),
        (FLOW_PARAMETERS, Asked(flow={"a": "1"}), Asked(flow={"a": "2"})),
        (FLOW_PARAMETERS, Asked(flow={"a": "1"}), Asked(flow={"b": "1"})),
        (CachePolicy.from_cache_key_fn(by_key), Asked(key="1"), Asked(key="2")),
        (CachePolicy.from_cache_key_fn(by_key), Asked(key=""), Asked(key="1")),
        (CachePolicy.from_cache_key_fn(by_key), Asked(key="x" * 99 + "1"), Asked(key="x" * 99 + "2")),
    ],
)
def test_what_a_policy_adds_counts(policy: CachePolicy, first: Asked, second: Asked) -> None:
    one, problem = counted(policy, RECIPE, first)
    other, _ = counted(policy, RECIPE, second)
    again, _ = counted(policy, RECIPE, first)
    assert problem is None
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()


def test_what_cannot_be_answered_is_a_reason_to_run() -> None:
    keyed = CachePolicy.from_cache_key_fn(by_key)
    found = [
        counted(keyed, RECIPE, Asked())[1],
        counted(keyed, RECIPE, Asked(failed="KeyError: 'x'"))[1],
        counted(FLOW_PARAMETERS, RECIPE, Asked(unknown="parameter `lock`"))[1],
    ]
    assert [(reason.cause, reason.subject) for reason in found if reason] == [
        (Cause.KEY, ""),
        (Cause.KEY, "KeyError: 'x'"),
        (Cause.UNKNOWN, "parameter `lock`"),
    ]
