"""The plan: each step decided as soon as its inputs are known, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

from nacre import materialize
from nacre.graph.infer import infer
from nacre.planning.build import build
from nacre.planning.decide import Action
from nacre.planning.facts import Facts
from nacre.planning.plan import Outcome, Plan
from nacre.planning.reason import Cause
from nacre.planning.settings import settings
from nacre.values.without import without
from nacre.version.fingerprint import InputVersion
from nacre.version.outline import Outline


@materialize("a://raw")
def raw() -> None: ...


@materialize("a://other")
def other() -> None: ...


@materialize("a://clean")
def clean(raw: object) -> None: ...


@materialize("a://report")
def report(clean: object, other: object) -> None: ...


@materialize("a://note", version="3", data_version=without("at"))
def note(report: object) -> None: ...


GRAPH = infer([raw, other, clean, report, note]).graph


def facts(heads: dict[str, tuple[str, str, int]] | None = None, **known: object) -> Facts:
    """Facts with heads as ``asset: (fingerprint, data version, seq)``."""
    return Facts(
        now=datetime(2026, 1, 2, tzinfo=UTC),
        heads={
            asset: SimpleNamespace(
                fingerprint=fp, data_version=dv, seq=seq, at="2026-01-01T00:00:00+00:00", held="", is_lost=0
            )
            for asset, (fp, dv, seq) in (heads or {}).items()
        },
        code=lambda key: SimpleNamespace(digest=f"code of {key}", parts=(), unknowns=(), variables=()),
        known=lambda *_: (),
        digest_now=lambda *_: "",
        evidence=lambda _: None,
        outline=lambda asset, version: None,
        **known,  # type: ignore[arg-type]
    )


def run_all(plan: Plan, contents: dict[str, str]) -> list[str]:
    """Run a plan with made-up contents; returns what ran."""
    ran = []
    while ready := plan.ready():
        for step in ready:
            ran.append(step.key)
            plan.advance(step.key, Outcome({step.key: contents[step.key]}))
    return ran


CONTENTS = {f"a://{name}": f"content of {name}" for name in ("raw", "other", "clean", "report", "note")}


def after(plan: Plan) -> dict[str, tuple[str, str, int]]:
    """Heads as a run of the plan leaves them."""
    return {
        key: (step.decision.fingerprint, CONTENTS[key], 1)
        for key, step in plan.steps.items()
        if step.decision
    }


def test_what_waits_for_an_upstream_is_pending_and_says_for_which() -> None:
    plan = build(GRAPH, facts())
    assert {key: step.action for key, step in plan.steps.items()} == {
        "a://raw": Action.CHECK,
        "a://other": Action.CHECK,
        "a://clean": Action.PENDING,
        "a://report": Action.PENDING,
        "a://note": Action.PENDING,
    }
    assert plan.steps["a://clean"].reason.subject == "a://raw"
    assert [step.key for step in plan.ready()] == ["a://raw", "a://other"]
    assert plan.ready() == []


def test_steps_run_when_all_they_need_is_there() -> None:
    plan = build(GRAPH, facts())
    plan.ready()
    plan.advance("a://other", Outcome({"a://other": "1"}))
    assert plan.ready() == []
    plan.advance("a://raw", Outcome({"a://raw": "1"}))
    assert [step.key for step in plan.ready()] == ["a://clean"]
    plan.advance("a://clean", Outcome({"a://clean": "1"}))
    assert [step.key for step in plan.ready()] == ["a://report"]


def test_equal_content_settles_everything_below_at_once() -> None:
    first = build(GRAPH, facts())
    assert run_all(first, CONTENTS) == ["a://raw", "a://other", "a://clean", "a://report", "a://note"]
    plan = build(GRAPH, facts(after(first)))
    plan.ready()
    assert plan.advance("a://other", Outcome({"a://other": CONTENTS["a://other"]})) == []
    settled = plan.advance("a://raw", Outcome({"a://raw": CONTENTS["a://raw"]}))
    assert [step.key for step in settled] == ["a://clean", "a://report", "a://note"]
    assert {step.action for step in settled} == {Action.REUSE}
    assert plan.ready() == []


def test_sources_that_are_reused_settle_the_whole_plan_before_it_runs() -> None:
    first = build(GRAPH, facts())
    run_all(first, CONTENTS)
    plan = build(GRAPH, facts(after(first), reuse_sources=True))
    assert all(step.is_done and step.action is Action.REUSE for step in plan.steps.values())
    assert plan.ready() == []
    version = plan.version("a://clean")
    assert version == InputVersion("", "a://clean", CONTENTS["a://clean"], 1)


def test_a_failure_skips_everything_below_once() -> None:
    plan = build(GRAPH, facts())
    plan.ready()
    skipped = plan.advance("a://raw", Outcome(failed=True))
    assert [step.key for step in skipped] == ["a://clean", "a://report", "a://note"]
    assert {(step.action, step.reason.subject) for step in skipped} == {(Action.SKIP, "a://raw")}
    assert plan.advance("a://other", Outcome(failed=True)) == []
    assert plan.steps["a://report"].reason.subject == "a://raw"


def test_a_changed_source_says_what_changed_of_it() -> None:
    heads = {"a://raw": ("f", "old", 4)}
    plan = build(infer([raw]).graph, facts(heads))
    plan.ready()
    plan.advance("a://raw", Outcome({"a://raw": "new"}, {"a://raw": Outline("dict")}))
    reason = plan.steps["a://raw"].reason
    assert (reason.cause, reason.subject, reason.old, reason.new) == (Cause.SOURCE, "a://raw", "old", "new")
    assert plan.version("a://raw") == InputVersion("", "a://raw", "new", 5)
    assert plan.facts.outline("a://raw", "new") == Outline("dict")


def test_what_the_run_made_already_is_taken_as_given() -> None:
    given = {"a://raw": InputVersion("", "a://raw", "given", 7)}
    plan = build(GRAPH, facts(), given)
    assert plan.steps["a://raw"].reason.cause is Cause.THIS_RUN
    assert [step.key for step in plan.ready()] == ["a://other", "a://clean"]
    decision = plan.steps["a://clean"].decision
    assert decision is not None
    assert decision.recipe.inputs[0].data_version == "given"


def test_an_asset_nobody_here_makes_enters_by_its_current_version() -> None:
    graph = GRAPH.restrict({"a://clean"})
    plan = build(graph, facts({"a://raw": ("f", "stored", 3)}))
    decision = plan.steps["a://clean"].decision
    assert decision is not None
    assert decision.recipe.inputs[0] == InputVersion("raw", "a://raw", "stored", 3)


def test_the_version_option_is_part_of_the_recipe() -> None:
    code = facts().code("")
    assert settings(raw.options, code, facts()) == {}
    assert settings(note.options, code, facts()) == {"version": "3"}
