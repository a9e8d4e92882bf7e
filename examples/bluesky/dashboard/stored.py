"""What the pages read: stored versions of assets, each once per version, and how fresh they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from nacre.loading import load_stored
from nacre.planning.explain import short
from nacre.views.freshness import Freshness, freshness
from nacre.views.session import Session

EXAMPLE = Path(__file__).parents[1]
MODULES = [str(EXAMPLE / "pipeline.py"), str(EXAMPLE / "marts.py")]
#: How long the states of assets may be those of a while ago; what is stored is looked up on every rerun.
STATES_TTL_S = 30


class Stored:
    """The assets as they are now, by name."""

    def __init__(self) -> None:
        self._session = Session(MODULES)
        versions = tuple((row.slot, row.seq) for rows in self._session.slots.values() for row in rows)
        self.assets: Mapping[str, Freshness] = {
            short(key): each for key, each in _states(str(self._session.workspace.location), versions).items()
        }

    @property
    def now(self) -> datetime:
        """The project's time."""
        return self._session.now

    def has(self, name: str) -> bool:
        """Say whether an asset has a version."""
        return name in self.assets and self.assets[name].version > 0

    def table(self, name: str) -> pl.DataFrame:
        """Read an asset that is a table."""
        return self._read(name, pl.DataFrame)

    def values(self, name: str) -> dict[str, Any]:
        """Read an asset that is a dictionary."""
        return self._read(name, dict)

    def n_rows(self, name: str) -> int | None:
        """Say how many rows an asset has, without reading it; None where it is no table."""
        rows = self._session.slots.get(self.assets[name].asset, [])
        outputs = [self._session.output(row) for row in rows]
        sizes = [each.outline.size for each in outputs if each is not None and each.outline.columns]
        return sum(sizes) if sizes else None

    def _read(self, name: str, kind: type) -> Any:
        each = self.assets[name]
        return _load(self._session.workspace.location, each.asset, each.fingerprint, kind)

    def through(self) -> date | None:
        """Name the last day that the data covers."""
        return self.table("daily_engagement")["day"].max() if self.has("daily_engagement") else None  # type: ignore[return-value]  # a column of days


@st.cache_data(max_entries=20, show_spinner=False)
def _load(store: str, asset: str, fingerprint: str, kind: type) -> Any:
    """Load a version; cached under what identifies it, so that it is read once and never out of date."""
    return load_stored(Session(MODULES).workspace, asset, kind)


@st.cache_data(ttl=STATES_TTL_S, show_spinner=False)
def _states(store: str, versions: tuple[tuple[str, int], ...]) -> dict[str, Freshness]:
    """Plan without running anything, to say what a build would do; cached until a version comes, or a moment."""
    return freshness(Session(MODULES))
