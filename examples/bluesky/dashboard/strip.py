"""The strip on top of each page: whose data, how fresh, in the words of nacre; or what to type when there is none."""

from __future__ import annotations

import streamlit as st
from stored import Stored

NOTHING = """Nothing is built yet. Type this, then reload the page:

    make demo
"""
MARTS = "nacre build 'dbt://*' -m examples/bluesky/marts.py --reuse-sources"


def open_page(title: str, needs: str) -> Stored:
    """Draw the strip, and end the page here where what it shows is not built.

    Args:
        title: The page's heading.
        needs: Name of the asset it is about.

    Returns:
        What is stored.
    """
    st.title(title)
    stored = Stored()
    if not stored.has("weekly_summary"):
        st.info(NOTHING)
        st.stop()
    about = stored.assets[needs if stored.has(needs) else "weekly_summary"]
    st.caption(f"{about.sentence(stored.now, stored.through())}.")
    if stored.values("weekly_summary").get("is_sample"):
        st.markdown(":orange-badge[Sample data] These accounts and posts are invented.")
    return stored
