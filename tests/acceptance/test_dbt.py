"""dbt models as assets: real dbt and DuckDB on local files, in one process."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import duckdb
import pyarrow as pa
import pytest

import nacre
from nacre.errors import DefinitionError, SourceDrift
from nacre.integrations.dbt import dbt_assets
from nacre.integrations.dbt.runner import Dbt, asked
from sandbox import Sandbox

FILES = {
    "dbt_project.yml": """
        name: shop
        version: "1.0"
        profile: shop
        vars: {floor: 1}
    """,
    "profiles.yml": """
        shop:
          target: dev
          outputs:
            dev: {type: duckdb, path: shop.duckdb, settings: {TimeZone: UTC}}
    """,
    "models/schema.yml": """
        sources:
          - name: raw
            tables:
              - name: orders
                config:
                  external_location: "read_parquet({{ env_var('NACRE_SOURCE_RAW_ORDERS', '') }})"
        models:
          - name: stage
            description: Orders of at least the floor.
            columns:
              - name: id
                data_tests: [unique, not_null]
    """,
    "models/stage.sql": "select id, price, {{ rounded('price') }} as about from {{ source('raw', 'orders') }}\n"
    "where price >= {{ var('floor') }}\n",
    "models/total.sql": "{{ config(materialized='table') }}\n"
    "select count(*) as n, sum(price)::double as price from {{ ref('stage') }}\n",
    "models/largest.sql": "{{ config(materialized='table') }}\nselect max(about) as about from {{ ref('stage') }}\n",
    "macros/rounded.sql": "{% macro rounded(column) %}round({{ column }}, 1){% endmacro %}\n",
}
PIPELINE = """
    import pyarrow as pa
    from nacre.integrations.dbt import dbt_assets

    @materialize("shop://orders.parquet")
    def orders() -> pa.Table:
        return pa.table(world.get("orders") or {"id": [1, 2, 3], "price": [0.5, 2.25, 4.0]})

    models = dbt_assets("dbt")

    @materialize("shop://report")
    def report(total: pa.Table, largest: pa.Table) -> dict:
        calls.append("report")
        return {**total.to_pylist()[0], **largest.to_pylist()[0]}
"""


class Shop:
    """A pipeline with a dbt project beside it."""

    def __init__(self, project: Sandbox, template: Path) -> None:
        self.sandbox = project
        self.folder = project.folder / "dbt"
        self.warehouse = project.folder / "shop.duckdb"
        shutil.copytree(template, self.folder)
        self.module = project.module(PIPELINE)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the dbt project; the next process reads it."""
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.restart()

    def restart(self) -> None:
        self.module = self.sandbox.edit(self.module, "", "")

    def build(self, *select: str, **options: bool) -> dict[str, tuple[str, str]]:
        result = self.sandbox.build(self.module, *select, **options)
        assert result.ok, result.errors
        return {step.name: ("checked" if step.checked else step.action, step.reason) for step in result.steps}

    def actions(self, *select: str) -> dict[str, str]:
        return {name: action for name, (action, _) in self.build(*select).items()}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as dbt has read it once: reading all of dbt's own macros takes longer than most tests."""
    folder = tmp_path_factory.mktemp("template")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    dbt_assets(folder)
    return folder


@pytest.fixture
def shop(project: Sandbox, template: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(project.folder)  # what the path of the DuckDB file is relative to
    return Shop(project, template)


REUSED = dict.fromkeys(["stage", "total", "largest", "report"], "reused")


def test_models_are_assets_of_one_lineage_with_the_functions_around_them(shop: Shop) -> None:
    assert set(shop.actions().values()) == {"built"}
    assert nacre.lineage("dbt://shop/stage").upstream == {"shop://orders.parquet"}
    assert nacre.lineage("dbt://shop/stage").downstream == {"dbt://shop/total", "dbt://shop/largest"}
    assert nacre.lineage("shop://report").upstream == {"dbt://shop/total", "dbt://shop/largest"}
    assert nacre.load("shop://report") == {"n": 2, "price": 6.25, "about": 4.0}
    assert nacre.load("dbt://shop/total", as_type=pa.Table).to_pylist() == [{"n": 2, "price": 6.25}]
    assert "1 of 3 OK created sql view model main.stage" in "\n".join(shop.sandbox.log())


def test_a_second_run_asks_the_source_and_runs_no_model(shop: Shop) -> None:
    shop.build()
    shop.restart()
    assert shop.actions() == {"orders": "checked", **REUSED}


@pytest.mark.whole
def test_editing_one_model_runs_it_and_below_it_only_what_changed(shop: Shop) -> None:
    shop.build()
    shop.edit("models/total.sql", "count(*) as n", "count(*) + 1 as n")
    happened = shop.build()
    assert happened["total"] == ("built", "code changed: `total` (models/total.sql) changed")
    assert happened["report"] == ("built", "only `n` of total differs")
    assert (happened["stage"][0], happened["largest"][0]) == ("reused", "reused")


@pytest.mark.whole
def test_an_edit_that_changes_no_row_ends_there(shop: Shop) -> None:
    shop.build()
    shop.edit("models/stage.sql", "select id", "-- ids first\nselect id")
    assert shop.actions() == {"orders": "checked", **REUSED, "stage": "built"}


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("macros/rounded.sql", ", 1)", ", 0)", "code changed: `macro rounded` (macros/rounded.sql) changed"),
        ("dbt_project.yml", "floor: 1", "floor: 3", "code changed: `var floor` (dbt_project.yml) changed"),
        ("models/schema.yml", "[unique, not_null]", "[not_null]", "code changed: `test unique_stage_id`"),
    ],
)
@pytest.mark.whole
def test_what_a_model_reaches_is_named_when_it_changes(
    shop: Shop, file: str, old: str, new: str, reason: str
) -> None:
    shop.build()
    shop.edit(file, old, new)
    action, told = shop.build()["stage"]
    assert action == "built"
    assert told.startswith(reason)


@pytest.mark.whole
def test_a_new_order_runs_all_that_it_reaches(shop: Shop) -> None:
    shop.build()
    shop.module.turn(orders={"id": [1, 2, 3, 4], "price": [0.5, 2.25, 4.0, 1.0]})
    happened = shop.build()
    assert happened["stage"] == ("built", "orders changed: +1 row")
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 3, "price": 7.25}]
    assert happened["largest"][0] == "built"
    shop.module.turn(orders={"id": [1, 2, 3, 4], "price": [0.25, 2.25, 4.0, 1.0]})
    assert shop.actions() == {"orders": "built", **REUSED, "stage": "built"}, "below the floor"


@pytest.mark.whole
def test_the_duckdb_file_is_only_a_cache(shop: Shop) -> None:
    shop.build()
    shop.warehouse.unlink()
    shop.restart()
    assert shop.actions() == {"orders": "checked", **REUSED}
    shop.edit("models/total.sql", "count(*) as n", "count(*) + 1 as n")
    assert shop.actions()["stage"] == "reused"
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 3, "price": 6.25}]


@pytest.mark.whole
def test_other_programs_can_write_the_duckdb_file_between_builds(shop: Shop) -> None:
    shop.build()
    with shop.sandbox.python(
        "-c", "import duckdb; duckdb.connect('shop.duckdb').sql('create table t (x int)')"
    ) as other:
        _, error = other.communicate(timeout=60)
    assert other.returncode == 0, error


def test_a_duckdb_file_that_is_open_elsewhere_is_said_to_be(shop: Shop) -> None:
    code = "import duckdb, sys; held = duckdb.connect('shop.duckdb'); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=shop.sandbox.folder, **pipes) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        error = str(shop.sandbox.build(shop.module, "stage").errors["dbt://shop/stage"])
        other.communicate()
    assert error.startswith("The DuckDB file of the dbt project cannot be opened")
    assert f"(PID {other.pid})" in error
    assert "→ close the other program" in error
    assert shop.build("stage")["stage"][0] == "built"


def test_another_process_that_uses_the_project_is_waited_for(shop: Shop) -> None:
    said = []
    with open(shop.folder / "target/nacre/lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def log(level: int, text: str) -> None:
            said.append(text)
            fcntl.flock(file, fcntl.LOCK_UN)  # as the other process does when it ends

        with asked(Dbt(shop.folder, shop.folder, "target/nacre"), log):
            assert said == ["waiting for another process that uses this dbt project"]


def test_a_missing_dbt_is_a_clear_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dbt.adapters.duckdb", None)
    (shop.folder / "models/total.sql").write_text("select 1 as n")
    with pytest.raises(nacre.errors.UsageError, match=r'not installed[\s\S]*pip install "\.\[dbt\]"'):
        dbt_assets(shop.folder)


@pytest.mark.whole
def test_a_relation_that_somebody_else_made_is_replaced_by_the_stored_version(shop: Shop) -> None:
    shop.build()
    with duckdb.connect(shop.warehouse) as connection:
        connection.execute("create or replace view main.stage as select 9 as id, 9.0 as price, 9.0 as about")
    shop.edit("models/total.sql", "count(*) as n", "count(*) + 1 as n")
    shop.build()
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 3, "price": 6.25}]


@pytest.mark.whole
def test_a_change_taken_back_is_known_and_never_mixed_up(shop: Shop) -> None:
    shop.build()
    shop.edit("models/stage.sql", "{{ var('floor') }}", "4")
    shop.build("stage")
    shop.edit("models/stage.sql", ">= 4", ">= {{ var('floor') }}")
    assert shop.build("stage")["stage"] == ("reused", "made before from the same inputs and code")
    shop.edit("models/total.sql", "count(*) as n", "count(*) + 1 as n")
    shop.build()
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 3, "price": 6.25}]


@pytest.mark.whole
def test_a_failing_model_names_its_file_and_keeps_what_was_there(shop: Shop) -> None:
    shop.build()
    shop.edit("models/total.sql", "count(*) as n", "nothing as n")
    result = shop.sandbox.build(shop.module)
    error = str(result.errors["dbt://shop/total"])
    lines = error.splitlines()
    assert lines[0] == "The dbt model total failed"
    assert lines[1].split() == ["file", "dbt/models/total.sql"]
    assert 'Binder Error: Referenced column "nothing" not found' in error
    assert "dbt/target/nacre/compiled/shop/models/total.sql" in error
    assert "Stored data is safe" in error
    assert result["report"].action == "skipped"
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 2, "price": 6.25}]


def test_a_failing_test_of_a_model_fails_its_step(shop: Shop) -> None:
    shop.module.turn(orders={"id": [1, 1], "price": [2.0, 3.0]})
    result = shop.sandbox.build(shop.module)
    error = str(result.errors["dbt://shop/stage"])
    assert error.startswith("stage does not pass the test unique_stage_id")
    assert "Got 1 result" in error
    with pytest.raises(nacre.errors.NotMaterialized):
        nacre.load("dbt://shop/stage")


def test_a_project_edited_under_a_running_process_is_not_run(shop: Shop) -> None:
    path = shop.folder / "models/stage.sql"
    path.write_text(path.read_text() + "-- later\n")
    result = shop.sandbox.build(shop.module)
    assert isinstance(result.errors["dbt://shop/stage"], SourceDrift)


@pytest.mark.whole
def test_models_that_run_at_the_same_time_take_turns(shop: Shop) -> None:
    for number in range(6):
        shop.write(
            f"models/wide_{number}.sql",
            f"{{{{ config(materialized='table') }}}} select {number} as n, * from {{{{ ref('stage') }}}}",
        )
    shop.restart()
    happened = shop.actions()
    assert [happened[f"wide_{number}"] for number in range(6)] == ["built"] * 6
    assert nacre.load("wide_5", as_type=pa.Table)["n"].to_pylist() == [5, 5]


@pytest.mark.whole
def test_the_order_of_rows_is_no_change_but_is_kept(shop: Shop) -> None:
    shop.edit("models/largest.sql", "select max(about) as about from", "select id from")
    shop.edit("models/largest.sql", "{{ ref('stage') }}", "{{ ref('stage') }} order by id desc")
    shop.sandbox.build(shop.module, "largest")
    assert nacre.load("largest", as_type=pa.Table)["id"].to_pylist() == [3, 2]
    before = shop.sandbox.record("dbt://shop/largest").outputs[0].data_version
    shop.edit("models/largest.sql", "desc", "asc")
    shop.sandbox.build(shop.module, "largest")
    assert shop.sandbox.record("dbt://shop/largest").outputs[0].data_version == before


@pytest.mark.whole
def test_an_incremental_model_adds_to_its_version_until_its_code_changes(shop: Shop) -> None:
    shop.write(
        "models/seen.sql",
        "{{ config(materialized='incremental', unique_key='id') }}\nselect id from {{ ref('stage') }}\n"
        "{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}\n",
    )
    shop.restart()
    shop.build("seen")
    shop.warehouse.unlink()
    shop.module.turn(orders={"id": [3, 4], "price": [4.0, 1.0]})
    shop.build("seen")
    assert sorted(nacre.load("seen", as_type=pa.Table)["id"].to_pylist()) == [2, 3, 4]
    shop.edit("models/seen.sql", "select id", "select id + 0 as id")
    shop.module.turn(orders={"id": [3, 4], "price": [4.0, 1.0]})
    shop.build("seen")
    assert sorted(nacre.load("seen", as_type=pa.Table)["id"].to_pylist()) == [3, 4]


@pytest.mark.whole
def test_a_seed_runs_when_its_file_changes(shop: Shop) -> None:
    shop.write("seeds/rates.csv", "currency,rate\neur,1.0")
    shop.write("models/rate.sql", "{{ config(materialized='table') }} select rate from {{ ref('rates') }}")
    shop.restart()
    assert shop.actions("rate") == {"rates": "built", "rate": "built"}
    shop.restart()
    assert shop.actions("rate") == {"rates": "reused", "rate": "reused"}
    shop.edit("seeds/rates.csv", "eur,1.0", "eur,1.5")
    happened = shop.build("rate")
    assert happened["rates"] == ("built", "code changed: `rates` (seeds/rates.csv) changed")
    assert nacre.load("rate", as_type=pa.Table).to_pylist() == [{"rate": 1.5}]


@pytest.mark.whole
def test_published_files_are_read_where_they_lie_and_only_those_of_the_inputs(shop: Shop) -> None:
    (shop.sandbox.folder / "nacre.toml").write_text('[places]\n"s3://lake" = "[my] lake"\n')
    stray = shop.sandbox.folder / "[my] lake" / "orders" / "day=sun" / "orders.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"not one of the partitions, and not even a table")
    shop.module = shop.sandbox.module("""
        import pyarrow as pa
        from nacre import StaticPartitions
        from nacre.integrations.dbt import dbt_assets, published_at

        days = StaticPartitions(["mon", "tue"], "day")

        @materialize("s3://lake/orders/day={day}/orders.parquet", partitions=days)
        def orders(day: str) -> pa.Table:
            return pa.table({"id": [days.names.index(day)], "price": [5.0]})

        models = dbt_assets("dbt")
        place = published_at(orders)
    """)
    assert set(shop.actions().values()) == {"built"}
    assert nacre.load("total", as_type=pa.Table).to_pylist() == [{"n": 2, "price": 10.0}]
    assert not (shop.folder / "target/nacre/sources").exists()
    assert shop.module.place.endswith("/[[]my] lake/orders/day=*/orders.parquet")


def test_only_what_is_selected_is_declared(shop: Shop) -> None:
    keys = sorted(task.key for task in dbt_assets(shop.folder, select="+total"))
    assert keys == ["dbt://shop/stage", "dbt://shop/total"]


def test_what_dbt_said_is_kept_while_it_holds(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("dbt was asked")

    monkeypatch.setattr("nacre.integrations.dbt.project.asked", refuse)
    assert len(dbt_assets(shop.folder)) == 3
    (shop.folder / "models/total.sql").write_text("select 1 as n")
    with pytest.raises(AssertionError, match="dbt was asked"):
        dbt_assets(shop.folder)


def test_a_mistake_in_the_project_is_a_definition_error(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no dbt project[\s\S]*looked for"):
        dbt_assets(tmp_path / "elsewhere")
    shop.write("models/total.sql", "select * from {{ ref('nobody') }}")
    with pytest.raises(DefinitionError, match=r"dbt cannot read the project[\s\S]*nobody"):
        dbt_assets(shop.folder)


def test_a_source_that_nobody_makes_is_found_before_anything_runs(shop: Shop) -> None:
    module: ModuleType = shop.sandbox.edit(shop.module, "def orders", "def bestellungen")
    module = shop.sandbox.edit(module, "shop://orders.parquet", "shop://bestellungen.parquet")
    with pytest.raises(nacre.errors.MissingArgument, match=r"'orders' names no asset[\s\S]*stage"):
        shop.sandbox.build(module)
