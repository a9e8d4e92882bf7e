"""The project whose store is kept here: values of every kind, partitions, published files, artifacts, a flow."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from nacre import StaticPartitions, flow, task
from nacre.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from nacre.assets import Asset, materialize
from nacre.cache_policies import INPUTS

LAND = StaticPartitions(["de", "fr"], "land")


@dataclass(frozen=True)
class Order:
    item: str
    price: float
    day: dt.date
    tags: tuple[str, ...] = ()


@materialize("shop://feed", description="What the world says, from a file")
def feed() -> list[dict[str, object]]:
    return json.loads(Path("feed.json").read_text())


@materialize("shop://orders")
def orders(feed: list[dict[str, object]]) -> list[Order]:
    return [
        Order(each["item"], each["price"], dt.date(2026, 1, each["day"]), tuple(each["tags"]))
        for each in feed
    ]


@materialize("s3://lake/sales.parquet")
def sales(feed: list[dict[str, object]]) -> pl.DataFrame:
    found = pl.DataFrame({name: [each[name] for each in feed] for name in ("item", "price", "day")})
    Asset("s3://lake/sales.parquet").add_metadata({"rows": found.height})
    return found.with_columns(pl.col("item").cast(pl.Enum(sorted(set(found["item"])))))


@materialize("shop://by_item")
def by_item(sales: pd.DataFrame) -> pd.DataFrame:
    return sales.astype({"item": str}).groupby("item")[["price"]].sum()


@materialize("shop://nested")
def nested(feed: list[dict[str, object]]) -> pa.Table:
    return pa.table(
        {"tags": [each["tags"] for each in feed], "at": [dt.time(each["day"], 30) for each in feed]}
    )


@materialize("shop://matrix.npy")
def matrix(feed: list[dict[str, object]]) -> np.ndarray:
    return np.outer([each["price"] for each in feed], [1.0, 0.5])


@materialize("shop://large.bin")
def large(feed: list[dict[str, object]]) -> bytes:
    return bytes([len(feed)]) * 70_000


@materialize("shop://notes.txt")
def notes(orders: list[Order]) -> Path:
    path = Path("notes.txt")
    path.write_text("".join(f"{order.item}: {', '.join(order.tags)}\n" for order in orders))
    return path


@materialize("shop://by_land", partitions=LAND)
def by_land(feed: list[dict[str, object]], land: str) -> dict[str, object]:
    return {"land": land, "orders": len(feed), "first": land == "de"}


@materialize("s3://lake/land={land}/report.txt", partitions=LAND)
def report(by_land: dict[str, object]) -> str:
    return f"{by_land['land']}: {by_land['orders']} orders\n"


@materialize("shop://least", "shop://most")
def ends(orders: list[Order]) -> tuple[float, float]:
    prices = [order.price for order in orders]
    return min(prices), max(prices)


@materialize("shop://ratio")
def ratio(least: float, most: float) -> dict[str, object]:
    create_markdown_artifact(f"# Prices\n\n**{least}** to **{most}**", key="prices", description="In words")
    create_table_artifact([{"least": least, "most": most}], key="ends")
    create_link_artifact("https://example.org/shop", "the shop", key="shop")
    return {"ratio": most / least, "ends": {least, most}}


@task(cache_policy=INPUTS, persist_result=True)
def rounded(value: float, digits: int) -> float:
    return round(value, digits)


@flow
def nightly(digits: int = 1) -> float:
    return rounded(ratio()["ratio"], digits)
