"""The one decision: run a step or take a known result, and why. Pure; builds and flows both come here."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple, Protocol

from nacre.declare.options import Options
from nacre.keys import key_of
from nacre.planning.facts import CodeFact, Evidence, Facts, HeadFact, ReadFact
from nacre.planning.reason import CACHE_KEY, FLOW, Cause, Reason
from nacre.planning.settings import CLOSED, runs_every_time
from nacre.version.fingerprint import ALL, HIDDEN, Recipe, observed_fingerprint
from nacre.version.outline import Change, compare


class Action(enum.StrEnum):
    """What happens to a step. The values are stored."""

    #: Run it: its result is not known.
    BUILD = "build"
    #: Run it to see whether the world changed; the result counts only if it did.
    CHECK = "check"
    #: Take the known result.
    REUSE = "reuse"
    #: An upstream must run first; then it is decided.
    PENDING = "pending"
    #: Not run, because an upstream failed.
    SKIP = "skip"


class HasContent(Protocol):
    """A version, as far as its recipe and its content say what it is."""

    @property
    def fingerprint(self) -> str:
        """Digest of its recipe."""
        ...

    @property
    def data_version(self) -> str:
        """Digest of its content."""
        ...


class Decision(NamedTuple):
    """What to do with one step.

    Args:
        action: BUILD, CHECK or REUSE.
        reason: Why.
        fingerprint: Digest of its recipe.
        recipe: The recipe itself.
        data_versions: Asset key to known content, when reused.
        moves_head: True when reused, but another version is current now.
        overwrites: True when the result replaces one recorded under the same fingerprint.
    """

    action: Action
    reason: Reason
    fingerprint: str
    recipe: Recipe
    data_versions: Mapping[str, str] = MappingProxyType({})
    moves_head: bool = False
    overwrites: bool = False


_UNCHANGED = Reason(Cause.UNCHANGED)
_KNOWN = Reason(Cause.KNOWN)
#: Stands for the code of what nobody here makes.
_EXTERNAL = "external"
_LOST = Reason(Cause.LOST)


def decide(
    options: Options, recipe: Recipe, is_source: bool, facts: Facts, problem: Reason | None = None
) -> Decision:
    """Decide on one step whose inputs are all known.

    Args:
        options: The task's options.
        recipe: Everything its result depends on.
        is_source: True where it has no upstream assets.
        facts: What is known.
        problem: Why it runs whatever is known; None where it need not.

    Returns:
        The decision; constant work, plus evidence lookups only where the step must run.
    """
    fingerprint = recipe.fingerprint()
    head = facts.heads.get(recipe.assets[0])
    if (
        head is not None
        and (head.held or len(recipe.assets) > 1)
        and (holding := held_head(recipe.assets, facts)) is not None
    ):
        return _as_held(holding, recipe, facts)
    if problem is not None:
        # Without a key it runs every time: what it brings is recorded with its content, and not taken by its recipe.
        action = Action.CHECK if problem.cause is Cause.KEY and not problem.subject else Action.BUILD
        return Decision(action, problem, fingerprint, recipe)
    refresh = facts.refresh
    asked = options.refresh_cache or (
        bool(refresh) and ("*" in refresh or key_of(recipe.assets[0]) in refresh)
    )
    if runs_every_time(options, is_source):
        # From the same inputs, a closed partition is never asked for again; where sources are taken as they are, so is
        # whatever looks at the world as a source does.
        is_closed = CLOSED in recipe.settings
        if head is not None and (
            head.is_lost or (len(recipe.assets) > 1 and _is_lost(recipe.assets, facts.heads))
        ):
            return Decision(Action.CHECK, _LOST, fingerprint, recipe, overwrites=True)
        if (
            (is_closed or facts.reuse_sources)
            and not asked
            and (versions := _observed(recipe, fingerprint, facts.heads))
        ):
            reason = _unchanged(recipe, facts, Cause.CLOSED if is_closed else Cause.UNCHANGED)
            return Decision(Action.REUSE, reason, fingerprint, recipe, versions)
        if is_source and facts.reuse_sources and all(asset in facts.heads for asset in recipe.assets):
            versions = {asset: facts.heads[asset].data_version for asset in recipe.assets}
            return Decision(Action.REUSE, _unchanged(recipe, facts), fingerprint, recipe, versions)
        reason = Reason(Cause.FIRST) if head is None else Reason(Cause.SOURCE)
        return Decision(Action.CHECK, reason, fingerprint, recipe, overwrites=asked)
    if asked:
        return Decision(Action.BUILD, Reason(Cause.ASKED), fingerprint, recipe, overwrites=True)
    # Where sources are taken as they are, none is too old.
    limit = None if is_source and facts.reuse_sources else options.cache_expiration
    return _from_known(limit, recipe, fingerprint, facts, head)


def held_head(assets: Sequence[str], facts: Facts) -> HeadFact | None:
    """Find the hold that a step is under: on one of its assets, while it has all of them and none is released."""
    heads = {each: facts.heads.get(each) for each in assets}
    held = [each for each, head in heads.items() if head is not None and head.held]
    released = list(filter(facts.released, held))  # each is asked for: the holds of all of them end together
    return heads[held[0]] if held and not released and None not in heads.values() else None


def _as_held(holding: HeadFact, recipe: Recipe, facts: Facts) -> Decision:
    """Take what is current, whatever it was made from; a file that is not as published is put back all the same."""
    reason = _held(holding)
    if facts.drifted and not facts.drifted.isdisjoint(recipe.assets):
        reason = Reason(Cause.DRIFT, recipe.assets[0])
    versions = {asset: facts.heads[asset].data_version for asset in recipe.assets}
    return Decision(Action.REUSE, reason, holding.fingerprint, recipe, versions)


def _held(head: HeadFact) -> Reason:
    return Reason(Cause.HELD, old=head.held_since, new=head.held)


def external_recipe(asset: str) -> Recipe:
    """Give the recipe of an external asset: its key, and nothing else."""
    return Recipe([asset], _EXTERNAL)


def external_fingerprint(asset: str, data_version: str = "") -> str:
    """Digest what a version of an external asset is: that key with that content, whoever saw it first.

    Args:
        asset: The key.
        data_version: What lay there; empty for the recipe alone.
    """
    recipe = external_recipe(asset).fingerprint()
    return observed_fingerprint(recipe, [data_version]) if data_version else recipe


def is_seen_outside(asset: str, version: HasContent) -> bool:
    """Say whether a version of a key was seen to lie there, and made by nobody here."""
    return version.fingerprint == external_fingerprint(asset, version.data_version)


def decide_external(recipe: Recipe, facts: Facts) -> Decision:
    """Decide on an external asset: it is read again where its place says that it changed.

    Args:
        recipe: Its recipe.
        facts: What is known; ``drifted`` has the key where its file is not the one that was seen.
    """
    asset = recipe.assets[0]
    head, fingerprint = facts.heads.get(asset), recipe.fingerprint()
    if head is not None and head.held and (holding := held_head([asset], facts)) is not None:
        return Decision(Action.REUSE, _held(holding), fingerprint, recipe, {asset: head.data_version})
    asked = "*" in facts.refresh or asset in facts.refresh
    if head is None:
        return Decision(Action.CHECK, Reason(Cause.OUTSIDE, asset), fingerprint, recipe)
    if asked:
        return Decision(Action.CHECK, Reason(Cause.ASKED), fingerprint, recipe)
    if facts.reuse_sources or asset not in facts.drifted:
        reason = Reason(Cause.OUTSIDE, asset, old=head.at, new="" if facts.reuse_sources else "unchanged")
        return Decision(Action.REUSE, reason, fingerprint, recipe, {asset: head.data_version})
    return Decision(
        Action.CHECK, Reason(Cause.OUTSIDE, asset, old=head.at, new="changed"), fingerprint, recipe
    )


def _from_known(
    limit: timedelta | None, recipe: Recipe, fingerprint: str, facts: Facts, first: HeadFact | None
) -> Decision:
    """Take the head or another recorded result of this fingerprint, else explain what differs."""
    heads = facts.heads
    is_at = first is not None and first.fingerprint == fingerprint
    if (
        first is not None
        and is_at
        and (len(recipe.assets) == 1 or _all_at(recipe.assets, fingerprint, heads))
    ):
        if first.is_lost or (len(recipe.assets) > 1 and _is_lost(recipe.assets, heads)):
            return Decision(Action.BUILD, _LOST, fingerprint, recipe, overwrites=True)
        if limit is None or (expired := _expired(limit, _made_at(first, recipe, facts), facts.now)) is None:
            versions = {asset: heads[asset].data_version for asset in recipe.assets}
            return Decision(Action.REUSE, _unchanged(recipe, facts), fingerprint, recipe, versions)
        return Decision(Action.BUILD, expired, fingerprint, recipe, overwrites=True)
    for known in facts.known(fingerprint, recipe.assets[0]):
        if any(_read_causes(known.reads, facts)):
            continue
        if limit is not None and (expired := _expired(limit, known.at, facts.now)) is not None:
            return Decision(Action.BUILD, expired, fingerprint, recipe, overwrites=True)
        is_current = _all_at(recipe.assets, known.fingerprint, heads)
        if _is_lost(recipe.assets, heads) if is_current else known.is_lost:
            return Decision(Action.BUILD, _LOST, fingerprint, recipe, overwrites=True)
        as_before = _under_policy(Cause.KNOWN, recipe) if recipe.uncounted else _KNOWN
        if is_current:
            # The record may hold what a refresh made since, also in another environment.
            versions = {asset: heads[asset].data_version for asset in recipe.assets}
            return Decision(Action.REUSE, _unchanged(recipe, facts), known.fingerprint, recipe, versions)
        return Decision(
            Action.REUSE, as_before, known.fingerprint, recipe, known.data_versions, moves_head=True
        )
    if first is None:
        return Decision(Action.BUILD, Reason(Cause.FIRST), fingerprint, recipe)
    evidence = facts.evidence(first.fingerprint)
    reason = why(recipe, facts.code(recipe.assets[0]), evidence, facts)
    return Decision(Action.BUILD, reason, fingerprint, recipe)


def made_again(decision: Decision, options: Options, is_source: bool) -> Decision:
    """Decide anew on a step whose known result turned out to be gone or damaged when somebody wanted to read it."""
    action = Action.CHECK if runs_every_time(options, is_source) else Action.BUILD
    recipe = decision.recipe
    return Decision(action, _LOST, recipe.fingerprint(), recipe, overwrites=True)


def shown_key(setting: str) -> str:
    """Give of a cache key what may be shown: its beginning, without the digest of a long one."""
    return setting.partition("… ")[0] + "…" if "… " in setting else setting


def _unchanged(recipe: Recipe, facts: Facts, cause: Cause = Cause.UNCHANGED) -> Reason:
    """Say that the current version is taken, and that its file must be put back where it is not as published."""
    if facts.drifted and not facts.drifted.isdisjoint(recipe.assets):
        return Reason(Cause.DRIFT, recipe.assets[0])
    if recipe.uncounted:
        return _under_policy(cause, recipe)
    return _UNCHANGED if cause is Cause.UNCHANGED else Reason(cause)


def _under_policy(cause: Cause, recipe: Recipe) -> Reason:
    """Say what a result was taken by, where not all inputs count: its cache key, else what does not count."""
    key = shown_key(recipe.settings.get(CACHE_KEY, ""))
    uncounted = ALL if ALL in recipe.uncounted else ", ".join(sorted(recipe.uncounted))
    return Reason(cause, "" if key else uncounted, new=key)


def _observed(recipe: Recipe, fingerprint: str, heads: Mapping[str, HeadFact]) -> dict[str, str]:
    """Give the current versions where they are what this very recipe brought when it last ran; else nothing."""
    found = {asset: heads[asset] for asset in recipe.assets if asset in heads}
    versions = {asset: head.data_version for asset, head in found.items()}
    if len(found) < len(recipe.assets):
        return {}
    expected = observed_fingerprint(fingerprint, list(versions.values()))
    return versions if all(head.fingerprint == expected for head in found.values()) else {}


def _is_lost(assets: Sequence[str], heads: Mapping[str, HeadFact]) -> bool:
    return any(a in heads and heads[a].is_lost for a in assets)


def _all_at(assets: Sequence[str], fingerprint: str, heads: Mapping[str, HeadFact]) -> bool:
    return all(a in heads and heads[a].fingerprint == fingerprint for a in assets)


def _made_at(head: HeadFact, recipe: Recipe, facts: Facts) -> datetime:
    """Say when the current version was made: it may have become current again long after."""
    known = facts.known(head.fingerprint, recipe.assets[0])
    made = [each.at for each in known if each.fingerprint == head.fingerprint]
    return min([datetime.fromisoformat(head.at), *made])


def _expired(limit: timedelta, at: datetime, now: datetime) -> Reason | None:
    age = now - at
    if age < limit:
        return None
    return Reason(Cause.EXPIRED, old=f"{age.total_seconds():.0f}", new=f"{limit.total_seconds():.0f}")


def why(recipe: Recipe, code: CodeFact, evidence: Evidence | None, facts: Facts) -> Reason:
    """Name the first thing that differs from the version that is current, and count the others.

    Code comes first, then inputs, parameters and settings: what the user did last is usually what they ask about.
    """
    found = differences(recipe, code, evidence, facts) if evidence is not None else []
    if not found:
        return Reason(Cause.LOST)
    return replace(found[0], also=len(found) - 1) if len(found) > 1 else found[0]


def differences(recipe: Recipe, code: CodeFact, evidence: Evidence, facts: Facts) -> list[Reason]:
    """List everything in which a recipe differs from what a stored version was made of, in the order of ``why``."""
    causes = [
        *_code_causes(recipe, code, evidence),
        *_input_causes(recipe, evidence, facts),
        *_parameter_causes(recipe, evidence),
        *map(_of_policy, _mapping_causes(Cause.RECIPE, evidence.settings, recipe.settings, limit=None)),
        *_read_causes(evidence.reads, facts),
    ]
    # A variable may count twice: the code looks it up, and a task that it calls declares it.
    return list({(each.cause, each.subject, each.place): each for each in reversed(causes)}.values())[::-1]


def all_causes(decision: Decision, facts: Facts) -> tuple[Reason, ...]:
    """List every reason of a decision that was found by comparing recipes, the one it names first."""
    reason, recipe = decision.reason, decision.recipe
    head = facts.heads.get(recipe.assets[0])
    evidence = facts.evidence(head.fingerprint) if head is not None and reason.also else None
    if evidence is None:
        return (reason,)
    return tuple(differences(recipe, facts.code(recipe.assets[0]), evidence, facts))


def observed(recipe: Recipe, data_versions: Mapping[str, str], facts: Facts) -> Reason:
    """Say why what runs every time came out as it did: its own recipe changed, or the world did.

    Args:
        recipe: What it was made from now.
        data_versions: Asset key to the content that came out.
        facts: What was current before.
    """
    for asset, data_version in data_versions.items():
        head = facts.heads.get(asset)
        if head is None or head.data_version == data_version:
            continue
        evidence = facts.evidence(head.fingerprint)
        if evidence is not None:
            own = why(recipe, facts.code(recipe.assets[0]), evidence, facts)
            if own.cause is not Cause.LOST:
                return own
        old, new = facts.outline(asset, head.data_version), facts.outline(asset, data_version)
        change = compare(old, new) if old is not None and new is not None else None
        return Reason(Cause.SOURCE, asset, old=head.data_version[:8], new=data_version[:8], change=change)
    return Reason(Cause.SOURCE)


def _code_causes(recipe: Recipe, code: CodeFact, evidence: Evidence) -> list[Reason]:
    if recipe.code == evidence.code:
        return []
    causes = code_changes(code, evidence.parts)
    return causes or [Reason(Cause.CODE, "", old=evidence.code[:8], new=recipe.code[:8])]


def code_changes(code: CodeFact, before: Mapping[str, tuple[str, str]]) -> list[Reason]:
    """List the pieces of code that differ: the step's own function first, the others as they stand in their files.

    Args:
        code: What it is now.
        before: Name of each piece to its place and digest then.
    """
    causes = []
    now = {part.name: part for part in code.parts}
    for name, part in now.items():
        _, digest = before.get(name, ("", ""))
        if digest != part.digest:
            causes.append(Reason(Cause.CODE, name, part.place, digest[:8], part.digest[:8]))
    for name, (place, digest) in before.items():
        if name not in now:
            causes.append(Reason(Cause.CODE, name, place, old=digest[:8], new=""))
    own = code.parts[0].name if code.parts else ""
    return sorted(causes, key=lambda each: (each.subject != own, *_in_file(each.place), each.subject))


def _in_file(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line) if line.isdigit() else 0


def _input_causes(recipe: Recipe, evidence: Evidence, facts: Facts) -> list[Reason]:
    causes = []
    now = {each.name: each for each in recipe.inputs}
    for name, each in now.items():
        if each.argument in recipe.uncounted:
            continue
        before = evidence.inputs.get(name)
        if before is None or before[0] != each.asset:
            causes.append(
                Reason(Cause.INPUT_SET, each.asset, new=each.asset, old=before[0] if before else "")
            )
        elif before[1] != each.data_version:
            change = _change(facts, each.asset, before[1], each.data_version)
            causes.append(Reason(Cause.INPUT, each.asset, change=change))
    for name, (asset, _) in evidence.inputs.items():
        if name not in now:
            causes.append(Reason(Cause.INPUT_SET, asset, old=asset))
    return causes


def _change(facts: Facts, asset: str, before: str, now: str) -> Change | None:
    """Compare two contents of an asset, where what they looked like is kept."""
    old, new = facts.outline(asset, before), facts.outline(asset, now)
    return compare(old, new) if old is not None and new is not None else None


def _parameter_causes(recipe: Recipe, evidence: Evidence) -> list[Reason]:
    """Compare parameters; their values are told where both are short enough to show, and only their names otherwise."""
    causes = _mapping_causes(Cause.PARAMETER, evidence.parameters, recipe.parameters)
    return [
        replace(
            each,
            old=each.old and evidence.shown.get(each.subject, HIDDEN),
            new=each.new and recipe.shown.get(each.subject, HIDDEN),
        )
        for each in causes
    ]


def _read_causes(reads: Iterable[ReadFact], facts: Facts) -> Iterator[Reason]:
    for kind, name, digest in reads:
        now = facts.digest_now(kind, name)
        if now != digest:
            change = _change(facts, name, digest, now) if kind == "asset" else None
            yield Reason(Cause.READ, f"{kind} {name}", old=digest[:8], new=now[:8], change=change)


def _mapping_causes(
    cause: Cause, before: Mapping[str, str], now: Mapping[str, str], limit: int | None = 8
) -> list[Reason]:
    names = sorted({*before, *now})
    return [
        Reason(
            Cause.READ if " " in name else cause,
            name,
            old=before.get(name, "")[:limit],
            new=now.get(name, "")[:limit],
        )
        for name in names
        if before.get(name) != now.get(name)
    ]


def _of_policy(reason: Reason) -> Reason:
    """Say of a changed setting what it means, where a cache policy made it."""
    if reason.subject == CACHE_KEY:
        return Reason(Cause.KEY, old=shown_key(reason.old), new=shown_key(reason.new))
    old, new = reason.old[:8], reason.new[:8]
    if reason.subject.startswith(FLOW):
        # Only their digests are kept.
        return Reason(Cause.PARAMETER, reason.subject, old=old and HIDDEN, new=new and HIDDEN)
    return replace(reason, old=old, new=new)
