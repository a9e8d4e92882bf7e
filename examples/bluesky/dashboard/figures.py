"""What the pages say of the tables: comparisons of full weeks, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

#: With fewer posts than this, one lucky post decides the rate.
FEW = 5


def weeks(daily: pl.DataFrame) -> pl.DataFrame:
    """Add up full weeks over all accounts; the newest week may not be over, the oldest may be cut off."""
    by_week = (
        daily.with_columns(week=pl.col("day").dt.truncate("1w"))
        .group_by("week")
        .agg(pl.col("posts", "engagement").sum())
        .sort("week")
    )
    first: date = daily["day"].min()  # type: ignore[assignment]  # a column of days
    whole = by_week.filter((pl.col("week") < by_week["week"].max()) & (pl.col("week") >= first))
    return whole.with_columns(per_post=(pl.col("engagement") / pl.col("posts")).round(2))


def delta(now: float | None, before: float | None) -> str | None:
    """Compare a number with that of the week before; None where there is nothing to compare with."""
    if now is None or before is None:
        return None
    change = now - before
    return f"{change:+.1f}" if isinstance(change, float) else f"{change:+,}"


def what_moved(daily: pl.DataFrame, summary: Mapping[str, Any]) -> list[str]:
    """Say in up to three sentences what changed against the week before, and what did best."""
    monday = date.fromisoformat(summary["week_start"])
    now, before = _by_account(daily, monday), _by_account(daily, monday - timedelta(days=7))
    both = now.join(before, on="handle", suffix="_before").with_columns(
        change=pl.col("per_post") - pl.col("per_post_before")
    )
    counted = both.filter((pl.col("posts") >= FEW) & (pl.col("posts_before") >= FEW)).sort("change", "handle")
    said = []
    for row in [*counted.tail(1).to_dicts(), *counted.head(1).to_dicts()][: counted.height]:
        if row["change"]:
            way = "rose" if row["change"] > 0 else "fell"
            said.append(
                f"**{row['handle']}** {way} from {row['per_post_before']:.1f} to {row['per_post']:.1f} per post "
                f"({row['posts']} posts, {row['posts_before']} the week before)."
            )
    best = summary.get("best_post")
    if best:
        share = best["engagement"] / summary["engagement"] if summary["engagement"] else 0
        said.append(
            f"One post by **{best['handle']}** received {best['engagement']:,}, {share:.0%} of all engagement."
        )
    return said


def _by_account(daily: pl.DataFrame, monday: date) -> pl.DataFrame:
    week = daily.filter(pl.col("day").is_between(monday, monday + timedelta(days=6)))
    return (
        week.group_by("handle")
        .agg(pl.col("posts", "engagement").sum())
        .with_columns(per_post=pl.col("engagement") / pl.col("posts"))
    )
