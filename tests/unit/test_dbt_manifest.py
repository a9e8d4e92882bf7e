"""A dbt manifest as nacre reads it: keys, upstreams, and what a model's code is."""

from __future__ import annotations

from typing import Any

import pytest

from nacre.errors import DefinitionError
from nacre.integrations.dbt.manifest import Model, Source, Surroundings, models_in

AROUND = Surroundings(
    {"floor": 2, "shop": {"roof": 9}}, {"dbt-core": "1.11", "dbt_utils": "1.3"}, {"TEAM": "red"}
)


def node(name: str, *reads: str, sql: str = "", kind: str = "table", **more: Any) -> dict[str, Any]:
    config = {"materialized": kind, "tags": [], "meta": {}, **more.pop("config", {})}
    return {
        "resource_type": "model",
        "package_name": "shop",
        "name": name,
        "fqn": ["shop", "marts", name],
        "original_file_path": f"models/marts/{name}.sql",
        "relation_name": f'"shop"."main"."{name}"',
        "description": "",
        "tags": [],
        "raw_code": sql or f"select * from {name}",
        "unrendered_config": {},
        "depends_on": {"nodes": list(reads), "macros": more.pop("macros", [])},
        "config": config,
        **more,
    }


def macro(name: str, *calls: str, package: str = "shop", sql: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "package_name": package,
        "original_file_path": f"macros/{name}.sql",
        "macro_sql": sql or name,
        "depends_on": {"macros": list(calls)},
    }


def manifest(*nodes: dict[str, Any], macros: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    source = {"source_name": "lake", "name": "posts", "meta": meta}
    return {
        "metadata": {"project_name": "shop"},
        "nodes": {f"{each['resource_type']}.shop.{each['name']}": each for each in nodes},
        "sources": {"source.shop.lake.posts": source},
        "macros": macros or {},
    }


def model(name: str, found: dict[str, Any], **options: Any) -> Model:
    return next(each for each in models_in(found, AROUND, **options) if each.name == name)


def parts(name: str, found: dict[str, Any]) -> dict[str, str]:
    return {part.name: part.digest for part in model(name, found).parts}


def test_a_key_is_the_project_the_folders_and_the_name() -> None:
    assert model("orders", manifest(node("orders"))).key == "dbt://shop/marts/orders"
    said = manifest(node("orders", config={"meta": {"nacre": {"key": "s3://lake/orders.parquet"}}}))
    assert model("orders", said).key == "s3://lake/orders.parquet"


def test_a_prefix_that_names_a_place_makes_each_model_a_file_there() -> None:
    found = manifest(node("orders"))
    assert model("orders", found, prefix="s3://lake/dbt/").key == "s3://lake/dbt/marts/orders.parquet"
    assert model("orders", found, prefix="shop://dbt").key == "shop://dbt/marts/orders"


def test_refs_are_keys_and_a_source_is_an_asset_by_meta_or_by_name() -> None:
    reading = node("orders", "model.shop.stage", "source.shop.lake.posts")
    found = model("orders", manifest(node("stage"), reading))
    assert (found.refs, found.sources) == (("dbt://shop/marts/stage",), (Source("lake", "posts"),))
    assert found.sources[0].variable == "NACRE_SOURCE_LAKE_POSTS"
    told = model("orders", manifest(node("stage"), reading, nacre={"asset": "s3://lake/posts.parquet"}))
    assert told.sources == (Source("lake", "posts", "s3://lake/posts.parquet"),)


def test_what_an_ephemeral_model_reads_and_says_is_its_readers() -> None:
    inlined = node("inlined", "source.shop.lake.posts", kind="ephemeral")
    found = manifest(inlined, node("orders", "model.shop.inlined"))
    assert [each.name for each in models_in(found, AROUND)] == ["orders"]
    assert model("orders", found).sources == (Source("lake", "posts"),)
    assert {"orders", "inlined"} <= parts("orders", found).keys()


def test_only_selected_models_become_assets() -> None:
    found = manifest(node("one"), node("two"))
    assert [each.name for each in models_in(found, AROUND, ["model.shop.two"])] == ["two"]


def test_editing_one_model_changes_its_own_text_only() -> None:
    before = manifest(node("stage"), node("orders", "model.shop.stage"))
    after = manifest(node("stage", sql="select 2"), node("orders", "model.shop.stage"))
    assert parts("orders", before) == parts("orders", after)
    changed = {
        name for name, digest in parts("stage", after).items() if parts("stage", before)[name] != digest
    }
    assert changed == {"stage"}


def test_own_macros_count_by_text_and_those_of_packages_by_version() -> None:
    macros = {
        "macro.shop.cents": macro("cents", "macro.shop.round", "macro.dbt_utils.star"),
        "macro.shop.round": macro("round", sql="round({{ var('floor') }})"),
        "macro.dbt_utils.star": macro("star", package="dbt_utils"),
        "macro.shop.unused": macro("unused"),
    }
    found = parts("orders", manifest(node("orders", macros=["macro.shop.cents"]), macros=macros))
    assert {"macro cents", "macro round", "var floor"} <= found.keys()
    assert found["dist dbt_utils"] == "1.3"
    assert "macro unused" not in found


def test_variables_and_the_environment_count_where_they_are_named() -> None:
    def made(**around: Any) -> dict[str, str]:
        reading = node(
            "orders", sql="{{ var('roof') }} {{ env_var('TEAM') }} {{ env_var('NACRE_SOURCE_LAKE_POSTS') }}"
        )
        (found,) = models_in(manifest(reading), AROUND.__class__(**around))
        return {part.name: part.digest for part in found.parts if part.name.startswith(("var ", "env "))}

    one = made(vars={"roof": 1, "other": 1}, environ={"TEAM": "red"})
    assert one.keys() == {"var roof", "env TEAM"}
    assert one == made(vars={"roof": 1, "other": 2}, environ={"TEAM": "red"})
    assert one["var roof"] != made(vars={"shop": {"roof": 2}}, environ={"TEAM": "red"})["var roof"]
    assert one["env TEAM"] != made(vars={"roof": 1}, environ={})["env TEAM"]


def test_tags_and_descriptions_are_no_part_of_the_code() -> None:
    plain = parts("orders", manifest(node("orders")))
    assert plain == parts("orders", manifest(node("orders", config={"tags": ["daily"], "access": "public"})))
    assert plain != parts("orders", manifest(node("orders", kind="view")))


def test_a_test_of_one_model_is_part_of_it() -> None:
    check = node("unique_id", "model.shop.orders", resource_type="test", test_metadata={"name": "unique"})
    check["unique_id"] = "test.shop.unique_id"
    assert "test unique_id" in parts("orders", manifest(node("orders"), check))


def test_a_source_and_a_model_of_one_name_are_refused() -> None:
    found = manifest(node("posts"), node("orders", "source.shop.lake.posts"))
    with pytest.raises(DefinitionError, match="same name"):
        models_in(found, AROUND)


def test_a_snapshot_upstream_is_refused_by_name() -> None:
    snapshot = node("orders_before", resource_type="snapshot")
    found = manifest(snapshot, node("orders", "snapshot.shop.orders_before"))
    with pytest.raises(DefinitionError, match=r"reads +snapshot\.shop\.orders_before"):
        models_in(found, AROUND)
