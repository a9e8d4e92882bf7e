"""Sentences: each reason said once, shortly, in the same words everywhere."""

from __future__ import annotations

import pytest

from nacre.execute.report import Lines
from nacre.execute.report import why as why_on_page
from nacre.execute.result import StepResult
from nacre.planning.explain import describe_change, remedy, sentence, short
from nacre.planning.reason import Cause, Reason
from nacre.store.records import StepRecord
from nacre.version.outline import Change
from nacre.views.why import WhyResult


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason(Cause.UNCHANGED), "inputs and code unchanged"),
        (Reason(Cause.FIRST), "not made yet"),
        (Reason(Cause.CODE, "m.helper", "m.py:3", "a", "b"), "code changed: `m.helper` (m.py:3) changed"),
        (Reason(Cause.CODE, "m.helper", "m.py:3", "", "b"), "code changed: `m.helper` (m.py:3) is new"),
        (
            Reason(Cause.CODE, "m.helper", "m.py:3", "a", ""),
            "code changed: `m.helper` (m.py:3) is no longer used",
        ),
        (Reason(Cause.CODE, "dist pandas", old="2.1", new="2.2"), "pandas changed: 2.1 → 2.2"),
        (Reason(Cause.CODE), "code changed"),
        (Reason(Cause.INPUT, "a://raw"), "raw changed"),
        (Reason(Cause.INPUT_SET, "a://x", new="a://x"), "x is a new input"),
        (Reason(Cause.INPUT_SET, "a://x", old="a://x"), "x is no longer an input"),
        (Reason(Cause.PARAMETER, "n", old="1", new="2"), "parameter `n` changed: 1 → 2"),
        (Reason(Cause.PARAMETER, "n", old="•••", new="2"), "parameter `n` changed"),
        (Reason(Cause.PARAMETER, "n", new="2"), "parameter `n` is new: 2"),
        (Reason(Cause.PARAMETER, "n", new="•••"), "parameter `n` is new"),
        (Reason(Cause.RECIPE, "version", old="1", new="2"), "option `version` changed: 1 → 2"),
        (Reason(Cause.RECIPE, "version", new="2"), "option `version` changed: none → 2"),
        (Reason(Cause.READ, "file queries/top.sql"), "file queries/top.sql, read by it, changed"),
        (Reason(Cause.READ, "env REGION"), "env REGION, read by it, changed"),
        (Reason(Cause.READ, "asset a://raw"), "asset raw, read by it, changed"),
        (
            Reason(Cause.READ, "asset a://raw", change=Change(size=(1, 2), kind="list")),
            "raw changed: +1 item, read by it",
        ),
        (Reason(Cause.PARAMETER, "n", old="2"), "parameter `n` is gone"),
        (Reason(Cause.PENDING, "a://raw"), "depends on what raw brings"),
        (Reason(Cause.UPSTREAM_FAILED, "a://raw"), "raw failed"),
        (Reason(Cause.EXPIRED, also=1), "cache_expiration has passed (and 1 more change)"),
        (Reason(Cause.EXPIRED, also=2), "cache_expiration has passed (and 2 more changes)"),
        (Reason(Cause.EXPIRED, old="93600", new="86400"), "made 26 h ago; cache_expiration is 24 h"),
        (Reason(Cause.EXPIRED, old="8640000", new="90"), "made 100 d ago; cache_expiration is 1.5 min"),
        (Reason(Cause.EXPIRED, old="1", new="0"), "made 1 s ago; cache_expiration is 0 s"),
        (Reason(Cause.UNCHANGED, "b, c"), "inputs (but b, c) and code unchanged"),
        (Reason(Cause.UNCHANGED, "*"), "code (its cache_policy has no INPUTS) unchanged"),
        (Reason(Cause.UNCHANGED, new="k"), "cache key unchanged"),
        (Reason(Cause.KNOWN), "made before from the same inputs and code"),
        (Reason(Cause.KNOWN, "b"), "made before from the same inputs (but b) and code"),
        (Reason(Cause.KNOWN, new="k"), "made before under the cache key k"),
        (Reason(Cause.KEY), "cache_key_fn gave no key, so it runs"),
        (Reason(Cause.KEY, "KeyError: 'x'"), "cache_key_fn failed: KeyError: 'x'"),
        (Reason(Cause.KEY, old="a", new="b"), "cache key changed: a → b"),
        (Reason(Cause.KEY, new="b"), "cache key changed: none → b"),
        (Reason(Cause.RECIPE, "run_id"), "made in another run, and its cache_policy has RUN_ID"),
    ],
)
def test_a_reason_is_one_sentence(reason: Reason, said: str) -> None:
    assert sentence(reason) == said


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sentence(cause: Cause) -> None:
    text = sentence(Reason(cause, "a://thing"))
    assert text
    assert not text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("cause", Cause)
def test_every_face_says_a_cause_in_the_same_words(cause: Cause) -> None:
    """The answer of Python, the line of a terminal, the web page, and the answer to why."""
    reason = Reason(cause, "a://thing", "m.py:3", "1", "2", Change(size=(1, 2), kind="list"))
    record = StepRecord(step="a://thing", action="built", reason=reason, assets=("a://thing",))
    said = sentence(reason)
    assert StepResult("a://thing", "built", reason).reason == said
    assert Lines(indent="").step_line(record).endswith(said)
    assert why_on_page(record) == said
    answer = WhyResult("a://thing", action="build", reason=said, causes=(reason,))
    assert f"+ build: {said}" in str(answer)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "raw changed"),
        (Change(changed=("at",)), "only `at` of raw differs"),
        (Change(changed=("at", "by")), "only `at`, `by` of raw differ"),
        (Change(changed=("items[0].at", "items[3].at")), "only `items.at` of raw differs"),
        (Change(changed=("[0].at", "[3].at")), "only `at` of raw differs"),
        (Change(changed=("a", "b", "c", "d", "e")), "only `a`, `b`, `c` and 2 more of raw differ"),
        (Change(changed=("at",), complete=False), "raw changed: `at` and perhaps more"),
        (Change(size=(1, 3), kind="table"), "raw changed: +2 rows"),
        (Change(size=(3, 2), kind="table"), "raw changed: -1 row"),
        (Change(size=(1, 3), added=("lang",), kind="table"), "raw changed: +2 rows, column `lang` added"),
        (Change(added=("a", "b"), kind="table"), "raw changed: columns `a`, `b` added"),
        (
            Change(retyped=(("likes", "int64", "float64"),), kind="table"),
            "raw changed: `likes` int64 → float64",
        ),
        (
            Change(size=(1, 2), retyped=tuple((f"c{n}", "a", "b") for n in range(5)), kind="table"),
            "raw changed: +1 row, `c0` a → b, `c1` a → b, `c2` a → b, 2 more of another type",
        ),
        (Change(size=(3, 2), removed=("[2]",), kind="list"), "raw changed: -1 item"),
        (Change(size=(1, 2), added=("at",), kind="dict"), "raw changed: `at` added"),
        (Change(size=(5, 4), kind="str"), "raw changed: -1 character"),
        (Change(added=("x",)), "raw changed: `x` added"),
        (Change(removed=("x",), added=("y",)), "raw changed: `y` added, `x` removed"),
        (Change(type=("table", "dict")), "raw is a dict now, was a table"),
        (Change(kind="dict"), "raw changed in order or type only"),
        (Change(kind="int"), "raw changed"),
        (Change(complete=False), "raw changed"),
    ],
)
def test_a_change_is_said_in_the_words_of_the_data(change: Change | None, said: str) -> None:
    assert describe_change(change, "raw") == said


def test_the_remedy_is_one_line_where_it_would_help() -> None:
    reason = Reason(Cause.SOURCE, "a://raw", "1", "2", change=Change(changed=("at",)))
    assert remedy(reason, "a://raw") == 'data_version=without("at")'
    for change in (
        None,
        Change(changed=("at",), added=("x",)),
        Change(changed=("at",), size=(1, 2)),
        Change(changed=("at",), complete=False),
        Change(changed=("a", "b", "c", "d")),
        Change(changed=('["a.b"]',)),
        Change(changed=("[0]",)),
        Change(),
    ):
        assert remedy(Reason(Cause.SOURCE, "a://raw", change=change), "a://raw") == ""
    nested = Reason(Cause.SOURCE, "a://raw", "1", "2", change=Change(changed=("posts[0].m.at",)))
    assert remedy(nested, "a://raw") == 'data_version=without("posts.m.at")'
    assert remedy(Reason(Cause.CODE, "f", change=Change(changed=("at",))), "a://raw") == ""


def test_an_asset_is_named_shortly() -> None:
    assert short("s3://lake/posts.parquet") == "posts"
    assert short("s3://data") == "s3://data"
