"""External assets: found in the graph, decided by what their place says, and told from what somebody made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from nacre import Asset, materialize
from nacre.graph.external import with_external
from nacre.graph.infer import infer
from nacre.planning.decide import (
    Action,
    decide_external,
    external_fingerprint,
    external_recipe,
    is_seen_outside,
)
from nacre.planning.facts import CodeFact, Facts
from nacre.planning.reason import Cause, Reason

KEY = "s3://lake/rain.csv"


@materialize("demo://a")
def a(rain: Annotated[str, Asset(KEY)]) -> str:
    return rain


@materialize("demo://b", asset_deps=[KEY, "s3://lake/other.csv"])
def b(a: str) -> str:
    return a


class Head(NamedTuple):
    fingerprint: str
    data_version: str = "d1"
    seq: int = 1
    at: str = "2026-11-01T00:00:00+00:00"
    base: str = ""
    held: str = ""
    held_since: str = ""
    is_lost: int = 0


def facts(head: Head | None, *, drifted: bool = False, refresh: bool = False, reuse: bool = False) -> Facts:
    def code(step: str) -> CodeFact:
        raise AssertionError("an external asset has no code")

    return Facts(
        now=datetime(2026, 11, 2, tzinfo=UTC),
        heads={KEY: head} if head else {},
        code=code,
        known=lambda fingerprint, made: [],
        evidence=lambda fingerprint: None,
        outline=lambda asset, data_version: None,
        digest_now=lambda kind, name: "",
        refresh=frozenset([KEY] if refresh else []),
        reuse_sources=reuse,
        drifted=frozenset([KEY] if drifted else []),
    )


SEEN = Head(external_fingerprint(KEY, "d1"))


def test_what_nobody_makes_is_found_with_who_reads_it() -> None:
    found = infer([a, b]).graph.unmade()
    assert {key: [step for step, _ in read] for key, read in found.items()} == {
        KEY: ["demo://a", "demo://b"],
        "s3://lake/other.csv": ["demo://b"],
    }


def test_external_assets_come_before_all_that_reads_them() -> None:
    graph = infer([a, b]).graph
    found = with_external(graph, [KEY])
    assert found.order == (KEY, "demo://a", "demo://b")
    assert found.above == {KEY: (), "demo://a": (KEY,), "demo://b": (KEY, "demo://a")}
    assert found.is_source(KEY)
    assert found.unmade().keys() == {"s3://lake/other.csv"}
    assert with_external(graph, []) is graph


def test_an_external_asset_is_read_when_its_place_says_so_and_only_then() -> None:
    recipe = external_recipe(KEY)
    assert decide_external(recipe, facts(None)).action is Action.CHECK
    assert decide_external(recipe, facts(None)).reason == Reason(Cause.OUTSIDE, KEY)
    assert decide_external(recipe, facts(SEEN)).action is Action.REUSE
    assert decide_external(recipe, facts(SEEN)).reason.new == "unchanged"
    assert decide_external(recipe, facts(SEEN)).data_versions == {KEY: "d1"}
    assert decide_external(recipe, facts(SEEN, drifted=True)).reason.new == "changed"
    assert decide_external(recipe, facts(SEEN, refresh=True)).reason.cause is Cause.ASKED
    assert decide_external(recipe, facts(SEEN, drifted=True, reuse=True)).action is Action.REUSE
    assert decide_external(recipe, facts(SEEN, drifted=True, reuse=True)).reason.new == ""


def test_an_external_asset_that_is_held_is_left_as_it_is() -> None:
    held = SEEN._replace(held="v1", held_since="2026-11-01T00:00:00+00:00")
    found = decide_external(external_recipe(KEY), facts(held, drifted=True))
    assert (found.action, found.reason.cause) == (Action.REUSE, Cause.HELD)


def test_what_was_seen_is_told_from_what_was_made_by_key_and_content_alone() -> None:
    assert is_seen_outside(KEY, SEEN)
    assert not is_seen_outside("s3://lake/other.csv", SEEN)
    assert not is_seen_outside(KEY, SEEN._replace(data_version="d2"))
    assert not is_seen_outside(KEY, Head("f" * 64))
