"""Markdown of artifacts becomes HTML that can do nothing."""

from __future__ import annotations

import pytest

from browsing import Page
from nacre.web.markdown import MAX_CHARACTERS, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.test/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x61;vascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](https://evil.test/track.png)",
    "![x](//evil.test/track.png)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "![x](data:text/html;base64,PHNjcmlwdD4=)",
    '![" onerror="alert(1)](data:image/png;base64,AAAA)',
    '[x](https://e.test "\\" onmouseover=\\"alert(1)")',
    "<p id=main class=mark name=q style='position:fixed' data-part data-action=x>x</p>",
    "<form action=//evil.test><input name=q><button formaction=javascript:alert(1)>go</button></form>",
    "<base href=//evil.test/>",
    "<meta http-equiv=refresh content='0;url=//evil.test'>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<style>@import '//evil.test/x.css';</style>",
    "<object data=//evil.test></object><embed src=//evil.test>",
    "<details open ontoggle=alert(1)>x</details>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```html onload=alert(1)"><script>\nx\n```',
    "`</code><script>alert(1)</script>`",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "| a |\n|:-:|\n| b |",
    "# <img src=x onerror=alert(1)>",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "\x00<script>alert(1)</script>",
    "<a\x0bhref=javascript:alert(1)>x</a>",
    "{{ 7 * 7 }}{% include 'base.html' %}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_runs_or_loads_comes_through(text: str) -> None:
    page = Page(render(text))
    assert page.dangers() == []
    assert {tag for tag, _ in page.elements} <= {
        *("p", "a", "img", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "h2", "strong", "em"),
    }
    for tag, attributes in page.elements:
        assert set(attributes) <= {"href", "src", "alt", "title", "rel", "start"}, tag
        assert not attributes.get("src", "").startswith(("http", "//"))
        assert not attributes.get("href", "").startswith(("javascript", "data:", "file:", "vbscript"))


def test_what_people_write_comes_through() -> None:
    page = Page(
        render(
            "# Week\n\n**50** of ~~60~~\n\n- one\n- two\n\n| day | n |\n|---|--:|\n| Mon | 7 |\n\n3. three"
        )
    )
    tags = [tag for tag, _ in page.elements]
    assert {"h2", "strong", "s", "ul", "li", "table", "th", "td", "ol"} <= set(tags)
    assert page.all("ol") == [{"start": "3"}]
    assert page.text == "Week 50 of 60 one two day n Mon 7 three"


def test_a_link_leads_out_without_telling_from_where() -> None:
    assert Page(render("[x](https://e.test/?a=1&b=2)")).all("a") == [
        {"href": "https://e.test/?a=1&b=2", "rel": "noopener noreferrer nofollow"}
    ]


def test_a_picture_comes_with_the_text_or_is_only_linked() -> None:
    assert Page(render("![dot](data:image/png;base64,AAAA)")).all("img") == [
        {"src": "data:image/png;base64,AAAA", "alt": "dot"}
    ]
    page = Page(render("![far](https://e.test/x.png)"))
    assert (page.all("img"), page.links(), page.text) == ([], ["https://e.test/x.png"], "far")


def test_text_beyond_the_limit_is_shown_as_it_is() -> None:
    html = render("# <b>\n" * (MAX_CHARACTERS // 6 + 10))
    assert html.startswith("<pre># &lt;b&gt;")
    assert html.endswith("…</pre>")
