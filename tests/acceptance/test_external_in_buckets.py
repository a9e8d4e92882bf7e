"""External assets in a bucket: one request while nothing changed, and the bytes cross the network once."""

from __future__ import annotations

import pytest

import nacre
from buckets import Lake, Relay
from sandbox import Sandbox

PIPELINE = """
@materialize("demo://total")
def total(rain: Annotated[str, Asset("{url}/raw/rain.csv")]) -> int:
    calls.append("total")
    return len(rain.splitlines())
"""


def test_a_file_in_a_bucket_is_looked_at_with_one_request(project: Sandbox, lake: Lake, relay: Relay) -> None:
    lake.write("raw/rain.csv", b"mm\n1\n2\n")
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module).raise_for_failure()
    assert nacre.load("total") == 3
    relay.asked.clear()
    assert project.build(module).counts == {"reused": 2}
    assert relay.counts == {"HEAD": 1}
    lake.write("raw/rain.csv", b"mm\n1\n")
    assert project.ran(module) == ["total"]
    assert lake.names() == ["raw/rain.csv"]


def test_a_large_file_in_a_bucket_is_read_where_it_lies(project: Sandbox, lake: Lake) -> None:
    lake.write("raw/rain.csv", b"1\n" * 100_000)
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module).raise_for_failure()
    assert nacre.load("total") == 100_000
    assert project.record(f"{lake.url}/raw/rain.csv").outputs[0].is_outside


@pytest.mark.parametrize("root", ["", "own"])
def test_an_environment_looks_at_it_where_it_lies(
    project: Sandbox, lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    lake.write("raw/rain.csv", b"mm\n1\n2\n")
    if root:
        (project.folder / "nacre.toml").write_text(f'[env.dev]\npublish_root = "{lake.url}/{root}"\n')
    module = project.module(PIPELINE.replace("{url}", lake.url))
    project.build(module).raise_for_failure()
    monkeypatch.setenv("NACRE_ENV", "dev")
    project.reopen()
    relay.asked.clear()
    assert project.build(module).counts == {"reused": 2}
    assert relay.counts == {"HEAD": 1}
    lake.write("raw/rain.csv", b"mm\n1\n")
    assert project.ran(module) == ["total"]
    relay.asked.clear()
    assert project.build(module).counts == {"reused": 2}
    assert relay.counts == {"HEAD": 1}
    assert nacre.load("total") == 2
    assert lake.names() == ["raw/rain.csv"]
    monkeypatch.setenv("NACRE_ENV", "default")
    project.reopen()
    assert nacre.load("total") == 3
