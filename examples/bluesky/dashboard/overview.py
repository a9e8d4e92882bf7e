"""Overview: better or worse than the week before?"""

from __future__ import annotations

import polars as pl
import streamlit as st
from figures import delta, weeks, what_moved
from strip import open_page

stored = open_page("The week of your posts", "weekly_summary")
summary = stored.values("weekly_summary")
if summary["week_start"] is None:
    st.info("No posts in the last nine weeks.")
    st.stop()

daily = stored.table("daily_engagement")
before = summary["week_before"] or {}
running = "" if summary["is_full"] else " (not over yet)"
st.subheader(f"{summary['week_start']} to {summary['week_end']}{running}")
for column, (label, name) in zip(
    st.columns(3),
    [("Engagement per post", "engagement_per_post"), ("Posts", "posts"), ("Engagement", "engagement")],
    strict=True,
):
    column.metric(label, f"{summary[name]:,}", delta(summary[name], before.get(name)), border=True)
st.caption(
    "Against the week before. Engagement is likes, reposts, replies and quotes; ATProto publishes no impressions."
)

st.subheader("What moved")
st.markdown("\n".join(f"- {sentence}" for sentence in what_moved(daily, summary)))

trend = weeks(daily).with_columns(pl.col("week").dt.to_string())
st.subheader("Engagement per post, by full week (UTC)")
st.bar_chart(trend, x="week", y="per_post", x_label="week from", y_label="engagement per post")
with st.expander("As a table"):
    st.dataframe(trend, hide_index=True)
