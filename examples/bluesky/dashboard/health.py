"""Data health: can the numbers be trusted? States and reasons are nacre's own."""

from __future__ import annotations

import altair as alt
import polars as pl
import streamlit as st
from charts import bars
from strip import open_page

from nacre.planning.explain import short
from nacre.views.freshness import Freshness
from nacre.views.standing import GLYPHS
from nacre.views.words import SHORT, ago, count

COLUMNS = {"version": st.column_config.TextColumn("version", width=140)}


def version(each: Freshness) -> str:
    """Say which version is current, or how many partitions are stored of those that have begun."""
    if each.n_stored:
        return f"{each.n_stored} of {count(each.n_stored + each.n_missing, 'partition')}"
    return f"v{each.version}" if each.version else ""


stored = open_page("Data health", "weekly_summary")
assets = stored.assets.values()
stale = [each for each in assets if each.state in ("stale", "new", "pending")]
if stale:
    st.warning(f"{count(len(stale), 'asset')} to be built: {', '.join(short(each.asset) for each in stale)}")
else:
    st.success("Everything is as the last run left it; sources are looked at again on every run.")

rows = [
    {
        "asset": short(each.asset),
        "state": f"{GLYPHS[each.state]} {each.state}",
        "why": each.reason,
        "version": version(each),
        "made": ago(each.made_at, stored.now) if each.version else "",
        "rows": stored.n_rows(short(each.asset)),
        "run": each.run[:SHORT],
        "key": each.asset,
    }
    for each in assets
]
st.dataframe(rows, hide_index=True, column_config=COLUMNS, placeholder="")
st.caption("`nacre show ASSET` tells where a version came from, and which run made it.")

st.subheader("Days")
daily = stored.table("daily_engagement")
if daily.is_empty():
    st.write("No day has a post.")
else:
    first, last = daily["day"].min(), daily["day"].max()
    n_days = (last - first).days + 1
    n_with = daily["day"].n_unique()
    st.write(f"{first} to {last}: {n_with} of {n_days} days have posts. The newest day may not be over.")
    by_day = daily.group_by("day").agg(pl.col("posts").sum()).sort("day")
    bars(by_day, alt.X("yearmonthdate(day):T", title="day (UTC)"), alt.Y("posts:Q", title="posts"))
