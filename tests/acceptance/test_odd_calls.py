"""Calls that are legal and rare: plain values for an asset's parameter, assets that need themselves."""

from __future__ import annotations

import pytest

from nacre.errors import CyclicAssets
from sandbox import Sandbox


def test_an_asset_given_plain_values_in_place_of_its_upstream_is_reused(project: Sandbox) -> None:
    """It is no source: its parameter names an asset, so nothing but its arguments can change its result."""
    module = project.module(
        """
        @materialize("asset://raw")
        def raw():
            return [1]

        @materialize("asset://total")
        def total(raw):
            calls.append(list(raw))
            return sum(raw)
        """
    )
    assert [module.total([1, 2]), module.total([1, 2]), module.total([5])] == [3, 3, 5]
    assert module.calls == [[1, 2], [5]]


def test_an_asset_that_calls_what_needs_it_is_refused_instead_of_waiting_for_itself(project: Sandbox) -> None:
    module = project.module(
        """
        @materialize("asset://first")
        def first():
            return second()

        @materialize("asset://second")
        def second(first):
            return 1
        """
    )
    with pytest.raises(CyclicAssets, match="needed to make itself"):
        module.first()
    result = project.build(module, "first")
    assert isinstance(result.errors["asset://first"], CyclicAssets)
