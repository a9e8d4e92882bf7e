"""The web page in a real browser, over the example: what a person clicks, sees and cannot be harmed by."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chromium import Recorded
from serving_demo import run_in, serving_ui

Open = Callable[..., Recorded]
PIPELINE = {"profiles", "feed", "posts", "daily_engagement", "weekly_summary"}
BLUESKY = PIPELINE | {"stg_posts", "account_week", "posts_ranked", "hourly"}
#: Its pages: name, heading, the asset that each is about, picture.
DASHBOARD = [
    ("Overview", "The week of your posts", "weekly_summary", "dashboard-overview"),
    ("Posts", "What worked", "posts_ranked", "dashboard-posts"),
    ("Data health", "Data health", "weekly_summary", "dashboard-health"),
]
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
    # Importing dbt and parsing its project takes a few seconds.
    expect(recorded.page.get_by_text("being worked out")).to_have_count(0, timeout=60_000)
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
    expect(page.get_by_role("heading", level=1)).to_contain_text("7 assets fresh, 2 sources to check")
    assert set(page.locator(".figure .name").all_text_contents()) == BLUESKY
    figure = page.locator(".figure").first
    assert figure.evaluate("(each) => each.scrollWidth <= each.clientWidth"), (
        "all of the lineage is seen at once"
    )
    expect(page.locator("#schedules")).to_contain_text("at 07:00 every day (Europe/Berlin)")
    expect(page.locator("#schedules")).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d 07:00 CES?T"))
    seen.picture("ui-home")
    figure.get_by_role("link", name=re.compile("weekly_summary")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("weekly_summary v1")
    expect(page.locator("#neighbours")).to_contain_text("daily_engagement 60 partitions")
    page.locator("#artifacts").get_by_role("link", name="weekly-chart").click()
    image = page.get_by_role("img", name="Engagement per post")
    expect(image).to_be_visible()
    assert image.evaluate("(each) => each.complete && each.naturalWidth > 100")
    page.get_by_role("link", name="Artifacts", exact=True).first.click()
    page.get_by_role("link", name="weekly-summary").click()
    expect(page.locator(".prose")).to_contain_text("Sample data")
    seen.picture("ui-artifact")
    assert seen.problems == []
    assert seen.hosts() == {page.url.split("/")[2]}


def test_the_lineage_leads_from_the_marts_through_the_days_to_the_source(
    open_page: Open, served_demo: str
) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    page.locator(".figure").get_by_role("link", name=re.compile("account_week")).click()
    for upstream in ("stg_posts", "posts", "feed", "profiles"):
        page.locator("#neighbours").get_by_role("link", name=upstream, exact=True).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(upstream)
    expect(page.locator("#neighbours")).to_contain_text("it is a source")
    assert seen.problems == []


def test_an_asset_by_day_lists_its_days_and_each_opens(open_page: Open, served_demo: str) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    page.locator("#assets").get_by_role("link", name="daily_engagement").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("daily_engagement 60 partitions")
    expect(page.get_by_role("heading", name="Preview of 2026-04-30")).to_be_visible()
    expect(page.locator("#partitions li")).to_have_count(60)
    seen.picture("ui-asset")
    page.get_by_role("link", name="2026-04-23").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("daily_engagement 2026-04-23 v1")
    expect(page.get_by_role("region", name="Preview")).to_contain_text("tidepool-lab.example.com")
    expect(page.locator("#neighbours")).to_contain_text("posts 2026-04-23 v1")
    is_sound(page)
    assert seen.problems == []


def test_a_run_shows_sixty_days_as_one_row(open_page: Open, served_demo: str) -> None:
    seen = open_page()
    page = enter(seen, served_demo)
    page.get_by_role("link", name="Runs", exact=True).first.click()
    page.locator("tbody a").last.click()
    expect(page.locator("#steps")).to_contain_text("not made yet")
    expect(page.locator("#log")).to_contain_text("harbour-bakery.example.com: ")
    rows = page.locator("#steps tbody tr")
    assert {"profiles", "feed", "posts", "daily_engagement"} <= set(
        rows.locator("th > a").all_text_contents()
    )
    assert rows.count() < 12
    seen.picture("ui-run")
    rows.filter(has_text="daily_engagement").get_by_text("60 partitions").click()
    is_sound(page)
    rows.get_by_role("link", name="2026-04-23").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("daily_engagement 2026-04-23 v1")
    assert seen.problems == []


def test_every_page_of_the_dashboard_says_how_fresh_its_data_is(open_page: Open, dashboard: str) -> None:
    seen = open_page()
    page = seen.page
    page.goto(dashboard)
    for name, title, needs, picture in DASHBOARD:
        page.get_by_role("link", name=name, exact=True).click(timeout=60_000)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        fresh = re.compile(rf"Data through Thu 30 Apr 2026 \(UTC\): {needs} v1, made .+, fresh\.")
        expect(page.get_by_text(fresh)).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Sample data")).to_be_visible()
        # Drawn to the end: nothing runs, nothing is a grey place for what will come, and what it is about is there.
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        shown = "stDataFrame" if name != "Overview" else "stVegaLiteChart"
        expect(page.get_by_test_id(shown).locator("canvas, svg").first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        seen.picture(picture)
    assert seen.problems == []
    assert seen.hosts() == {page.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dashboard_follows_the_system_and_fits_a_phone(
    open_page: Open, dashboard: str, scheme: str
) -> None:
    seen = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    seen.page.goto(dashboard)
    expect(seen.page.get_by_text("Sample data")).to_be_visible(timeout=60_000)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = seen.page.get_by_test_id("stApp").evaluate(
        "(each) => getComputedStyle(each).backgroundColor"
    )
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert seen.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_every_page_is_named_legible_and_fits(
    open_page: Open, served_demo: str, scheme: str, width: int
) -> None:
    seen = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = enter(seen, served_demo)
    paths = ["/", "/runs", "/artifacts", "/artifacts/weekly-summary", "/artifacts/weekly-accounts", "/nope"]
    paths += [page.locator(".figure a").nth(number).get_attribute("href") or "" for number in (1, 2, 3, 5)]
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
    for _ in range(50):
        page.keyboard.press("Tab")
        style = page.evaluate(FOCUSED)
        assert style[1], f"no focus is seen on {style[0]!r}"
        reached.add(style[0].split()[0] if style[0] else "")
    assert {name for each in reached for name in BLUESKY if each.startswith(name)} == BLUESKY
    assert seen.problems == []


def test_an_open_page_shows_what_another_process_does_and_asks_nothing_when_idle(
    open_page: Open, demo: Path, tmp_path: Path
) -> None:
    # A copy: what is built here is in nobody else's pictures.
    folder = Path(shutil.copytree(demo, tmp_path / "bluesky"))
    with serving_ui(folder) as address:
        seen = open_page()
        page = enter(seen, address)
        expect(page.locator("#runs tbody tr")).to_have_count(4)
        page.evaluate("window.stays = true")
        n_before = len(seen.requests)
        (folder / "extra.py").write_text(EXTRA, encoding="utf-8")
        run_in(folder, "-m", "nacre", "build", "-m", "extra.py")
        expect(page.locator("#runs tbody tr")).to_have_count(5)
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
    page.get_by_role("row", name="stg_posts").get_by_role("link").click()
    expect(page.get_by_role("region", name="Preview")).to_be_visible()
    assert seen.problems == []
