"""``nacre why``: what would happen to one asset now, and what its current version was made from."""

from __future__ import annotations

import click

from nacre.cli.layout import fit
from nacre.cli.options import modules_option
from nacre.cli.paint import paint
from nacre.cli.plan import GLYPHS
from nacre.cli.streams import echo
from nacre.execute.report import duration
from nacre.frames import shorter
from nacre.graph.select import resolve
from nacre.planning.decide import Action
from nacre.planning.explain import sentence, short
from nacre.planning.plan import Step
from nacre.store.records import Action as Record
from nacre.views.session import Session
from nacre.views.words import SHORT, ago

_MAX_PARTS = 8


@click.command("why")
@click.argument("asset")
@modules_option
def command(asset: str, modules: tuple[str, ...]) -> None:
    """Explain one asset: what would happen now and why, its inputs, and what it was made from."""
    session = Session(modules)
    key = resolve(session.declared, asset)
    plan = session.plan([key])
    step = plan.steps[plan.graph.producer[key]]
    echo(f"{paint(short(key), 'strong')}  {key}  {_relative(step.task.place)}")
    _row("now", f"{GLYPHS[step.action]} {step.action}: {sentence(step.reason)}")
    if step.action is Action.PENDING:
        then = session.plan([key], reuse_sources=True).steps[step.key]
        _row("", f"if no source changed: {then.action}, {sentence(then.reason)}")
    head = session.heads.get(key)
    record = session.action(head.fingerprint) if head else None
    for number, edge in enumerate(plan.graph.upstream[step.key]):
        _row("" if number else "inputs", _input(session, key, edge.parameter, edge.asset))
    if head is None:
        _row("made", "never")
        return
    run = session.workspace.catalog.run(head.run)
    by = f" ({run.kind} {run.name})" if run else ""
    took = f" in {duration(record.duration_s)}" if record else ""
    _row("made", f"v{head.seq}, {ago(head.at, session.now)}{took}, run {head.run[:SHORT]}{by}")
    if record is not None:
        for number, line in enumerate(_code(session, step, record)):
            _row("" if number else "code", line)


def _row(label: str, text: str) -> None:
    echo(fit(f"  {label:<7} {text}"))


def _input(session: Session, asset: str, parameter: str, upstream: str) -> str:
    """Say which version of an input is current, and which was used."""
    head, now = session.heads.get(asset), session.heads.get(upstream)
    used = {}
    if head is not None:
        rows = session.workspace.catalog.inputs(session.workspace.env, asset, head.seq)
        used = {row.upstream: row.upstream_seq for row in rows}
    name = parameter or short(upstream)
    about = "" if name == short(upstream) else f" ({short(upstream)})"
    if now is None:
        return f"{name}{about}  not made yet"
    if upstream not in used:
        return f"{name}{about}  v{now.seq}"
    same = used[upstream] == now.seq
    return f"{name}{about}  v{now.seq}" + ("" if same else f", made from v{used[upstream]}")


def _code(session: Session, step: Step, record: Record) -> list[str]:
    """Compare the pieces of code with those the current version was made with."""
    now = {part.name: part for part in session.workspace.code.of(step.task).parts}
    before = {part.name: part for part in record.parts}
    changed = [
        f"`{name}` changed  {_relative(part.place)}"
        for name, part in now.items()
        if name in before and before[name].digest != part.digest
    ]
    changed += [
        f"`{name}` is new  {_relative(part.place)}" for name, part in now.items() if name not in before
    ]
    changed += [
        f"`{name}` is no longer used  {_relative(part.place)}"
        for name, part in before.items()
        if name not in now
    ]
    if not changed:
        return [f"{len(now):,} {'part' if len(now) == 1 else 'parts'}, unchanged since"]
    more = len(changed) - _MAX_PARTS
    return [*changed[:_MAX_PARTS], *([f"and {more:,} more"] if more > 0 else [])]


def _relative(place: str) -> str:
    path, _, line = place.rpartition(":")
    return f"{shorter(path)}:{line}" if path else place
