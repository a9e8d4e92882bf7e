"""How much do people engage with your posts? Five assets, from public profiles to a weekly summary.

    profiles → feed → posts, by day → daily_engagement, by day → weekly_summary

``nacre build weekly_summary -m examples/bluesky/pipeline.py`` builds what is needed, in order; which accounts, which
service and which days is said in the environment (see ``reader.py``). The posts of a day are a Parquet file of their
own at ``s3://lake/bluesky/posts/date=…/posts.parquet``; ``nacre.toml`` lets ``s3://lake`` be a folder on this machine.

What runs when. ``profiles`` has no upstream asset, so it is a source and asks the service on every run. ``feed`` must
ask on every run too: a like on an old post changes no profile, so equal profiles do not mean equal posts. That is
what ``cache_policy=NO_CACHE`` says. Both answers are compared by content: when no post, like, repost, reply or quote
was added or taken away, nothing after ``feed`` runs. When one was, the posts of all days are told apart again, and only
the day that came out different goes on. No row holds the time of the request, which would make every answer look new.

What the numbers are. Counts are those at the time of reading. ATProto publishes no impressions, so this is
engagement per post (likes, reposts, replies and quotes), not reach. Days are UTC days. "The week" is the last Monday
to Sunday that the data has left behind: its newest day may still be going on, so the week it belongs to does not
count yet.
"""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from bars import Bar, draw_png
from reader import Reader, is_worth_retrying, service_url, wanted_days, wanted_handles

from nacre import DailyPartitions, get_run_logger
from nacre.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from nacre.assets import Asset, AssetProperties, materialize
from nacre.cache_policies import NO_CACHE

Row = dict[str, object]
Columns = dict[str, pl.DataType | type[pl.DataType]]

days = DailyPartitions(*wanted_days())

ENGAGEMENT = ("likes", "reposts", "replies", "quotes")
#: Reserved for examples (RFC 2606): an account below it exists in the bundled sample only.
SAMPLE_DOMAIN = ".example.com"

profiles_asset = Asset(
    "bluesky://profiles",
    AssetProperties(name="Profiles", description="The accounts as they are now, one row each."),
)
feed_asset = Asset(
    "bluesky://feed.parquet",
    AssetProperties(name="Feed", description="Own posts and replies of nine weeks, with their counts."),
)
posts_asset = Asset(
    "s3://lake/bluesky/posts/date={date}/posts.parquet",
    AssetProperties(name="Posts", description="The posts of a UTC day, with their counts."),
)
daily_engagement_asset = Asset(
    "s3://lake/bluesky/daily_engagement/date={date}/daily_engagement.parquet",
    AssetProperties(name="Daily engagement", description="Per account that posted on a UTC day."),
)
weekly_summary_asset = Asset(
    "s3://lake/bluesky/weekly_summary.json",
    AssetProperties(name="Weekly summary", description="The last full week beside the one before it."),
)


@materialize(
    profiles_asset,
    retries=3,
    retry_delay_seconds=[1, 5, 15],
    retry_condition_fn=is_worth_retrying,
)
def profiles() -> pl.DataFrame:
    """Read the accounts that BLUESKY_HANDLES names."""
    with Reader(service_url()) as reader:
        return pl.DataFrame(reader.profiles(wanted_handles()), schema=profile_columns())


@materialize(
    feed_asset,
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[1, 5, 15],
    retry_condition_fn=is_worth_retrying,
)
def feed(profiles: pl.DataFrame) -> pl.DataFrame:
    """Read every account's posts, ordered by time so that equal answers are equal tables."""
    rows: list[dict[str, object]] = []
    with Reader(service_url()) as reader:
        for did, handle in profiles.select("did", "handle").iter_rows():
            theirs = [{"handle": handle, **post} for post in reader.posts(did)]
            get_run_logger().info("%s: %d posts", handle, len(theirs))
            rows += theirs
    return pl.DataFrame(rows, schema=post_columns()).sort("posted_at", "uri")


@materialize(posts_asset, partitions=days)
def posts(feed: pl.DataFrame, date: date) -> pl.DataFrame:
    """Take the posts of one UTC day."""
    return feed.filter(pl.col("posted_at").dt.date() == date)


@materialize(daily_engagement_asset, partitions=days)
def daily_engagement(posts: pl.DataFrame) -> pl.DataFrame:
    """Add up the posts of a day and what they received per account."""
    return (
        posts.with_columns(day=pl.col("posted_at").dt.date(), engagement=pl.sum_horizontal(ENGAGEMENT))
        .sort("engagement", "uri", descending=[True, False])
        .group_by("day", "handle", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("posts"),
            pl.col("is_reply").sum().cast(pl.Int64).alias("own_replies"),
            pl.col(*ENGAGEMENT, "engagement").sum(),
            pl.col("uri").first().alias("best_post"),
            pl.col("engagement").first().alias("best_engagement"),
        )
        .sort("day", "handle")
    )


@materialize(weekly_summary_asset)
def weekly_summary(daily_engagement: pl.DataFrame) -> dict[str, object]:
    """Summarise the last full week, and show it as text, table and picture."""
    if daily_engagement.is_empty():
        create_markdown_artifact("No posts in the last nine weeks.", key="weekly-summary")
        return {"week_start": None, "days": [], "accounts": []}
    days, accounts, summary = summarise(daily_engagement)
    create_markdown_artifact(as_markdown(summary), key="weekly-summary", description="The week in words")
    create_table_artifact(accounts, key="weekly-accounts", description="The week by account")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "week.png"
        picture.write_bytes(draw_png([day_bar(day) for day in days]))
        about = "Engagement per post, Monday to Sunday (UTC)"
        create_image_artifact(str(picture), key="weekly-chart", description=about)
    return {**summary, "days": days, "accounts": accounts}


def summarise(daily: pl.DataFrame) -> tuple[list[Row], list[Row], Row]:
    """Add up the last full week of ``daily_engagement``, which must not be empty.

    Returns:
        A row per day, a row per account with most engagement first, and the totals.
    """
    first_day: date = daily.select(pl.col("day").min()).item()
    last_day: date = daily.select(pl.col("day").max()).item()
    monday, is_full = choose_week(first_day, last_day)
    week, before = in_week(daily, monday), monday - timedelta(days=7)
    days = [day_of(week, monday + timedelta(days=offset)) for offset in range(7)]
    accounts = (
        week.group_by("handle")
        .agg(pl.col("posts", *ENGAGEMENT, "engagement").sum())
        .with_columns(engagement_per_post=(pl.col("engagement") / pl.col("posts")).round(2))
        .sort("engagement", "handle", descending=[True, False])
        .to_dicts()
    )
    summary: Row = {
        "week_start": monday.isoformat(),
        "week_end": (monday + timedelta(days=6)).isoformat(),
        "is_full": is_full,
        "is_sample": bool(daily["handle"].str.ends_with(SAMPLE_DOMAIN).all()),
        **totals(week),
        # A week that the data covers only in part is no comparison.
        "week_before": totals(in_week(daily, before)) if first_day <= before else None,
        "best_post": best_post(week),
    }
    return days, accounts, summary


def profile_columns() -> Columns:
    """Name the columns of ``profiles``: they are there even when no row is."""
    return {
        "did": pl.String,
        "handle": pl.String,
        "display_name": pl.String,
        "followers": pl.Int64,
        "follows": pl.Int64,
        "posts": pl.Int64,
    }


def post_columns() -> Columns:
    """Name the columns of ``feed`` and ``posts``."""
    return {
        "handle": pl.String,
        "uri": pl.String,
        "posted_at": pl.Datetime("ms", "UTC"),
        "text": pl.String,
        "language": pl.String,
        "is_reply": pl.Boolean,
        **dict.fromkeys(ENGAGEMENT, pl.Int64),
    }


def choose_week(first_day: date, last_day: date) -> tuple[date, bool]:
    """Choose the week to summarise.

    Args:
        first_day: Oldest day in the data.
        last_day: Newest day in the data; it may not be over.

    Returns:
        Its Monday, and whether the week is over: with less than a week of data it is the running one.
    """
    running = last_day - timedelta(days=last_day.weekday())
    if first_day >= running:
        return running, False
    return running - timedelta(days=7), True


def in_week(daily: pl.DataFrame, monday: date) -> pl.DataFrame:
    """Take the rows of the seven days from a Monday on."""
    return daily.filter(pl.col("day").is_between(monday, monday + timedelta(days=6)))


def totals(daily: pl.DataFrame) -> Row:
    """Add up rows of ``daily_engagement``; engagement per post is None where there are no posts."""
    n_posts, engagement = int(daily["posts"].sum()), int(daily["engagement"].sum())
    per_post = round(engagement / n_posts, 2) if n_posts else None
    return {"posts": n_posts, "engagement": engagement, "engagement_per_post": per_post}


def day_of(week: pl.DataFrame, day: date) -> Row:
    """Add up one day of all accounts."""
    return {"day": day.isoformat(), **totals(week.filter(pl.col("day") == day))}


def best_post(week: pl.DataFrame) -> Row | None:
    """Find the post with most engagement; the earlier day, then the first handle, wins a tie."""
    if week.is_empty():
        return None
    best = week.sort("best_engagement", "day", "handle", descending=[True, False, False]).row(0, named=True)
    return {"uri": best["best_post"], "handle": best["handle"], "engagement": best["best_engagement"]}


def day_bar(day: Row) -> Bar:
    """Describe a day of a summary as a bar: engagement per post, with the number of posts beside it."""
    per_post = day["engagement_per_post"]
    when = date.fromisoformat(str(day["day"]))
    note = f"{day['posts']} post{'' if day['posts'] == 1 else 's'}"
    if per_post is None:
        return Bar(f"{when:%a %d}", 0.0, "-", note)
    return Bar(f"{when:%a %d}", float(str(per_post)), f"{per_post:.1f}", note)


def as_markdown(summary: Row) -> str:
    """Write a summary in a few sentences, saying what kind of data it rests on."""
    per_post = summary["engagement_per_post"]
    lines = [f"# Week of {summary['week_start']} to {summary['week_end']}", ""]
    if summary["is_sample"]:
        lines += ["**Sample data**: these accounts and posts are invented.", ""]
    if not summary["is_full"]:
        lines += ["This week is not over: there is less than a week of posts so far.", ""]
    lines.append(f"- {summary['posts']} posts, {summary['engagement']} likes, reposts, replies and quotes")
    lines.append(f"- engagement per post: {'no posts' if per_post is None else per_post}")
    before = summary["week_before"]
    if isinstance(before, dict) and before["engagement_per_post"] is not None:
        lines.append(f"- the week before: {before['engagement_per_post']} from {before['posts']} posts")
    best = summary["best_post"]
    if isinstance(best, dict):
        lines.append(f"- most engagement: {best['engagement']} for `{best['uri']}` by {best['handle']}")
    lines += ["", "Counts are those at the time of reading. There are no impressions on ATProto."]
    return "\n".join(lines)
