"""The web page in a real browser, over the example: what a person clicks, sees and cannot be harmed by."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chromium import EXAMPLE, Recorded

Open = Callable[..., Recorded]
BLUESKY = ["profiles", "posts", "daily_engagement", "weekly_summary"]
#: Every picture and drawing has a name, or is hidden from those who listen.
UNNAMED = """() => [...document.querySelectorAll("img, svg, [role=img]")]
    .filter((each) => !each.closest("[aria-hidden=true]"))
    .filter((each) => !(each.getAttribute("aria-label") || each.getAttribute("alt")))
    .map((each) => each.outerHTML.slice(0, 80))"""
#: Controls without a name, ids used twice, headings that skip a level.
WRONG = """() => {
    const found = [];
    for (const each of document.querySelectorAll("a, button, input"))
        if (!(each.textContent.trim() || each.getAttribute("aria-label") || each.labels?.length))
            found.push(`no name: ${each.outerHTML.slice(0, 80)}`);
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    found.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `twice: ${id}`));
    let level = 0;
    for (const each of document.querySelectorAll("h1, h2, h3, h4")) {
        const next = Number(each.tagName[1]);
        if (next > level + 1) found.push(`skips: ${each.textContent}`);
        level = next;
    }
    if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
    return found;
}"""
#: Contrast of every text with what lies behind it, where that is one colour.
FAINT = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const part = (n) => { n /= 255; return n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4; };
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const behind = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return parse(getComputedStyle(document.body).backgroundColor);
    };
    const found = [];
    for (const each of document.querySelectorAll("body *")) {
        const own = [...each.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !each.checkVisibility() || each.closest("[aria-hidden=true]")) continue;
        const isDrawn = each instanceof SVGElement;
        const ink = parse(isDrawn ? getComputedStyle(each).fill : getComputedStyle(each).color);
        const [a, b] = [light(ink), light(behind(each))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${each.textContent.trim().slice(0, 40)} ${ink}`);
    }
    return [...new Set(found)];
}"""


#: What has the focus, and whether that is seen: by an outline, or by the edge of a box in the lineage.
FOCUSED = """() => {
    const each = document.activeElement;
    if (each === document.body) return ["", true];  // between the last element and the first, it is the browser's own
    const edge = each.querySelector(":scope > rect");
    const isThick = edge && getComputedStyle(edge).strokeWidth === "3px";
    return [each.textContent.trim().slice(0, 30), isThick || getComputedStyle(each).outlineStyle !== "none"];
}"""
EXTRA = """
from nacre.assets import materialize

@materialize("bluesky://extra")
def extra() -> int:
    return 1
"""


def enter(recorded: Recorded, address: str) -> Page:
    recorded.page.goto(address)
    expect(recorded.page.get_by_text("being worked out")).to_have_count(0)
    return recorded.page


def is_sound(page: Page) -> None:
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(WRONG) == []
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page itself never scrolls sideways"
    )


def test_home_leads_to_an_asset_its_upstream_and_its_artifacts(open_page: Open, served_demo: str) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    assert "token" not in page.url, "the address in the bar can be shared without letting anybody in"
    expect(page.get_by_role("heading", level=1)).to_contain_text("sources to check")
    names = page.locator(".figure .name").all_text_contents()
    assert names == BLUESKY
    seen.picture("ui-home")
    page.locator(".figure").get_by_role("link", name=re.compile("weekly_summary")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("weekly_summary v1")
    seen.picture("ui-asset")
    page.locator("#neighbours").get_by_role("link", name="daily_engagement").click()
    expect(page.get_by_role("region", name="Preview")).to_contain_text("harbour-bakery.example.com")
    page.go_back()
    page.locator("#artifacts").get_by_role("link", name="weekly-chart").click()
    image = page.get_by_role("img", name="Engagement per post")
    expect(image).to_be_visible()
    assert image.evaluate("(each) => each.complete && each.naturalWidth > 100")
    page.get_by_role("link", name="Artifacts", exact=True).first.click()
    page.get_by_role("link", name="weekly-summary").click()
    expect(page.locator(".prose")).to_contain_text("Sample data")
    seen.picture("ui-artifact")
    page.get_by_role("link", name="Runs", exact=True).first.click()
    page.locator("tbody a").last.click()
    expect(page.locator("#steps")).to_contain_text("not made yet")
    expect(page.locator("#log")).to_contain_text("harbour-bakery.example.com: ")
    seen.picture("ui-run")
    assert seen.problems == []
    assert seen.hosts() == {page.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_every_page_is_named_legible_and_fits(
    open_page: Open, served_demo: str, scheme: str, width: int
) -> None:
    seen = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = enter(seen, served_demo)
    paths = ["/", "/runs", "/artifacts", "/artifacts/weekly-summary", "/artifacts/weekly-accounts", "/nope"]
    paths += [page.locator(".figure a").nth(number).get_attribute("href") or "" for number in (1, 3)]
    paths.append(page.locator("#runs a").first.get_attribute("href") or "")
    base = served_demo.split("/?")[0]
    for path in paths:
        page.goto(base + path)
        is_sound(page)
    assert [each for each in seen.problems if "404" not in each] == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_page: Open, served_demo: str) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("posts/")
    expect(page.get_by_role("searchbox")).to_have_value("posts/")
    page.keyboard.press("Escape")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        style = page.evaluate(FOCUSED)
        assert style[1], f"no focus is seen on {style[0]!r}"
        reached.add(style[0].split()[0] if style[0] else "")
    assert set(BLUESKY) <= {name for each in reached for name in BLUESKY if each.startswith(name)}
    assert seen.problems == []


def test_an_open_page_shows_what_another_process_does_and_asks_nothing_when_idle(
    open_page: Open, served_demo: str, demo_store: Path
) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    page.evaluate("window.stays = true")
    n_before = len(seen.requests)
    extra = demo_store.parent / "extra.py"
    extra.write_text(EXTRA, encoding="utf-8")
    environment = {**os.environ, "NACRE_STORE": str(demo_store)}
    command = [sys.executable, "-m", "nacre", "build", "-m", str(extra)]
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=EXAMPLE)
    expect(page.locator("#runs tbody tr")).to_have_count(3)
    expect(page.locator(".figure")).to_contain_text("extra")
    assert page.evaluate("window.stays"), "the page was not loaded again"
    asked = seen.requests[n_before:]
    assert set(asked) == {page.url}, "nothing but this page, and only because something happened"
    assert len(asked) <= 12
    assert seen.problems == []


def test_a_page_without_javascript_is_complete(open_page: Open, served_demo: str) -> None:
    seen = open_page(java_script_enabled=False)
    page = enter(seen, served_demo)
    page.get_by_role("searchbox").fill("posts")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("row", name="posts").get_by_role("link").click()
    expect(page.get_by_role("region", name="Preview")).to_be_visible()
    assert seen.problems == []
