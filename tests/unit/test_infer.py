"""Inference: which parameter means which asset."""

from __future__ import annotations

from types import FunctionType

from nacre import Asset, Task, materialize
from nacre.graph.graph import Edge
from nacre.graph.infer import asset_names, infer

AnyTask = Task[..., object]


def declare(source: str, scope: dict[str, object] | None = None) -> list[AnyTask]:
    """Declare what a module of this source would."""
    space: dict[str, object] = {"materialize": materialize, "Asset": Asset, **(scope or {})}
    exec("from typing import Annotated\n" + source, space)
    return [value for value in space.values() if isinstance(value, Task)]


def edges(tasks: list[AnyTask], step: str) -> tuple[Edge, ...]:
    return infer(tasks).graph.upstream[step]


def test_an_asset_answers_to_its_key_and_to_its_function() -> None:
    (task,) = declare('@materialize("s3://lake/posts.parquet")\ndef fetch(): ...')
    assert asset_names(task) == [("posts", "s3://lake/posts.parquet"), ("fetch", "s3://lake/posts.parquet")]
    (task,) = declare('@materialize("a://x", "a://y")\ndef both(): ...')
    assert asset_names(task) == [("x", "a://x"), ("y", "a://y")]


def test_a_parameter_means_the_asset_of_its_name() -> None:
    tasks = declare(
        '@materialize("s3://lake/posts.parquet")\ndef fetch(): ...\n'
        '@materialize("a://by_key")\ndef by_key(posts): ...\n'
        '@materialize("a://by_function")\ndef by_function(fetch): ...\n'
    )
    assert edges(tasks, "a://by_key") == (Edge("posts", "s3://lake/posts.parquet"),)
    assert edges(tasks, "a://by_function") == (Edge("fetch", "s3://lake/posts.parquet"),)


def test_the_same_module_comes_before_the_others() -> None:
    one = declare(
        '@materialize("a://one/posts")\ndef posts(): ...\n@materialize("a://mine")\ndef mine(posts): ...'
    )
    other = declare('@materialize("a://other/posts")\ndef posts(): ...')
    assert edges([*other, *one], "a://mine") == (Edge("posts", "a://one/posts"),)
    third = declare('@materialize("a://third")\ndef third(posts): ...')
    found = infer([*other, *one, *third])
    assert found.ambiguous == {"a://third": {"posts": ["a://other/posts", "a://one/posts"]}}
    assert edges([*other, *third], "a://third") == (Edge("posts", "a://other/posts"),)


def test_an_annotation_comes_before_everything() -> None:
    tasks = declare(
        '@materialize("a://posts")\ndef posts(): ...\n'
        '@materialize("a://x")\ndef x(posts: Annotated[list, Asset("b://posts")], y: Annotated[int, posts] = 3): ...'
    )
    assert edges(tasks, "a://x") == (Edge("posts", "b://posts"), Edge("y", "a://posts"))


def test_asset_deps_come_before_names_and_are_edges_of_their_own() -> None:
    tasks = declare(
        '@materialize("a://posts")\ndef posts(): ...\n'
        '@materialize("a://x", asset_deps=["b://posts", "c://more"])\ndef x(posts): ...'
    )
    assert edges(tasks, "a://x") == (Edge("posts", "b://posts"), Edge("", "c://more"))


def test_a_parameter_with_a_default_means_no_asset() -> None:
    tasks = declare(
        '@materialize("a://posts")\ndef posts(): ...\n@materialize("a://x")\ndef x(posts=None): ...'
    )
    assert edges(tasks, "a://x") == ()
    assert infer(tasks).missing == {}


def test_nothing_is_made_from_itself() -> None:
    bronze = declare('@materialize("s3://bronze/posts.parquet")\ndef fetch(): ...')
    silver = declare('@materialize("s3://silver/posts.parquet")\ndef clean(posts): ...')
    together = declare(
        '@materialize("s3://bronze/posts.parquet")\ndef fetch(): ...\n'
        '@materialize("s3://silver/posts.parquet")\ndef clean(posts): ...'
    )
    for tasks in ([*bronze, *silver], together):
        assert edges(tasks, "s3://silver/posts.parquet") == (Edge("posts", "s3://bronze/posts.parquet"),)
    assert edges(silver, "s3://silver/posts.parquet") == (Edge("posts", "s3://silver/posts.parquet"),)


def test_what_names_nothing_is_missing() -> None:
    tasks = declare('@materialize("a://x")\ndef x(nothing, *rest, **more): ...')
    assert infer(tasks).missing == {"a://x": ["nothing"]}


def test_two_makers_of_a_key_are_duplicates_and_the_first_holds() -> None:
    tasks = declare(
        '@materialize("a://x")\ndef x(): ...\n@materialize("a://y", "a://x")\ndef y(): ...\n'
        '@materialize("a://x")\ndef z(): ...'
    )
    found = infer(tasks)
    assert [task.name for task in found.duplicates["a://x"]] == ["x", "y", "z"]
    assert found.graph.producer["a://x"] == "a://x"


def test_order_is_upstream_first_and_else_as_written() -> None:
    tasks = declare(
        '@materialize("a://c")\ndef c(b): ...\n@materialize("a://b")\ndef b(a): ...\n'
        '@materialize("a://a")\ndef a(): ...\n@materialize("a://z")\ndef z(): ...'
    )
    graph = infer(tasks).graph
    assert graph.order == ("a://a", "a://z", "a://b", "a://c")
    assert graph.ancestors(["a://b"]) == {"a://a", "a://b"}
    assert graph.descendants(["a://b"]) == {"a://b", "a://c"}
    assert graph.is_source("a://a")


def test_a_cycle_is_left_out_of_the_order() -> None:
    tasks = declare('@materialize("a://a")\ndef a(b): ...\n@materialize("a://b")\ndef b(a): ...')
    assert infer(tasks).graph.order == ()


def test_a_deep_chain_is_ordered_without_recursion() -> None:
    def step() -> None: ...

    tasks = []
    for n in reversed(range(3_000)):
        code = step.__code__
        if n:
            code = (lambda: lambda x: x)().__code__.replace(co_varnames=(f"s{n - 1}",))
        tasks.append(materialize(f"a://s{n}")(FunctionType(code, globals(), f"s{n}")))
    assert infer(tasks).graph.order[-1] == "a://s2999"


def test_a_named_dependency_means_what_a_parameter_of_that_name_would() -> None:
    posts, late = declare(
        '@materialize("s3://lake/posts.parquet")\ndef fetch(): ...\n@materialize("a://late")\ndef late(): ...'
    )
    mart: AnyTask = Task(late.fn, assets=(Asset("dbt://shop/mart"),), named_deps=("posts",))
    assert edges([posts, mart], "dbt://shop/mart") == (Edge("", "s3://lake/posts.parquet"),)
    assert infer([mart]).missing == {"dbt://shop/mart": ["posts"]}
    assert mart.with_options(retries=1).named_deps == ("posts",)
