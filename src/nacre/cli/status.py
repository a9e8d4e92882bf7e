"""``nacre`` alone: one sentence on how the assets stand, and three commands to go on with."""

from __future__ import annotations

from nacre.cli.layout import print_next
from nacre.cli.paint import paint
from nacre.cli.streams import echo
from nacre.views.overview import overview
from nacre.views.schedules import schedules, summary
from nacre.views.session import Session
from nacre.views.standing import Standing, standings
from nacre.views.words import names_of


def show() -> None:
    """Print the sentence and the commands."""
    session = Session()
    found, problem = standings(session)
    if problem:
        echo(f"The modules cannot be imported: {problem}", err=True)
    echo(paint(overview(session, [each.state for each in found]), "strong"))
    planned = schedules(session)
    if planned:
        echo(summary(planned, session.now))
    print_next(_commands(session, found))


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
