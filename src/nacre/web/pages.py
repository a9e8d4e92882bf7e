"""What each address answers with. Names from an address are only ever compared with what the catalog lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import wraps

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from nacre.catalog.history import RunRow
from nacre.environments import environments
from nacre.errors import CorruptRecord, NacreError, NotMaterialized, UsageError
from nacre.loading import find_version
from nacre.planning.explain import short
from nacre.views.board import Tile, board, pressing
from nacre.views.difference import compare
from nacre.views.neighbours import uses
from nacre.views.overview import overview
from nacre.views.runs import RunView, state_of, view_run
from nacre.views.schedules import schedules
from nacre.views.session import Session
from nacre.views.versions import (
    Version,
    describe,
    elsewhere,
    entries,
    history,
    metadata,
    partitions,
    seen_at,
    unknown_lineage,
    used_by,
)
from nacre.views.words import held_at
from nacre.web.figure import around, whole
from nacre.web.render import render
from nacre.web.site import Site
from nacre.web.states import States
from nacre.web.timeline import Bar, bars

MAX_LISTED = 200
MAX_VERSIONS = 30
MAX_STEPS = 500
#: Failures whose lines of code are shown; each is a step of its own below.
MAX_FAILED = 20
MAX_LOG_LINES = 1_000
#: Larger versions take too long for a page.
MAX_COMPARED_BYTES = 64 << 20
#: Heads that cannot be used; fsck lists all.
MAX_ASIDE = 20
_LAST_RUNS = 5

Values = dict[str, object]
Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is made with.

    Args:
        site: The project's server.
        mark: What it shows, taken before anything was read.
        session: The project as it is for this request.
        states: What is known of how its assets stand.
        tiles: All its assets.
    """

    site: Site
    mark: str
    session: Session
    states: States
    tiles: Mapping[str, Tile]

    def answer(self, template: str, values: Mapping[str, object], status: int = 200) -> Response:
        """Fill in a template with what every page has and what this one has."""
        shared: Values = {
            "mark": self.mark,
            "now": self.session.now,
            "states": self.states,
            "tiles": self.tiles,
            "project": self.site.root,
            "store": self.site.location,
            "env": self.session.workspace.env_name,
        }
        return HTMLResponse(render(template, {**shared, **values}), status)


def open_page(request: Request) -> Page:
    """Open the project for one request."""
    site: Site = request.app.state.site
    states = site.reader.states()
    mark, session = site.mark(states), site.session()
    return Page(site, mark, session, states, board(session, states.told))


def page(make: Callable[[Request, Page], Response]) -> Handler:
    """Make a handler of what fills in a page; what goes wrong becomes a page that says so."""

    @wraps(make)
    def handle(request: Request) -> Response:
        try:
            opened = open_page(request)
            try:
                return make(request, opened)
            except (UsageError, NotMaterialized) as error:
                return opened.answer("problem.html", {"error": error}, 404)
            except CorruptRecord as error:
                return opened.answer("problem.html", {"error": error}, 500)
        except NacreError as error:
            return HTMLResponse(render("broken.html", {"error": error}), 500)

    return handle


@page
def missing(request: Request, page: Page) -> Response:
    """Say that there is no such page."""
    raise UsageError("There is no such page", {"address": request.url.path})


@page
def home(request: Request, page: Page) -> Response:
    """Show how everything stands, or what a search finds."""
    wanted = request.query_params.get("q", "").strip()
    folder = request.query_params.get("folder", "")
    tiles = [tile for tile in page.tiles.values() if _matches(tile, wanted) and tile.asset.startswith(folder)]
    urgent = pressing(page.tiles)
    runs = page.session.workspace.catalog.runs(_LAST_RUNS)
    aside = page.session.workspace.catalog.aside(page.session.workspace.env)
    values: Values = {
        "aside": sorted(aside.items())[:MAX_ASIDE],
        "n_aside": len(aside),
        "overview": overview(page.session, [tile.state for tile in page.tiles.values()], page.states.problem),
        "figure": whole(page.tiles, folder) if tiles and not wanted else None,
        "wanted": wanted,
        "folder": folder,
        "urgent": urgent[:MAX_LISTED],
        "n_urgent": len(urgent),
        "listed": tiles[:MAX_LISTED],
        "n_listed": len(tiles),
        "runs": _with_states(page.session, runs),
        "schedules": schedules(page.session),
        "environments": environments(page.session.workspace, page.session.project.settings),
    }
    return page.answer("home.html", values)


def _matches(tile: Tile, wanted: str) -> bool:
    """Whether a search finds an asset: by any part of its key, or by a glob over key and name."""
    if not wanted or wanted.lower() in tile.asset.lower():
        return True
    return fnmatchcase(tile.asset, wanted) or fnmatchcase(tile.name, wanted)


@page
def asset(request: Request, page: Page) -> Response:
    """Show one asset: how it stands and why, its value, its versions and what is around it."""
    key = request.path_params["key"]
    tile = page.tiles.get(key)
    if tile is None:
        page.session.workspace.catalog.require_readable(page.session.workspace.env, key)
        raise UsageError(
            "There is no such asset", {"key": key}, "search for a part of its key; it may be misspelt"
        )
    values: Values = {"tile": tile, "figure": around(page.tiles, key), **_stored(request, page, key)}
    record = values["version"].action if isinstance(values["version"], Version) else None
    doubts = (*(tile.told.warnings if tile.told else ()), *(record.unknowns if record else ()))
    values["doubts"] = [*dict.fromkeys(doubts), *unknown_lineage(record, map(short, tile.upstream))]
    known = page.tiles.keys()
    below = dict.fromkeys([*used_by(page.session, key), *(k for k in known if key in page.tiles[k].upstream)])
    values["upstream"] = list(dict.fromkeys(tile.upstream))
    values["downstream"] = list(below)
    values["artifacts"] = page.session.workspace.catalog.artifacts(asset=key)[:MAX_LISTED]
    return page.answer("asset.html", values)


def _stored(request: Request, page: Page, key: str) -> Values:
    """Read what is stored of an asset: of the partition and version that the address asks for, else of the last."""
    rows = partitions(page.session, key)
    partition = request.query_params.get("partition", rows[-1].partition if rows else "")
    found = next((row for row in rows if row.partition == partition), None)
    if found is None:
        if rows:
            raise UsageError(f"{short(key)} has no partition {partition!r}", {"it has": len(rows)})
        return {"version": None, "used": {}, "partitions": [], "metadata": {}}
    versions = history(page.session, key, found.partition)
    chosen = find_version(page.session.workspace, found, request.query_params.get("version") or None)
    version = describe(page.session, key, chosen, found.partition)
    preview, problem = (
        page.site.glimpse(page.session, version.output) if version.output else (None, "its record is gone")
    )
    shown = [describe(page.session, key, row, found.partition) for row in versions[:MAX_VERSIONS]]
    newest_first = [row for row in reversed(rows) if row.partition]
    return {
        "version": version,
        "used": {use.asset: use for use in uses(version.inputs)},
        "is_current": chosen.seq == found.seq,
        "preview": preview,
        "preview_problem": problem,
        "first": versions[-1].seq,
        "elsewhere": elsewhere(page.session, found),
        "seen_at": seen_at(page.session, found),
        "versions": [(each, uses(each.inputs)) for each in shown],
        "n_versions": len(versions),
        "marks": {each.version: each for each in entries(page.session.workspace, found)},
        "held": held_at(found) if found.held else "",
        "partition": found.partition,
        "is_chosen": "partition" in request.query_params,
        "partitions": newest_first[:MAX_LISTED],
        "metadata": metadata(page.session, key, found.partition),
    }


@page
def difference(request: Request, page: Page) -> Response:
    """Show what differs between a version of an asset and another one, by default the one before."""
    key, query = request.path_params["key"], request.query_params
    if key not in page.tiles:
        raise UsageError("There is no such asset", {"key": key})
    found = compare(
        page.session,
        key,
        query.get("with", ""),
        query.get("version", ""),
        partition=query.get("partition", ""),
        rows=MAX_LISTED,
        most_bytes=MAX_COMPARED_BYTES,
    )
    return page.answer("difference.html", {"found": found, "tile": page.tiles[key]})


@page
def runs(request: Request, page: Page) -> Response:
    """List the last runs."""
    found = page.session.workspace.catalog.runs(MAX_LISTED)
    return page.answer("runs.html", {"runs": _with_states(page.session, found)})


def _with_states(session: Session, rows: Iterable[RunRow]) -> list[tuple[RunRow, str, float | None]]:
    return [(row, state_of(session, row), _seconds(row)) for row in rows]


def _seconds(row: RunRow) -> float | None:
    if row.ended_at is None:
        return None
    return (datetime.fromisoformat(row.ended_at) - datetime.fromisoformat(row.started_at)).total_seconds()


@page
def run(request: Request, page: Page) -> Response:
    """Show one run: what failed first, then its steps over time and its log."""
    found = view_run(page.session, request.path_params["id"])
    if found is None:
        raise UsageError("There is no such run", {"id": request.path_params["id"]})
    drawn = _bars(page.session, found)
    failed = [step for step in found.steps if step.action == "failed"]
    values: Values = {
        "run": found,
        "took_s": _seconds(found.row),
        "bars": drawn[:MAX_STEPS],
        "n_bars": len(drawn),
        "failed": failed[:MAX_FAILED],
        "n_failed": len(failed),
        "log": found.log[-MAX_LOG_LINES:],
        "artifacts": page.session.workspace.catalog.artifacts(run=found.row.id)[:MAX_LISTED],
    }
    return page.answer("run.html", values)


def _bars(session: Session, found: RunView) -> list[Bar]:
    start = datetime.fromisoformat(found.row.started_at)
    if found.row.ended_at is not None:
        end = datetime.fromisoformat(found.row.ended_at)
    else:
        end = session.now if found.state == "running" else start
    return bars(found.steps, start, end)
