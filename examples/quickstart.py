"""Raw data → processed data → analytics: three assets, each made from the one before.

python examples/quickstart.py                                 the flow at the end of this file
nacre run examples/quickstart.py:asset_pipeline               the same flow
nacre build analytics -m examples/quickstart.py               the same assets, with no flow
python -i -c "from quickstart import *; create_analytics()"   one call builds all three (in examples/)
"""

from nacre import flow
from nacre.artifacts import create_markdown_artifact
from nacre.assets import materialize

Row = dict[str, object]


@materialize("quickstart://raw_data")
def fetch_raw_data() -> list[Row]:
    """A source: it has no upstream, so it is looked at on every run. Imagine a request to a weather service here."""
    print("Reading three weather stations")
    return [
        {"station": "Kyoto", "celsius": [18.5, 21.0, 19.4]},
        {"station": "Oslo", "celsius": [4.2, None, 6.0]},
        {"station": "Lima", "celsius": [17.9, 18.3, 18.0]},
    ]


@materialize("quickstart://processed_data")
def process_data(raw_data: list[Row]) -> list[Row]:
    """Leave out gaps and take the mean. The parameter's name says which asset it is made from."""
    rows = []
    for row in raw_data:
        known = [reading for reading in row["celsius"] if reading is not None]
        rows.append({"station": row["station"], "mean": round(sum(known) / len(known), 1), "n": len(known)})
    print(f"Processed {sum(row['n'] for row in rows)} readings")
    return rows


@materialize("quickstart://analytics")
def create_analytics(processed_data: list[Row]) -> Row:
    """Sum up for a person: what this returns is stored, and the artifact is what they look at."""
    warmest = max(processed_data, key=lambda row: row["mean"])
    lines = [f"| {row['station']} | {row['mean']} °C | {row['n']} |" for row in processed_data]
    table = "\n".join(["| station | mean | readings |", "|---|---|---|", *lines])
    create_markdown_artifact(f"# Weather\n\nWarmest: **{warmest['station']}**\n\n{table}\n", key="weather")
    return {"stations": len(processed_data), "warmest": warmest["station"]}


@flow(log_prints=True)
def asset_pipeline() -> Row:
    """The same three steps, written as a flow."""
    raw = fetch_raw_data()
    return create_analytics(process_data(raw))


if __name__ == "__main__":
    print(asset_pipeline())
