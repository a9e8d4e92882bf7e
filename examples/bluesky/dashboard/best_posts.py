"""Posts: what worked, measured by what the same author's posts usually receive?"""

from __future__ import annotations

import polars as pl
import streamlit as st
from strip import MARTS, open_page

COLUMNS = {
    "times_median": st.column_config.NumberColumn("× author's median", format="%.1f"),
    "posted_at": st.column_config.DatetimeColumn("posted (UTC)", timezone="UTC", format="YYYY-MM-DD HH:mm"),
    "author_median": st.column_config.NumberColumn("median", help="Engagement of the author's median post"),
    "text": st.column_config.TextColumn("text", width=230),
}
MAX_ROWS = 500

stored = open_page("What worked", "posts_ranked")
is_ranked = stored.has("posts_ranked")
if is_ranked:
    st.caption(
        "Ranked by engagement, as a multiple of the median post of the same author. Counts as of reading."
    )
    posts = stored.table("posts_ranked")
else:
    st.info(
        f"Rates come from a mart that is not built yet; these are the posts as they were read. Type: `{MARTS}`"
    )
    posts = stored.table("posts").sort("likes", descending=True)

accounts = sorted(posts["handle"].unique())
chosen = st.multiselect("Accounts", accounts, placeholder="All accounts", key="accounts")
shown = posts.filter(pl.col("handle").is_in(chosen)) if chosen else posts
order = [
    "rank",
    "times_median",
    "engagement",
    "author_median",
    "handle",
    "text",
    "posted_at",
    "likes",
    "reposts",
    "replies",
    "quotes",
]
columns = [name for name in order if name in shown.columns]
st.dataframe(shown.select(columns).head(MAX_ROWS), hide_index=True, column_config=COLUMNS)
st.caption(f"{min(shown.height, MAX_ROWS):,} of {posts.height:,} posts")
