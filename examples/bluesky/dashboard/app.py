"""The dashboard: ``make dashboard``. It reads what nacre stored and computes nothing anew; it builds nothing."""

from __future__ import annotations

import streamlit as st

from nacre.errors import NacreError

PAGES = [
    st.Page("overview.py", title="Overview", default=True),
    st.Page("best_posts.py", title="Posts"),
    st.Page("health.py", title="Data health"),
]

st.set_page_config(page_title="The week of your posts", layout="wide")
# What is above the fold is what is read: less empty space over it than Streamlit leaves.
st.html("<style>.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 2rem; }</style>")
chosen = st.navigation(PAGES, position="top")
place = st.empty()
try:
    with place.container():
        chosen.run()
except NacreError as error:
    # In the place of what the page had drawn so far; as code, so that the lines stay as they are.
    place.error(f"```text\n{error}\n```")
