"""``Asset``: a key and what a person should know about it. Frozen; says nothing about how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nacre.context import require_step
from nacre.errors import InvalidOption
from nacre.keys import validate_key

MAX_DESCRIPTION = 2_500


@dataclass(frozen=True, slots=True)
class AssetProperties:
    """What a person should know about an asset; shown in the catalog.

    Args:
        name: Readable name.
        url: Where to look at it.
        description: At most 2,500 characters.
        owners: People or teams, each as they like to be named.

    Raises:
        InvalidOption: The description is too long.
    """

    name: str | None = None
    url: str | None = None
    description: str | None = None
    owners: list[str] | None = None

    def __post_init__(self) -> None:
        if self.description is not None and len(self.description) > MAX_DESCRIPTION:
            facts = {"length": len(self.description), "limit": MAX_DESCRIPTION}
            raise InvalidOption("An asset's description is too long", facts)


class Asset:
    """A named data product. Hashes by key; equality also compares the properties.

    Args:
        key: A URI such as ``s3://lake/posts.parquet``.
        properties: What a person should know about it.

    Raises:
        InvalidKey: The key breaks a rule.
    """

    __slots__ = ("key", "properties")
    key: str
    properties: AssetProperties | None

    def __init__(self, key: str, properties: AssetProperties | None = None, **_: object) -> None:
        object.__setattr__(self, "key", validate_key(key))
        object.__setattr__(self, "properties", properties)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Asset is frozen; cannot set {name!r}")

    def __repr__(self) -> str:
        return f"Asset(key={self.key!r})"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Asset):
            return NotImplemented
        return self.key == other.key and self.properties == other.properties

    def __reduce__(self) -> tuple[object, ...]:
        return Asset, (self.key, self.properties)

    def add_metadata(self, metadata: Mapping[str, object]) -> None:
        """Attach metadata to the version of this asset that the running step materializes.

        Args:
            metadata: JSON-able values by name; merged with what was added before, later wins.

        Raises:
            MissingContext: No step is executing (a ``RuntimeError``).
            ValueError: The step does not materialize this asset.
        """
        add_asset_metadata(self, metadata)


def add_asset_metadata(asset: Asset | str, metadata: Mapping[str, object]) -> None:
    """Attach metadata to the version of an asset that the running step materializes.

    Args:
        asset: The asset or its key.
        metadata: JSON-able values by name; merged with what was added before, later wins.

    Raises:
        MissingContext: No step is executing (a ``RuntimeError``).
        ValueError: The step does not materialize this asset.
    """
    key = asset.key if isinstance(asset, Asset) else asset
    require_step("add_asset_metadata").add_metadata(key, metadata)
