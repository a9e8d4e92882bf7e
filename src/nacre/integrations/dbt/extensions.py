"""Extensions of DuckDB that came with pip, put where DuckDB looks for them, so that nothing is downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

VARIABLE = "NACRE_DUCKDB_EXTENSIONS"
_PACKAGES = ("duckdb_extension_httpfs",)


def extensions(profiles: Path, folder: Path) -> dict[str, str]:
    """Install the extensions that pip has, where a profile asks for them.

    Args:
        profiles: The folder of ``profiles.yml``.
        folder: What they are installed below.

    Returns:
        The environment variable that says where; nothing where the profile does not ask for it.
    """
    file = profiles / "profiles.yml"
    if not file.is_file() or VARIABLE not in file.read_text(encoding="utf-8"):
        return {}
    place = folder / "extensions"
    for package in _PACKAGES:
        spec = find_spec(package)
        found = (
            sorted(Path(spec.origin).parent.glob("extensions/*/*.duckdb_extension"))
            if spec and spec.origin
            else []
        )
        for extension in found:
            if not list(place.glob(f"{extension.parent.name}/*/{extension.name}")):
                _install(extension, place)
    return {VARIABLE: str(place)}


def _install(extension: Path, place: Path) -> None:
    import duckdb

    place.mkdir(parents=True, exist_ok=True)
    quoted = str(extension).replace("'", "''")
    with duckdb.connect(config={"extension_directory": str(place)}) as connection:
        connection.execute(f"install '{quoted}'")
