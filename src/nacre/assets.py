"""Assets, on Prefect's import path."""

from nacre.declare.asset import Asset, AssetProperties, add_asset_metadata
from nacre.declare.task import materialize

__all__ = ["Asset", "AssetProperties", "add_asset_metadata", "materialize"]
