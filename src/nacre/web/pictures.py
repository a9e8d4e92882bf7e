"""Pages of artifacts, and the images among them: shown, never run, and nothing is fetched for them from elsewhere."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nacre.errors import NacreError
from nacre.execute.artifacts import MAX_IMAGE_BYTES
from nacre.store.records import Artifact
from nacre.views.artifacts import Grid, find, grid, latest, link, n_versions, read
from nacre.views.session import Session
from nacre.web.markdown import render as markdown
from nacre.web.pages import MAX_LISTED, Page, Values, page
from nacre.web.site import Site

#: What a browser may show; whatever else an image claims to be is saved.
_SHOWN = {
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "image/svg+xml",
}
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_MAX_ROWS = 1_000


@page
def artifacts(request: Request, page: Page) -> Response:
    """List the artifacts, the latest of each key."""
    rows = page.session.workspace.catalog.artifacts()
    newest = latest(rows)
    values: Values = {
        "rows": [(row, n_versions(row, rows)) for row in newest[:MAX_LISTED]],
        "n_rows": len(newest),
    }
    return page.answer("artifacts.html", values)


@page
def artifact(request: Request, page: Page) -> Response:
    """Show one artifact: the latest of a key, or the one with an id."""
    rows = page.session.workspace.catalog.artifacts()
    row = find(rows, request.path_params["name"])
    versions = [each for each in rows if row.key and each.key == row.key] or [row]
    values: Values = {"row": row, "versions": versions[:MAX_LISTED], "n_versions": len(versions)}
    return page.answer("artifact.html", {**values, **_content(read(page.session, row))})


def _content(made: Artifact) -> Values:
    """Turn what an artifact holds into what its kind is shown as; what is damaged is shown as text."""
    values: Values = {"kind": made.kind, "text": made.data, "grid": None, "href": "", "html": ""}
    if made.kind == "markdown":
        values["html"] = markdown(made.data)
    elif made.kind == "table":
        found = _grid(made.data)
        values["grid"] = found and Grid(found.columns, found.rows[:_MAX_ROWS])
        values["n_rows"] = len(found.rows) if found else 0
    elif made.kind == "link":
        values["text"], values["href"] = link(made.data)
    elif made.kind == "image":
        values["image"] = made.id if made.object else ""
        values["href"] = "" if made.object else made.data
    elif made.kind == "progress":
        values["percent"] = _percent(made.data)
    if not _is_web(str(values["href"])):
        values["href"] = ""
    return values


def _grid(data: str) -> Grid | None:
    try:
        return grid(data)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _percent(data: str) -> float:
    try:
        return min(max(float(data), 0.0), 100.0)
    except ValueError:
        return 0.0


def _is_web(address: str) -> bool:
    """Whether a person may follow an address: to the web or to write a mail, nothing that runs."""
    try:
        return urlsplit(address.strip()).scheme.lower() in ("http", "https", "mailto")
    except ValueError:
        return False


def image(request: Request) -> Response:
    """Answer with a stored image, sealed off: opened alone it can run nothing and load nothing."""
    site: Site = request.app.state.site
    found = None
    with suppress(NacreError):  # gone, damaged or unreachable: the page around it says what it is
        found = _image(site.session(), request.path_params["id"])
    if found is None:
        return PlainTextResponse("There is no such image.\n", 404)
    data, media_type = found
    is_shown = media_type in _SHOWN
    headers = {"content-security-policy": _SEALED, "cache-control": "private, max-age=31536000, immutable"}
    if not is_shown:
        headers["content-disposition"] = "attachment"
    return Response(data, 200, headers, media_type if is_shown else "application/octet-stream")


def _image(session: Session, id: str) -> tuple[bytes, str] | None:
    """Read the bytes of an image artifact; only the object that its id stands for, whatever its record says."""
    row = next((each for each in session.workspace.catalog.artifacts() if each.id == id), None)
    made = read(session, row) if row is not None else None
    if made is None or made.kind != "image" or made.object != f"artifacts/{made.id}":
        return None
    try:
        with session.workspace.contents.objects.get(made.object) as source:
            data = source.read(MAX_IMAGE_BYTES + 1)
    except FileNotFoundError:
        return None
    return (data, made.media_type.lower()) if len(data) <= MAX_IMAGE_BYTES else None
