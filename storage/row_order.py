"""The order of rows in a file, its row groups, and dictionaries that hold what is used: all by the rows alone.

Layer: storage, above the schemas. Knows Arrow tables; no file.
Source: design section 5: rows clustered by symbol, statistics by which DuckDB leaves out row groups.
Left to others: rows out of columns (`storage.batches`), bytes (`storage.files`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from storage.schemas import SORTED_BY, written_schema

ROW_GROUP_ROWS: Final = 122_880  # At most; as DuckDB cuts its own: a multiple of its vectors, small enough to skip by.
ROW_GROUP_ROWS_BOOKS: Final = 4_096  # Of `books`, where a row is four lists of up to a thousand levels.


def sorted_rows(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries are sorted by symbol, then receive_ns, stable."""
    symbol, receive_ns = (rows[name].combine_chunks() for name in SORTED_BY)
    keys = pa.table({"symbol": symbol.indices, "receive_ns": receive_ns})  # Codes are in the order of their names.
    by = [("symbol", "ascending", "at_end")]
    if not pc.all(pc.less_equal(receive_ns[:-1], receive_ns[1:]), min_count=0).as_py():
        by.append(("receive_ns", "ascending", "at_end"))  # Left out where it holds: a few codes alone sort by counting.
    return pc.take(rows, pc.sort_indices(keys, sort_keys=by), boundscheck=False)


def only_used_values(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries hold just the values in use, sorted.

    A file's dictionary pages are then a function of its rows, whatever else the batch held.
    """
    columns = [_used_values(column) if pa.types.is_dictionary(column.type) else column for column in rows.columns]
    return pa.table(columns, rows.column_names)


def _used_values(column: pa.ChunkedArray) -> pa.Array:
    chunk = column.combine_chunks()
    values = chunk.dictionary.to_pylist()
    # Names come in runs, and only the heads of these are looked at one by one.
    heads = pc.run_end_encode(chunk.indices).values
    used = [code for code in pc.unique(heads).to_pylist() if code is not None]
    used.sort(key=values.__getitem__)
    new_codes = dict(zip(used, range(len(used)), strict=True))
    recoded = pc.take(pa.array([new_codes.get(code) for code in range(len(values))], pa.int32()), chunk.indices)
    return pa.DictionaryArray.from_arrays(recoded, pa.array([values[code] for code in used], pa.string()))


def merged(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several files of one table as one: dictionaries where they are written so, sorted.

    Shapes: parts as read from files, so names may be plain strings; rows that agree in symbol and receive_ns keep the
        order of the parts.
    """
    return sorted_rows(joined([conformed(name, part) for part in parts]))


def conformed(name: str, rows: pa.Table) -> pa.Table:
    """Return rows of a file of one table as they are written today; a column that it lacks is null.

    Errors: ValueError where it has a column that is not known here.
    """
    schema = written_schema(name)
    unknown = sorted(set(rows.column_names) - set(schema.names))
    if unknown:
        raise ValueError(f"columns {', '.join(unknown)} of {name} are not known here")
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Return rows one after the other, with one dictionary a column that holds just the values in use, sorted."""
    return only_used_values(pa.concat_tables(parts).unify_dictionaries())


def in_order(rows: pa.Table) -> bool:
    """Return whether rows stand by symbol, null last, then receive_ns."""
    if rows.num_rows < 2:
        return True
    symbol = rows["symbol"].cast(pa.string()).combine_chunks()
    receive_ns = rows["receive_ns"].combine_chunks()
    before, after = symbol[:-1], symbol[1:]
    same = pc.or_(pc.fill_null(pc.equal(before, after), False), pc.and_(pc.is_null(before), pc.is_null(after)))  # noqa: FBT003
    rises = pc.fill_null(pc.less(before, after), pc.and_(pc.is_valid(before), pc.is_null(after)))
    later = pc.less_equal(receive_ns[:-1], receive_ns[1:])
    return bool(pc.all(pc.or_(rises, pc.and_(same, later))).as_py())


def group_rows_limit(name: str) -> int:
    """Return how many rows a row group of a table has at most."""
    return ROW_GROUP_ROWS_BOOKS if name == "books" else ROW_GROUP_ROWS


def row_groups(rows: pa.Table, rows_limit: int = ROW_GROUP_ROWS) -> Iterator[pa.Table]:
    """Yield sorted rows group by group, each with just the dictionary values that it uses.

    A symbol of at least half a group has groups to itself, about equally long; smaller ones that follow each other
    share one, as each group costs headers, and a dictionary and a window for zstd of its own.
    """
    ends = list(group_ends(_runs(rows["symbol"]), rows_limit))
    if len(ends) == 1:  # As nearly every batch is.
        yield rows
        return
    for begin, end in zip([0, *ends], ends, strict=False):
        yield only_used_values(rows.slice(begin, end - begin))


def _runs(symbols: pa.ChunkedArray) -> list[int]:
    """Return how many rows each symbol has, in their order."""
    ends = pc.run_end_encode(symbols.combine_chunks().indices).run_ends.to_pylist()
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def group_ends(runs: Iterable[int], rows_limit: int) -> Iterator[int]:
    """Yield where groups end, given how many rows each symbol has."""
    begin = at = 0
    for run in runs:
        alone = 2 * run >= rows_limit
        if at > begin and (alone or at + run - begin > rows_limit):
            begin = at
            yield at
        at += run
        if alone:
            pieces = -(-run // rows_limit)
            yield from (begin + run * piece // pieces for piece in range(1, pieces + 1))
            begin = at
    if at > begin:
        yield at
