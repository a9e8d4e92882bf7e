"""Overview: better or worse than the week before?"""

from __future__ import annotations

import altair as alt
import polars as pl
import streamlit as st
from charts import bars
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
st.subheader(f"Week of {summary['week_start']} to {summary['week_end']}{running}")
for column, (label, name) in zip(
    st.columns(3),
    [("Engagement per post", "engagement_per_post"), ("Posts", "posts"), ("Engagement", "engagement")],
    strict=True,
):
    column.metric(label, f"{summary[name]:,}", delta(summary[name], before.get(name)), border=True)
st.caption(
    "Against the week before. Engagement is likes, reposts, replies and quotes; ATProto publishes no impressions."
)

trend = weeks(daily).with_columns(pl.col("week").dt.to_string())
words, chart = st.columns([2, 3], gap="large")
with words:
    st.subheader("What moved")
    st.markdown("\n".join(f"- {sentence}" for sentence in what_moved(daily, summary)))
with chart:
    st.subheader("Engagement per post, by full week (UTC)")
    bars(
        trend,
        alt.X("week:O", title="week from", axis=alt.Axis(labelAngle=-35)),
        alt.Y("per_post:Q", title="engagement per post"),
    )
    with st.expander("As a table"):
        st.dataframe(trend, hide_index=True)
