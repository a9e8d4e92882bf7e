"""``nacre`` alone: one sentence on how the assets stand, and three commands to go on with."""

from __future__ import annotations

from nacre.cli.env import tell_environment
from nacre.cli.layout import print_next
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.views.board import PRESSING, with_failures
from nacre.views.overview import overview
from nacre.views.schedules import schedules, summary
from nacre.views.session import Session
from nacre.views.standing import Standing, standings
from nacre.views.words import names_of


def show() -> None:
    """Print the sentence and the commands."""
    session = Session()
    tell_environment(session)
    listed, problem = standings(session)
    found = with_failures(session, listed)
    if problem:
        echo(f"The modules cannot be imported: {problem}", err=True)
    if found or not problem:
        told = overview(session, [each.state for each in found], problem)
        echo(paint(told.sentence(session.now), "strong"))
    planned = schedules(session)
    if planned:
        echo(summary(planned, session.now))
    print_next(_commands(listed, found, problem))


def _commands(listed: list[Standing], found: list[Standing], problem: str) -> list[tuple[str, str]]:
    if problem and not found:
        return [("nacre plan", "what keeps them from being imported"), ("nacre --help", "all commands")]
    if not found:
        return [
            ("nacre init", "write a small pipeline that runs"),
            ("nacre build -m FILE", "build the assets of a file"),
            ("nacre --help", "all commands"),
        ]
    declared = {each.asset for each in listed if each.state != "stored"}
    is_declared = bool(declared)
    known = [each for each in found if each.asset in declared] or found
    ask = next((each for each in known if each.state in PRESSING), known[-1])
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
