"""Plain forms of the signs nacre prints, for streams whose encoding lacks them. Pure.

No two states share a plain form, so nothing is lost where a terminal knows only ASCII.
"""

from __future__ import annotations

import codecs

#: Name of the error handler, for ``errors=`` of a stream.
PLAIN = "nacre.plain"
_FORMS = {
    "✓": "+",
    "✗": "x",
    "·": "-",
    "…": "...",
    "→": "->",
    "×": "x",
    "‖": "H",
    "│": "|",
    "├": "|",
    "└": "`",
    "─": "-",
    "❱": ">",
    "█": "#",
    "░": ".",
}


def plain(text: str, encoding: str) -> str:
    """Replace what an encoding lacks: signs by their plain form, anything else by a question mark."""
    return text.encode(encoding, PLAIN).decode(encoding)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_FORMS.get(sign, "?") for sign in lacking), error.end


codecs.register_error(PLAIN, _replace)
