"""The beginning of a stored value for people, whoever wrote the store: it shows what it can and says what it cannot."""

from __future__ import annotations

from dataclasses import replace

from nacre.errors import NacreError
from nacre.store.records import Output
from nacre.values import Preview, preview
from nacre.views.session import Session

_ROWS = 20


def glimpse(session: Session, output: Output, rows: int = _ROWS) -> tuple[Preview | None, str]:
    """Show the beginning of a version without making any class that its data names.

    Args:
        session: The project.
        output: What the version's record says of its value.
        rows: Rows, lines or items shown at most.

    Returns:
        What to show, or None and why there is nothing.
    """
    try:
        shown = preview(session.workspace.contents.beginning(output, rows), rows)
    except NacreError as error:
        return None, error.what
    except Exception as error:  # the bytes may be anything: a page says so and goes on
        return None, f"The stored bytes cannot be read as {output.format}: {type(error).__name__}"
    total = output.outline.size
    if total is None or shown.kind not in ("table", "text", "bytes"):
        return shown, ""
    n_shown = len(shown.rows) if shown.kind == "table" else len(shown.text)
    return replace(shown, total=total, complete=shown.complete and n_shown >= total), ""
