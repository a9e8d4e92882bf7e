"""The marts: dbt models over the published posts, in the same lineage as the functions of ``pipeline.py``.

    posts → stg_posts → account_week, posts_ranked, hourly

``nacre build "dbt://*" -m examples/bluesky/marts.py`` builds them and what they need. The models are in ``dbt/``; their
DuckDB file is only a cache, since nacre stores every version of every model.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import posts

from nacre.integrations.dbt import dbt_assets, published_at

os.environ.setdefault("BLUESKY_DUCKDB", str(Path(__file__).parent / "dbt" / "target" / "bluesky.duckdb"))

#: Where the posts lie in a bucket, DuckDB needs the output of ``dbt/profiles.yml`` that reaches it.
marts = dbt_assets("dbt", target="bucket" if published_at(posts).startswith("s3://") else "folder")
