"""What versions are made of: code, recipe, outline. The two public digests are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nacre.values import data_version
    from nacre.version.code import code_version

__all__ = ["code_version", "data_version"]

_HOMES = {"code_version": "nacre.version.code", "data_version": "nacre.values"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nacre.version' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
