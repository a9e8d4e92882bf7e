"""The names people import, what they give, and how little importing them costs."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import nacre
from sandbox import SOURCES, Sandbox

#: Those that people see, and those above the I/O line; what a run is made of are structs (docs/adr/0002).
MAX_DATACLASSES = 20

PATHS = {
    "nacre": nacre.__all__,
    "nacre.assets": ["Asset", "AssetProperties", "add_asset_metadata", "materialize"],
    "nacre.artifacts": [
        "create_image_artifact",
        "create_link_artifact",
        "create_markdown_artifact",
        "create_progress_artifact",
        "create_table_artifact",
        "update_progress_artifact",
    ],
    "nacre.cache_policies": ["DEFAULT", "INPUTS", "NONE", "NO_CACHE", "TASK_SOURCE"],
    "nacre.futures": ["PrefectFuture", "PrefectFutureList", "as_completed", "unmapped", "wait"],
    "nacre.states": ["Cancelled", "Completed", "Crashed", "Failed", "Pending", "Running", "State"],
}


@pytest.mark.parametrize("path", PATHS)
def test_every_public_name_can_be_imported_and_is_documented(path: str) -> None:
    module = importlib.import_module(path)
    for name in PATHS[path]:
        value = getattr(module, name)
        assert name in module.__all__
        if callable(value):
            assert value.__doc__, name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        nacre.nothing  # noqa: B018  # looking it up is the test
    assert "materialize" in dir(nacre)


def printed(code: str) -> str:
    """What a process of its own prints, which has imported nothing else."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCES)},
        text=True,
        capture_output=True,
        check=True,
    ).stdout


def test_importing_brings_no_heavy_library() -> None:
    code = (
        "import sys; from nacre import flow, materialize, task\n"
        "heavy = {'asyncio', 'pyarrow', 'pandas', 'polars', 'numpy', 'sqlite3', 'rich', 'click', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert printed(code) == "[]\n"


def test_a_build_is_imported_with_few_classes_whose_code_is_written_first() -> None:
    """Python writes and compiles the methods of each dataclass at import, which costs as much as fifty structs."""
    code = (
        "import sys, nacre; nacre.build\n"
        "named = {n: m for n, m in sys.modules.items() if n.startswith('nacre.')}\n"
        "made = {v for n, m in named.items() for v in vars(m).values() if getattr(v, '__module__', '') == n}\n"
        "print(*sorted(v.__name__ for v in made if '__dataclass_fields__' in getattr(v, '__dict__', ())))"
    )
    found = printed(code)
    assert 0 < len(found.split()) <= MAX_DATACLASSES, found


def test_a_build_imports_none_of_what_looks_at_stored_results() -> None:
    code = (
        "import sys, nacre; nacre.build\n"
        "others = {'nacre.curate', 'nacre.reviewing', 'nacre.views', 'statistics', 'getpass'}\n"
        "print(sorted(others & set(sys.modules)))"
    )
    assert printed(code) == "[]\n"


def test_a_decorated_function_keeps_what_it_says_of_itself(project: Sandbox) -> None:
    module = project.module('''
        @materialize("asset://a")
        def a(n: int, *, unit: str = "mm") -> str:
            """What a is."""
            return f"{n} {unit}"
        @flow
        def run_all(n: int) -> int:
            """What it does."""
            return n
    ''')
    for declared, name, doc in ((module.a, "a", "What a is."), (module.run_all, "run_all", "What it does.")):
        assert declared.__name__ == name
        assert declared.__doc__ == doc
        assert next(iter(inspect.signature(declared).parameters)) == "n"
    assert module.a.fn(3) == "3 mm"
    assert repr(module.a) == "<Task a → asset://a>"
    assert repr(module.run_all) == "<Flow run-all>"


def test_an_asset_is_its_key_and_what_is_said_of_it() -> None:
    from nacre.assets import AssetProperties

    asset = nacre.Asset("s3://lake/posts.parquet", properties=AssetProperties(name="Posts", owners=["me"]))
    assert repr(asset) == "Asset(key='s3://lake/posts.parquet')"
    assert hash(asset) == hash("s3://lake/posts.parquet")
    assert asset == nacre.Asset("s3://lake/posts.parquet", AssetProperties(name="Posts", owners=["me"]))
    assert asset != nacre.Asset("s3://lake/posts.parquet")
    assert asset != "s3://lake/posts.parquet"
    with pytest.raises(AttributeError, match="frozen"):
        asset.key = "s3://other"
    import pickle

    assert pickle.loads(pickle.dumps(asset)) == asset
    with pytest.raises(TypeError, match="description is too long"):
        AssetProperties(description="x" * 2_501)


def test_a_step_of_a_result_says_what_happened(project: Sandbox) -> None:
    module = project.module('@materialize("asset://a")\ndef a(): return 1\n')
    result = project.build(module)
    step = result["a"]
    assert (step.asset, step.action, step.reason, step.version) == ("asset://a", "built", "not made yet", 1)
    assert step.duration_s >= 0
    assert result["asset://a"] is step
    assert list(result) == [step]
    assert "built" in str(result)
    result.raise_for_failure()
    with pytest.raises(KeyError):
        result["nothing"]


def test_load_takes_a_key_a_name_or_an_asset_and_a_type(project: Sandbox) -> None:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    project.map("s3://lake", "lake")
    module = project.module("""
        import polars as pl
        @materialize("s3://lake/rain.parquet")
        def rain(): return pl.DataFrame({"mm": [1, 2]})
    """)
    project.build(module)
    for name in ("s3://lake/rain.parquet", "rain", nacre.Asset("s3://lake/rain.parquet")):
        assert nacre.load(name).equals(pl.DataFrame({"mm": [1, 2]}))
    assert isinstance(nacre.load("rain", as_type=pd.DataFrame), pd.DataFrame)
    assert isinstance(nacre.load("rain", as_type=pl.LazyFrame), pl.LazyFrame)


def test_a_script_works_alone_and_its_project_is_its_folder(project: Sandbox) -> None:
    folder = project.folder / "elsewhere"
    folder.mkdir()
    (folder / "script.py").write_text(
        "from nacre import materialize\n"
        '@materialize("asset://a")\ndef a(): return 1\n'
        '@materialize("asset://b")\ndef b(a): return a + 1\n'
        'if __name__ == "__main__":\n    print(b())\n',
        encoding="utf-8",
    )
    for expected in ("not made yet", "unchanged"):
        done = subprocess.run(
            [sys.executable, "elsewhere/script.py"],
            cwd=project.folder,
            env={"PYTHONPATH": str(SOURCES)},
            text=True,
            capture_output=True,
            check=True,
        )
        assert done.stdout == "2\n"
        assert expected in done.stderr
    assert Path(folder, ".nacre", ".gitignore").read_text() == "*\n"
    again = nacre.build("b", modules=folder / "script.py")
    assert again.ok


def test_a_store_in_memory_leaves_nothing_behind(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_STORE", "memory://")
    module = project.module('@materialize("asset://a")\ndef a(): return 1\n')
    assert project.build(module).counts == {"built": 1}
    assert project.build(module).counts == {"checked": 1}
    assert nacre.load("asset://a") == 1
    assert not project.store.exists()
    assert not (project.folder / ".nacre").exists()


def test_the_clock_of_testing_is_a_clock() -> None:
    from nacre.execute.clock import Clock
    from nacre.testing import ManualClock

    clock: Clock = ManualClock()
    before = clock.now()
    clock.sleep(90)
    assert (clock.now() - before).total_seconds() == clock.monotonic() == 90
