"""The one decision: run or reuse, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from nacre.cache_policies import INPUTS, NO_CACHE
from nacre.declare.options import decode
from nacre.planning.decide import Action, decide, why
from nacre.planning.facts import Evidence, Facts, KnownResult
from nacre.planning.reason import Cause, Reason
from nacre.version.fingerprint import InputVersion, Recipe
from nacre.version.outline import Outline

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Head:
    fingerprint: str
    data_version: str = "d1"
    seq: int = 1
    at: str = "2026-01-01T00:00:00+00:00"
    held: str = ""
    held_since: str = ""
    is_lost: int = 0


@dataclass(frozen=True)
class Part:
    name: str
    place: str
    digest: str


@dataclass(frozen=True)
class Code:
    digest: str = "c1"
    parts: tuple[Part, ...] = ()
    unknowns: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


@dataclass
class World:
    """What is known, as the test says."""

    heads: dict[str, Head] = field(default_factory=dict)
    known: dict[str, KnownResult] = field(default_factory=dict)
    surroundings: dict[tuple[str, str], str] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    outlines: dict[tuple[str, str], Outline] = field(default_factory=dict)
    code: Code = field(default_factory=Code)
    refresh: frozenset[str] = frozenset()
    reuse_sources: bool = False

    def facts(self) -> Facts:
        return Facts(
            now=NOW,
            heads=self.heads,
            code=lambda _: self.code,
            known=lambda fingerprint, _: [self.known[fingerprint]] if fingerprint in self.known else [],
            evidence=self.evidence.get,
            outline=lambda asset, version: self.outlines.get((asset, version)),
            digest_now=lambda kind, name: self.surroundings.get((kind, name), ""),
            refresh=self.refresh,
            reuse_sources=self.reuse_sources,
        )


def recipe(
    inputs: tuple[tuple[str, str], ...] = (("x", "dx"),),
    code: str = "c1",
    parameters: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    assets: tuple[str, ...] = ("a://a",),
) -> Recipe:
    versions = [InputVersion(name, f"a://{name}", version, 1) for name, version in inputs]
    return Recipe(assets, code, versions, parameters or {}, settings or {})


OPTIONS = decode({}, "f")


def test_what_was_never_made_is_built() -> None:
    found = decide(OPTIONS, recipe(), False, World().facts())
    assert (found.action, found.reason.cause) == (Action.BUILD, Cause.FIRST)
    assert found.fingerprint == recipe().fingerprint()


def test_the_same_recipe_as_the_head_is_reused() -> None:
    world = World({"a://a": Head(recipe().fingerprint())})
    found = decide(OPTIONS, recipe(), False, world.facts())
    assert (found.action, found.reason.cause, found.moves_head) == (Action.REUSE, Cause.UNCHANGED, False)
    assert found.data_versions == {"a://a": "d1"}


def test_a_recipe_made_before_moves_the_head_back() -> None:
    world = World(
        {"a://a": Head("other")},
        {recipe().fingerprint(): KnownResult(recipe().fingerprint(), {"a://a": "d0"}, NOW)},
    )
    found = decide(OPTIONS, recipe(), False, world.facts())
    assert (found.action, found.reason.cause, found.moves_head) == (Action.REUSE, Cause.KNOWN, True)
    assert found.data_versions == {"a://a": "d0"}


def test_several_assets_are_reused_only_together() -> None:
    both = recipe(assets=("a://a", "a://b"))
    world = World({"a://a": Head(both.fingerprint()), "a://b": Head("older")})
    assert decide(OPTIONS, both, False, world.facts()).action is Action.BUILD
    world.heads["a://b"] = Head(both.fingerprint(), "d2")
    assert decide(OPTIONS, both, False, world.facts()).data_versions == {"a://a": "d1", "a://b": "d2"}


def test_a_source_is_checked_whatever_is_known() -> None:
    source = recipe(())
    world = World({"a://a": Head(source.fingerprint())})
    assert decide(OPTIONS, source, True, World().facts()).reason.cause is Cause.FIRST
    assert decide(OPTIONS, source, True, world.facts()).reason.cause is Cause.SOURCE
    world.reuse_sources = True
    assert decide(OPTIONS, source, True, world.facts()).action is Action.REUSE
    world.heads.clear()
    assert decide(OPTIONS, source, True, world.facts()).action is Action.CHECK


def test_a_policy_or_expiry_makes_a_source_reusable() -> None:
    source = recipe(())
    world = World({"a://a": Head(source.fingerprint())})
    for options in ({"cache_policy": INPUTS}, {"cache_expiration": timedelta(days=2)}):
        assert decide(decode(options, "f"), source, True, world.facts()).action is Action.REUSE


def test_no_cache_runs_every_time() -> None:
    world = World({"a://a": Head(recipe().fingerprint())})
    found = decide(decode({"cache_policy": NO_CACHE}, "f"), recipe(), False, world.facts())
    assert found.action is Action.CHECK


@pytest.mark.parametrize(
    ("age", "action"), [(timedelta(days=1), Action.BUILD), (timedelta(days=1, seconds=1), Action.REUSE)]
)
def test_a_result_expires_at_its_age(age: timedelta, action: Action) -> None:
    options = decode({"cache_expiration": age}, "f")
    world = World({"a://a": Head(recipe().fingerprint())})
    found = decide(options, recipe(), False, world.facts())
    assert found.action is action
    assert found.overwrites is (action is Action.BUILD)
    known = World(
        {"a://a": Head("other")},
        {
            recipe().fingerprint(): KnownResult(
                recipe().fingerprint(), {"a://a": "d"}, NOW - timedelta(days=1)
            )
        },
    )
    assert decide(options, recipe(), False, known.facts()).action is action


@pytest.mark.parametrize("refresh", ["*", "a://a"])
def test_what_is_asked_for_is_made_afresh(refresh: str) -> None:
    world = World({"a://a": Head(recipe().fingerprint())}, refresh=frozenset([refresh]))
    found = decide(OPTIONS, recipe(), False, world.facts())
    assert (found.action, found.reason.cause, found.overwrites) == (Action.BUILD, Cause.ASKED, True)
    world.refresh = frozenset(["a://b"])
    assert decide(OPTIONS, recipe(), False, world.facts()).action is Action.REUSE
    asked = decide(decode({"refresh_cache": True}, "f"), recipe(), False, world.facts())
    assert asked.reason.cause is Cause.ASKED


def evidence(now: Recipe, **parts: tuple[str, str]) -> Evidence:
    inputs = {each.parameter or each.asset: (each.asset, each.data_version) for each in now.inputs}
    return Evidence(now.code, parts, inputs, now.parameters, now.settings)


def test_a_changed_helper_is_named_before_everything_else() -> None:
    before = evidence(recipe(), f=("p.py:1", "1111"), helper=("p.py:5", "2222"), gone=("p.py:9", "3333"))
    code = Code(
        "c2", (Part("f", "p.py:1", "1111"), Part("helper", "p.py:6", "4444"), Part("more", "p.py:9", "5"))
    )
    reason = why(recipe((("x", "dy"),), code="c2"), code, before, World().facts())
    assert (reason.cause, reason.subject, reason.place) == (Cause.CODE, "helper", "p.py:6")
    assert reason.also == 3


def test_a_changed_input_says_what_differs_in_it() -> None:
    world = World(
        outlines={
            ("a://x", "dx"): Outline("dict", 2, paths={"a": "1", "b": "2"}),
            ("a://x", "dy"): Outline("dict", 2, paths={"a": "1", "b": "3"}),
        }
    )
    reason = why(recipe((("x", "dy"),)), Code(), evidence(recipe()), world.facts())
    assert (reason.cause, reason.subject) == (Cause.INPUT, "a://x")
    assert reason.change is not None
    assert reason.change.changed == ("b",)
    blind = why(recipe((("x", "dy"),)), Code(), evidence(recipe()), World().facts())
    assert blind.change is None


@pytest.mark.parametrize(
    ("now", "cause", "subject"),
    [
        (recipe((("x", "dx"), ("y", "dy"))), Cause.INPUT_SET, "a://y"),
        (recipe(()), Cause.INPUT_SET, "a://x"),
        (recipe(parameters={"n": "1"}), Cause.PARAMETER, "n"),
        (recipe(settings={"version": "2"}), Cause.RECIPE, "version"),
        (recipe(), Cause.LOST, ""),
    ],
)
def test_what_else_differs_is_named(now: Recipe, cause: Cause, subject: str) -> None:
    reason = why(now, Code(), evidence(recipe()), World().facts())
    assert (reason.cause, reason.subject) == (cause, subject)


def test_without_evidence_the_result_is_lost() -> None:
    assert why(recipe(), Code(), None, World().facts()).cause is Cause.LOST


def test_what_a_policy_leaves_out_is_no_reason_to_run() -> None:
    now = recipe((("x", "dx"), ("y", "new")))._replace(uncounted=frozenset({"y"}))
    before = evidence(recipe((("x", "old"), ("y", "dy"))))
    reason = why(now, Code(), before, World().facts())
    assert (reason.cause, reason.subject, reason.also) == (Cause.INPUT, "a://x", 0)
    found = decide(OPTIONS, now, False, World({"a://a": Head(now.fingerprint())}).facts())
    assert (found.action, found.reason.cause, found.reason.subject) == (Action.REUSE, Cause.UNCHANGED, "y")


def test_an_expired_result_says_its_age_and_its_limit_as_data() -> None:
    options = decode({"cache_expiration": timedelta(hours=6)}, "f")
    world = World({"a://a": Head(recipe().fingerprint())})
    reason = decide(options, recipe(), False, world.facts()).reason
    assert (reason.cause, reason.old, reason.new) == (Cause.EXPIRED, "86400", "21600")
    made = {
        recipe().fingerprint(): KnownResult(recipe().fingerprint(), {"a://a": "d1"}, NOW - timedelta(days=9))
    }
    older = World({"a://a": Head(recipe().fingerprint(), at=NOW.isoformat())}, made)
    assert decide(options, recipe(), False, older.facts()).reason.old == str(9 * 86_400)


def test_nothing_is_too_old_where_sources_are_taken_as_they_are() -> None:
    options = decode({"cache_expiration": timedelta(hours=6)}, "f")
    world = World({"a://a": Head(recipe(()).fingerprint())}, reuse_sources=True)
    assert decide(options, recipe(()), True, world.facts()).action is Action.REUSE
    assert decide(options, recipe(()), False, world.facts()).action is Action.BUILD


@pytest.mark.parametrize(
    ("problem", "action"),
    [
        (Reason(Cause.KEY), Action.CHECK),
        (Reason(Cause.KEY, "KeyError: 'x'"), Action.BUILD),
        (Reason(Cause.UNKNOWN, "argument `lock`"), Action.BUILD),
    ],
)
def test_a_problem_runs_the_step_whatever_is_known(problem: Reason, action: Action) -> None:
    world = World({"a://a": Head(recipe().fingerprint())})
    found = decide(OPTIONS, recipe(), False, world.facts(), problem)
    assert (found.action, found.reason) == (action, problem)
