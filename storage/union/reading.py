"""Rows of a recorder's lake, window by window, each row group read a few times a date and not once a window.

Layer: storage, below lines and days. Reads files; knows no message.
Source: measured: a date in one file a table has small symbols side by side in a row group, and ninety-six windows of it
    each read the whole group: that was four fifths of a merge.
Left to others: which windows and symbols (`storage.union.day`), what the rows are (`storage.union.lines`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.lake import FileInfo
from storage.schemas import SCHEMAS

_TIME: Final = "receive_ns"
_CODED: Final = frozenset({"symbol", "session_id", "msg_type", "verdict", "segment", "side", "action"})


class _Stretch(NamedTuple):
    """Rows of a table in a half-open stretch of time."""

    from_ns: int
    to_ns: int
    rows: pa.Table


class Reading:
    """Some symbols of one recorder. stretch_ns: how far ahead of a window its rows are read and held."""

    def __init__(self, files: Mapping[str, Sequence[FileInfo]], symbols: Sequence[str | None], stretch_ns: int) -> None:
        self._files, self._symbols, self._stretch_ns = files, symbols, stretch_ns
        self._held: dict[str, _Stretch] = {}

    def rows(self, table: str, columns: Sequence[str], *, from_ns: int, to_ns: int) -> pa.Table:
        """Return the rows of a table in a half-open window; windows come in the order of time. Errors: as `rows_of`."""
        held = self._held.get(table)
        if held is None or from_ns < held.from_ns or to_ns > held.to_ns:
            self._held.pop(table, None)  # Before the next one is read.
            until_ns = max(to_ns, from_ns + self._stretch_ns)
            found = rows_of(
                self._files,
                table,
                (_TIME, *(name for name in columns if name != _TIME)),
                from_ns=from_ns,
                to_ns=until_ns,
                symbols=self._symbols,
            )
            held = self._held[table] = _Stretch(from_ns, until_ns, found.unify_dictionaries().combine_chunks())
        at_ns = held.rows[_TIME]
        return held.rows.filter(pc.and_(pc.greater_equal(at_ns, from_ns), pc.less(at_ns, to_ns))).select(columns)


def rows_of(
    files: Mapping[str, Sequence[FileInfo]],
    table: str,
    columns: Sequence[str] | None,
    *,
    from_ns: int,
    to_ns: int,
    symbols: Sequence[str | None] | None = None,
) -> pa.Table:
    """Return the rows of a table in a half-open window of receive_ns, of some symbols if any are named.

    Shapes: where columns are named, names are dictionary arrays; elsewhere they are plain strings.
    Errors: OSError and ArrowException of a file that cannot be read, its page checksums included.
    """
    wanted: Any = (pc.field(_TIME) >= from_ns) & (pc.field(_TIME) < to_ns)
    if symbols is not None:
        named = pc.field("symbol").isin(pa.array([it for it in symbols if it is not None], pa.string()))
        wanted &= (named | pc.field("symbol").is_null()) if None in symbols else named
    found = [
        pq.read_table(
            file.path,
            columns=None if columns is None else list(columns),
            filters=wanted,
            read_dictionary=[name for name in columns or () if name in _CODED],
            partitioning=None,
            page_checksum_verification=True,
        )
        for file in files[table]
        if file.last_ns >= from_ns and file.first_ns < to_ns
    ]
    if found:
        return pa.concat_tables(found)
    empty = SCHEMAS[table].empty_table()
    return empty if columns is None else empty.select(columns)
