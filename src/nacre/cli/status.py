"""``nacre`` alone: one sentence on how the assets stand, and three commands to go on with."""

from __future__ import annotations

from nacre.cli.layout import print_next
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.views.schedules import schedules, summary
from nacre.views.session import Session
from nacre.views.standing import Standing, standings
from nacre.views.words import ago, count, names_of


def show() -> None:
    """Print the sentence and the commands."""
    session = Session()
    found, problem = standings(session)
    if problem:
        echo(f"The modules cannot be imported: {problem}", err=True)
    echo(paint(_sentence(session, found), "strong"))
    planned = schedules(session)
    if planned:
        echo(summary(planned, session.now))
    print_next(_commands(session, found))


def _sentence(session: Session, found: list[Standing]) -> str:
    if not found:
        place = session.project.root
        return (
            f"No assets here yet: {place} has no pipeline.py, no modules in its settings and nothing stored."
        )
    n = {state: sum(each.state == state for each in found) for state in {each.state for each in found}}
    runs = session.workspace.catalog.runs(1)
    last = f"; last run {ago(runs[0].started_at, session.now)}" if runs else ""
    if set(n) == {"stored"}:
        return f"{count(n['stored'], 'asset')} stored{last}."
    words = {
        "fresh": f"{count(n.get('fresh', 0), 'asset')} fresh",
        "check": f"{count(n.get('check', 0), 'source')} to check",
        "stale": f"{n.get('stale', 0):,} stale",
        "new": f"{n.get('new', 0):,} not made yet",
        "pending": f"{n.get('pending', 0):,} waiting for an upstream",
        "stored": f"{n.get('stored', 0):,} stored and not declared here",
    }
    return ", ".join(text for state, text in words.items() if n.get(state)) + last + "."


def _commands(session: Session, found: list[Standing]) -> list[tuple[str, str]]:
    if not found:
        return [
            ("nacre init", "write a small pipeline that runs"),
            ("nacre build -m FILE", "build the assets of a file"),
            ("nacre --help", "all commands"),
        ]
    declared = [each for each in found if each.state != "stored"]
    is_declared = bool(declared)
    ask = next((each for each in found if each.state in ("stale", "new")), (declared or found)[-1])
    name = names_of(each.asset for each in found)[ask.asset]
    first = (
        ("nacre build", "build what must be built") if is_declared else ("nacre build -m FILE", "build more")
    )
    second = (
        (f"nacre why {name}", "what would happen, and why")
        if is_declared
        else (f"nacre show {name}", "its value")
    )
    return [first, second, ("nacre ls", "every asset with version, age and size")]
