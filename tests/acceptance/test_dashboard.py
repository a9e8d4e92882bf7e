"""The marts and the dashboard of the Bluesky example, over a store that the sample was built into."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

import nacre
from nacre import project as roots

EXAMPLE = Path(__file__).parents[2] / "examples" / "bluesky"
sys.path.insert(0, str(EXAMPLE))
sys.path.insert(0, str(EXAMPLE / "dashboard"))
from figures import what_moved  # noqa: E402
from sample import Network, make_sample  # noqa: E402
from server import XrpcServer  # noqa: E402

MODULES = [EXAMPLE / "pipeline.py", EXAMPLE / "marts.py"]
PAGES = ["overview.py", "best_posts.py", "health.py"]


@pytest.fixture(scope="module")
def network() -> Network:
    return make_sample()


@pytest.fixture(scope="module")
def built(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with everything in it, made once for this file."""
    folder = tmp_path_factory.mktemp("built")
    with XrpcServer(network) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLUESKY_SERVICE", server.url)
        patch.setenv("BLUESKY_HANDLES", ",".join(each.handle for each in network.accounts.values()))
        patch.setenv("BLUESKY_DUCKDB", str(folder / "bluesky.duckdb"))
        patch.setenv("NACRE_STORE", str(folder / "store"))
        patch.setenv("NACRE_PLACES", f"s3://lake={folder / 'lake'}")
        patch.setenv("NACRE_QUIET", "1")
        result = nacre.build("*", modules=MODULES)
        assert result.ok, result.errors
        roots._open_projects.clear()
        yield folder


@pytest.fixture
def store(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NACRE_STORE", str(built / "store"))
    monkeypatch.setenv("BLUESKY_DUCKDB", str(built / "bluesky.duckdb"))
    monkeypatch.setenv("NACRE_PLACES", f"s3://lake={built / 'lake'}")
    monkeypatch.chdir(EXAMPLE)
    # AppTest leaves the page behind as the started script, by which nacre would find the wrong project.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return built


def page(name: str) -> AppTest:
    """Open the dashboard and go to one page of it."""
    app = AppTest.from_file(EXAMPLE / "dashboard" / "app.py", default_timeout=60).run()
    if name != PAGES[0]:
        app.switch_page(name).run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning, app.success)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


# ── the marts ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.whole
def test_the_marts_agree_with_plain_counting(store: Path, network: Network) -> None:
    engagement: dict[str, list[int]] = {}
    for post in network.posts.values():
        if not post.is_deleted:
            handle = network.accounts[post.did].handle
            engagement.setdefault(handle, []).append(post.likes + post.reposts + post.replies + post.quotes)
    ranked = nacre.load("posts_ranked", as_type=pl.DataFrame)
    assert ranked["rank"].to_list() == list(range(1, ranked.height + 1))
    found = {row["handle"]: row["author_median"] for row in ranked.iter_rows(named=True)}
    posts = nacre.load("posts", as_type=pl.DataFrame)
    for handle, median in found.items():
        theirs = posts.filter(pl.col("handle") == handle)
        assert median == statistics.median(
            theirs.select(pl.sum_horizontal(*ENGAGEMENT)).to_series().to_list()
        )
    weeks = nacre.load("account_week", as_type=pl.DataFrame)
    assert weeks["posts"].sum() == posts.height
    assert nacre.load("hourly", as_type=pl.DataFrame)["posts"].sum() == posts.height


ENGAGEMENT = ("likes", "reposts", "replies", "quotes")


@pytest.mark.whole
def test_the_marts_stand_in_one_lineage_with_the_pipeline(store: Path) -> None:
    stage = "dbt://bluesky/staging/stg_posts"
    assert nacre.lineage("posts_ranked").upstream == {stage}
    assert nacre.lineage(stage).upstream == {nacre.lineage("daily_engagement").upstream.pop()}
    states = {step.name: step.action for step in nacre.plan(modules=MODULES, reuse_sources=True).steps}
    assert states["hourly"] == "reuse"


# ── the dashboard ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.whole
def test_every_page_says_how_fresh_it_is_and_that_it_shows_a_sample(store: Path, name: str) -> None:
    shown = texts(page(name))
    about = "posts_ranked" if name == "best_posts.py" else "weekly_summary"
    assert f"Data through Thu 30 Apr 2026 (UTC): {about} v1, made " in shown
    assert ", fresh." in shown
    assert "Sample data" in shown


@pytest.mark.whole
def test_the_overview_compares_the_week_with_the_one_before(store: Path) -> None:
    app = page("overview.py")
    summary = nacre.load("weekly_summary", as_type=dict)
    assert [(metric.label, metric.value) for metric in app.metric] == [
        ("Engagement per post", str(summary["engagement_per_post"])),
        ("Posts", f"{summary['posts']:,}"),
        ("Engagement", f"{summary['engagement']:,}"),
    ]
    change = summary["posts"] - summary["week_before"]["posts"]
    assert app.metric[1].delta == f"{change:+,}"
    assert "no impressions" in texts(app)
    assert len(app.dataframe[0].value) == 8, "full weeks only"


@pytest.mark.whole
def test_posts_are_ranked_and_filtered_by_account(store: Path) -> None:
    app = page("best_posts.py")
    shown = app.dataframe[0].value
    assert list(shown["rank"][:3]) == [1, 2, 3]
    chosen = str(shown["handle"].iloc[0])
    app.multiselect(key="accounts").select(chosen).run()
    assert set(app.dataframe[0].value["handle"]) == {chosen}


@pytest.mark.whole
def test_data_health_lists_every_asset_with_state_and_reason(store: Path) -> None:
    table = page("health.py").dataframe[0].value.set_index("asset")
    assert table.loc["posts_ranked", ["state", "why", "version"]].tolist() == [
        "= fresh",
        "inputs and code unchanged",
        "v1",
    ]
    assert table.loc["posts", "rows"] == nacre.load("posts", as_type=pl.DataFrame).height
    n_days = nacre.load("posts", as_type=pl.DataFrame)["posted_at"].dt.date().n_unique()
    assert table.loc["posts", "version"] == f"{n_days} of {n_days} partitions"
    assert table.loc["profiles", "state"] == "~ check"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.whole
def test_an_empty_store_says_what_to_type_and_stays_empty(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NACRE_STORE", str(tmp_path / "nothing"))
    assert "make demo" in texts(page(name))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.whole
def test_a_store_that_cannot_be_read_is_all_that_a_page_shows(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "records.sqlite").write_bytes(b"no database" * 1000)
    for name_of_key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name_of_key, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for unread in (str(tmp_path), "s3://lake/bs"):
        monkeypatch.setenv("NACRE_STORE", unread)
        app = page(name)
        (error,) = app.error
        assert unread in error.value
        assert "\n  → " in error.value, "what to do about it"
        assert texts(app).strip() == ""


def test_what_moved_names_accounts_with_enough_posts_only() -> None:
    from datetime import date, timedelta

    monday = date(2026, 4, 20)
    rows = [(monday, "ann", 5, 50), (monday - timedelta(days=7), "ann", 6, 30), (monday, "ben", 1, 900)]
    daily = pl.DataFrame(rows, schema=["day", "handle", "posts", "engagement"], orient="row")
    summary = {
        "week_start": "2026-04-20",
        "engagement": 950,
        "best_post": {"handle": "ben", "engagement": 900},
    }
    assert what_moved(daily, summary) == [
        "**ann** rose from 5.0 to 10.0 per post (5 posts, 6 the week before).",
        "One post by **ben** received 900, 95% of all engagement.",
    ]
