"""SQL of ours, one statement a file, and SQL of the user, let through only if it does nothing but read.

Layer: queries, below the engine.
Source: faults E2 and E3; `sql/` beside this module.
Left to others: what a statement may reach at all, which DuckDB itself is locked to (`queries.engine`).

The settings of DuckDB are the wall; this is the door. DuckDB 1.5 lets the table function `enable_logging` change a
locked setting from inside a SELECT, and may abort the process on it, so a SELECT names only functions known to read.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final

import duckdb

from queries.errors import StatementFailed

_PARAMETER: Final = re.compile(r"\$(\w+)", re.ASCII)
PASSED_LIMIT: Final = 1000  # Texts that are remembered to have passed, and how long such a text may be.
PASSED_CHARACTERS_LIMIT: Final = 10_000
_PASSED: Final[set[str]] = set()
READING_FUNCTIONS: Final = frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_settings",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "parquet_file_metadata",
        "parquet_kv_metadata",
        "parquet_metadata",
        "parquet_schema",
        "range",
        "read_parquet",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
    }
)


@cache
def statement(name: str) -> str:
    """Return the text of a statement of `queries/sql`."""
    return resources.files("queries").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def parameters_of(*names: str) -> frozenset[str]:
    """Return the names of the parameters that statements of `queries/sql` use: DuckDB refuses any other."""
    return frozenset(name for file in names for name in _PARAMETER.findall(statement(file)))


def require_select(cursor: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise StatementFailed unless a text is exactly one SELECT, parsed by DuckDB itself and not run.

    A text that passed passes again: whether it does is a matter of the text alone.
    """
    if query in _PASSED:
        return
    kinds = [found.type for found in duckdb.extract_statements(query)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise StatementFailed("give exactly one SELECT statement")
    parsed = _parsed(cursor, query)
    if parsed["error"]:
        raise StatementFailed(str(parsed["error_message"]))
    others = sorted(set(_table_functions(parsed)) - READING_FUNCTIONS)
    if others:
        raise StatementFailed(f"{', '.join(others)}: no function that only reads the tape")
    if len(query) <= PASSED_CHARACTERS_LIMIT:
        if len(_PASSED) >= PASSED_LIMIT:
            _PASSED.clear()
        _PASSED.add(query)


def _parsed(cursor: duckdb.DuckDBPyConnection, query: str) -> dict[str, object]:
    ((text,),) = cursor.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchall()
    return dict(json.loads(text))


def _table_functions(node: object) -> Iterator[str]:
    """Yield the names of the table functions in a parsed statement, wherever they stand in it."""
    if isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield str(node["function"]["function_name"]).lower()
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _table_functions(item)
