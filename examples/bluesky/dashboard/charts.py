"""Charts that hold still: bars from zero, over days or weeks."""

from __future__ import annotations

import altair as alt
import polars as pl
import streamlit as st

HEIGHT = 230


def bars(rows: pl.DataFrame, x: alt.X, y: alt.Y) -> None:
    """Draw a bar for each row.

    Args:
        rows: What is drawn.
        x: The column that tells the bars apart, and its title.
        y: The column that says how long they are.
    """
    st.altair_chart(alt.Chart(rows).mark_bar().encode(x=x, y=y).properties(height=HEIGHT), height=HEIGHT)
