"""The quick start, in all four ways a reader may start it, and Prefect's way of writing the same three assets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sandbox import Sandbox

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"
FLOW = ("-m", "nacre", "run", "quickstart.py:asset_pipeline")
BUILD = ("-m", "nacre", "build", "analytics", "-m", "quickstart.py")
FIRST = [(name, "built", "not made yet") for name in ("raw_data", "processed_data", "analytics")]
SECOND = [
    ("raw_data", "checked", "checked: content unchanged"),
    ("processed_data", "reused", "inputs and code unchanged"),
    ("analytics", "reused", "inputs and code unchanged"),
]
SUMMARY = re.compile(r"\b1 checked(, | · )2 reused\b")

# The shape of Prefect's example: Asset objects, times in the data, a file written beside it, a flow that prints.
PIPELINE = '''\
import json
from datetime import datetime, timezone
from pathlib import Path
from textwrap import dedent
from typing import Any

from nacre import flow
from nacre.artifacts import create_markdown_artifact
from nacre.assets import Asset, materialize

raw_data_asset = Asset(key="pipeline://raw_data")
processed_data_asset = Asset(key="pipeline://processed_data")
analytics_asset = Asset(key="pipeline://analytics")


@materialize(raw_data_asset)
def fetch_raw_data() -> dict[str, Any]:
    """Ask the harbour for today's boats."""
    print("Asking the harbour…")
    boats = ["tern", "gull", "auk"]
    return {"boats": boats, "fetched_at": datetime.now(timezone.utc).isoformat(), "count": len(boats)}


@materialize(processed_data_asset)
def process_data(raw_data: dict[str, Any]) -> dict[str, Any]:
    """Write the names as the register has them."""
    print(f"Writing down {raw_data['count']} boats…")
    processed = {
        "boats": [boat.title() for boat in raw_data["boats"]],
        "processed_at": datetime.now(timezone.utc).isoformat(),
    }
    folder = Path("./data")
    folder.mkdir(exist_ok=True)
    with open(folder / "processed.json", "w") as file:
        json.dump(processed, file, indent=2)
    return processed


@materialize(analytics_asset)
def create_analytics(processed_data: dict[str, Any]) -> dict[str, Any]:
    """Sum the register up."""
    analytics = {
        "boats": len(processed_data["boats"]),
        "as_of": processed_data["processed_at"],
        "created_at": datetime.now(timezone.utc).isoformat(),
    }
    create_markdown_artifact(
        key="harbour-summary",
        markdown=dedent(f"""
            # Harbour
            **{analytics["boats"]}** boats
        """),
        description="The harbour in one line",
    )
    return analytics


@flow(name="harbour-pipeline", log_prints=True)
def run_harbour_pipeline() -> dict[str, Any]:
    """Raw data, processed data, analytics."""
    print("Starting")
    raw = fetch_raw_data()
    processed = process_data(raw)
    analytics = create_analytics(processed)
    print(f"Done: {analytics['boats']} boats")
    return analytics


if __name__ == "__main__":
    run_harbour_pipeline()
'''


def steps(shown: str) -> list[tuple[str, str, str]]:
    """Name, action and reason of each step line."""
    line = re.compile(
        r"^[✓=] (\S+) +(built|checked|reused) (?: +[\d.]+ m?s)?(?: +v\d+)?  +(.+)$", re.MULTILINE
    )
    return [(found[1], found[2], found[3]) for found in line.finditer(shown)]


def start(project: Sandbox, *arguments: str) -> str:
    """Run another Python to its good end; what it showed, both streams."""
    process = project.python(*arguments)
    shown, told = process.communicate(timeout=60)
    assert process.returncode == 0, shown + told
    return shown + told


@pytest.fixture
def quickstart(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.delenv("NACRE_STORE")
    monkeypatch.delenv("NACRE_QUIET")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    shutil.copy(QUICKSTART, project.folder)
    return project


def test_the_quick_start_runs_as_a_script_and_reuses(quickstart: Sandbox) -> None:
    first = start(quickstart, "quickstart.py")
    assert steps(first) == FIRST
    assert "{'stations': 3, 'warmest': 'Kyoto'}" in first
    second = start(quickstart, "quickstart.py")
    assert steps(second) == SECOND
    assert SUMMARY.search(second)
    assert (quickstart.folder / ".nacre").is_dir()


def test_the_quick_start_runs_by_nacre_run(quickstart: Sandbox) -> None:
    assert steps(start(quickstart, *FLOW)) == FIRST
    second = start(quickstart, *FLOW)
    assert steps(second) == SECOND
    assert SUMMARY.search(second)


def test_the_quick_start_builds_with_no_flow(quickstart: Sandbox) -> None:
    assert steps(start(quickstart, *BUILD)) == FIRST
    second = start(quickstart, *BUILD)
    assert steps(second) == SECOND
    assert SUMMARY.search(second)


def test_one_call_in_a_shell_builds_all_three(quickstart: Sandbox) -> None:
    call = ("-c", "from quickstart import *; create_analytics()")
    assert steps(start(quickstart, *call)) == FIRST
    assert steps(start(quickstart, *call)) == SECOND


def test_all_ways_to_start_share_what_was_made(quickstart: Sandbox) -> None:
    """Flow, build and call are one engine: none makes again what another made."""
    start(quickstart, "quickstart.py")
    assert steps(start(quickstart, *BUILD)) == SECOND
    assert steps(start(quickstart, "-c", "import quickstart; quickstart.create_analytics()")) == SECOND


def test_the_artifact_shows_what_was_made(quickstart: Sandbox) -> None:
    start(quickstart, "quickstart.py")
    quickstart.reopen()
    (artifact,) = quickstart.artifacts()
    assert (artifact.kind, artifact.key, artifact.asset) == ("markdown", "weather", "quickstart://analytics")
    assert "Warmest: **Kyoto**" in artifact.data


def test_applying_the_printed_remedy_reuses_what_lies_below(quickstart: Sandbox) -> None:
    file = quickstart.folder / "harbour.py"
    file.write_text(PIPELINE, encoding="utf-8")
    assert steps(start(quickstart, "harbour.py")) == FIRST
    second = start(quickstart, "harbour.py")
    assert steps(second)[:2] == [
        ("raw_data", "built", "only `fetched_at` of raw_data differs"),
        ("processed_data", "built", "only `fetched_at` of raw_data differs"),
    ]
    assert "3 built" in second

    (line,) = re.findall(r"^→ .*?: (@materialize\(.+\))  # (from .+)$", second, re.MULTILINE)
    decorator, imported = line
    text = PIPELINE.replace("@materialize(raw_data_asset)", decorator).replace(
        "from nacre import flow\n", f"from nacre import flow\n{imported}\n"
    )
    file.write_text(text, encoding="utf-8")
    third = start(quickstart, "harbour.py")
    assert steps(third) == SECOND
    assert SUMMARY.search(third)
    assert "→" not in third


def test_a_build_offers_the_remedy_for_the_source_alone(quickstart: Sandbox) -> None:
    """What lies below differs in the same field, but only the source's line helps."""
    (quickstart.folder / "harbour.py").write_text(PIPELINE, encoding="utf-8")
    build = ("-m", "nacre", "build", "analytics", "-m", "harbour.py")
    start(quickstart, *build)
    second = start(quickstart, *build)
    assert re.findall(r'@materialize\("(\S+?)", data_version=without\("(\w+)"\)\)', second) == [
        ("pipeline://raw_data", "fetched_at")
    ]


def test_the_readme_shows_what_is_printed(quickstart: Sandbox) -> None:
    """Every output line of the README is a line of the real output, times and folders aside."""
    readme = (QUICKSTART.parents[1] / "README.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```python\n(.+?)```", readme, re.DOTALL):
        (quickstart.folder / name).write_text(text, encoding="utf-8")
    blocks = re.findall(r"```console\n\$ nacre (.+?)(?:  # exit \d)?\n(.*?)```", readme, re.DOTALL)
    shown = [(command.split(), text) for command, text in blocks if text and not text.startswith("$ ")]
    assert len(shown) >= 3
    for arguments, text in shown:
        process = quickstart.python("-m", "nacre", *arguments)
        printed = set(masked("".join(process.communicate(timeout=60))))
        assert [line for line in masked(text) if line not in printed] == []


def masked(text: str) -> list[str]:
    """The lines, without what differs between two runs or two machines."""
    return [
        re.sub(r"(?<=\s)\S*/(?=\S+\.py)", "", re.sub(r" +[\d.]+ m?s ", " … ", line))
        for line in text.splitlines()
    ]
