"""The DuckDB file of a dbt project, as a cache: what is in it is known by a mark on each relation.

A mark is the relation's comment. Whoever makes the relation anew without nacre drops it, and nacre then puts back the
version it has stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nacre.errors import SAFE, DefinitionError, StepFailed
from nacre.values.duckdb import to_arrow

_BUSY = "Could not set lock on file"
_MARK = re.compile(r"\[nacre ([0-9a-f]+) (\S+)\]")
_FIND = """
    select kind, comment from (
        select 'table' as kind, comment, database_name as d, schema_name as s, table_name as n from duckdb_tables()
        union all
        select 'view', comment, database_name, schema_name, view_name from duckdb_views()
    ) where d = ? and s = ? and n = ?
"""
_PART = re.compile(r'"((?:[^"]|"")*)"')


class Warehouse:
    """An open DuckDB file.

    Args:
        cursor: A connection set up as dbt sets up its own.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def holds(self, relation: str, data_version: str, run: str) -> bool:
        """Say whether a relation has this content.

        A view shows what its upstreams hold now, so it is trusted only in the run that made it.
        """
        kind, comment = self._find(relation)
        mark = _MARK.search(comment)
        return mark is not None and mark[1] == data_version and (kind == "table" or mark[2] == run)

    def read(self, relation: str) -> Any:
        """Read a relation into an Arrow table."""
        return to_arrow(self._cursor.execute(f"select * from {relation}"))  # noqa: S608  # dbt's own name

    def mark(self, relation: str, data_version: str, run: str) -> None:
        """Note which content a relation has."""
        kind, comment = self._find(relation)
        text = f"{_MARK.sub('', comment).rstrip()} [nacre {data_version} {run}]".strip().replace("'", "''")
        self._cursor.execute(f"comment on {kind} {relation} is '{text}'")

    def restore(self, relation: str, table: Any, data_version: str, run: str) -> None:
        """Put a stored version where dbt looks for the relation, whatever was there."""
        kind, _ = self._find(relation)
        schema = relation.rpartition(".")[0]
        self._cursor.execute(f"create schema if not exists {schema}")
        if kind:
            self._cursor.execute(f"drop {kind} {relation}")
        self._cursor.register("nacre_version", table)
        self._cursor.execute(f"create table {relation} as select * from nacre_version")  # noqa: S608  # dbt's own name
        self._cursor.unregister("nacre_version")
        self.mark(relation, data_version, run)

    def _find(self, relation: str) -> tuple[str, str]:
        """Return what a relation is, table or view, with its comment; empty texts where there is none."""
        names = [part.replace('""', '"') for part in _PART.findall(relation)]
        row = self._cursor.execute(_FIND, names).fetchone()
        return (row[0], row[1] or "") if row else ("", "")


@contextmanager
def opened(credentials: Any) -> Iterator[Warehouse]:
    """Open the DuckDB file with the settings of a dbt profile; times are read as UTC.

    Raises:
        DefinitionError: The profile names no file.
        StepFailed: It cannot be opened.
    """
    from dbt.adapters.duckdb import environments

    if credentials.path.startswith(":memory:"):
        facts = {"path": credentials.path}
        raise DefinitionError(
            "A dbt profile must name a DuckDB file",
            facts,
            "write path: target/warehouse.duckdb in profiles.yml",
        )
    handle = _handle(environments.create(credentials), credentials.path)
    try:
        cursor = handle.cursor()
        # Else the type of a column of times would name the time zone of the machine that read it.
        cursor.execute("set TimeZone = 'UTC'")
        yield Warehouse(cursor)
    finally:
        handle.close()


def _handle(environment: Any, path: str) -> Any:
    try:
        return environment.handle()
    except Exception as error:  # DuckDB's own classes; what went wrong is in their text
        hint = (
            "close the other program: DuckDB lets one process at a time write a file"
            if _BUSY in str(error)
            else ""
        )
        facts = {"file": path, "DuckDB says": str(error).splitlines()[0]}
        raise StepFailed(
            "The DuckDB file of the dbt project cannot be opened", facts, (hint, SAFE)
        ) from error


def in_any_order(table: Any) -> Any:
    """Sort the rows of a table, so that two tables of the same rows have one data version: SQL promises no order."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("rows_of_model", table)
        return to_arrow(connection.execute("select * from rows_of_model order by all"))
