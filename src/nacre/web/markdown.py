"""Markdown of artifacts as HTML that can do nothing: rendered without raw HTML, then cut down to a few tags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

#: Beyond this, markdown is shown as the text it is.
MAX_CHARACTERS = 1 << 20
_TEXT = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img"}
_TAGS = _TEXT | {"h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
# No id, name, class, style or data-*: nothing that scripts or styles of the page could take for their own.
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "data"}
_PICTURES = ("data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;")


def render(text: str) -> str:
    """Turn markdown into safe HTML.

    Args:
        text: What an artifact holds; nobody vouches for it.

    Returns:
        HTML of headings, text, lists, tables, code, links to the web, and pictures that come with the text.
    """
    if len(text) > MAX_CHARACTERS:
        return f"<pre>{escape(text[:MAX_CHARACTERS])}…</pre>"
    return nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_kept,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """Keep a picture only with its bytes, and a link only to elsewhere: nothing is loaded that nobody clicked."""
    is_data = value.strip().lower().startswith("data:")
    if attribute == "src":
        return value if value.startswith(_PICTURES) else None
    return None if attribute == "href" and is_data else value


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _picture)
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("heading_close", _heading)
    return parser


def _picture(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    """Draw a picture that comes with the text; one that lies elsewhere becomes a link to it."""
    token = tokens[at]
    source = str(token.attrGet("src") or "")
    alt = token.content or source
    if source.startswith(_PICTURES):
        return f'<img src="{escape(source)}" alt="{escape(alt)}">'
    return f'<a href="{escape(source)}">{escape(alt)}</a>' if source else escape(alt)


def _heading(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    """Lower headings by one: the page itself has the first."""
    token = tokens[at]
    level = min(int(token.tag[1:]) + 1, 6)
    return f"<h{level}>" if token.nesting == 1 else f"</h{level}>\n"
