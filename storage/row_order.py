"""The order of rows in a file, its row groups, and dictionaries that hold what is used: all by the rows alone.

Layer: storage, above the schemas. Knows Arrow tables; no file.
Source: design section 5: rows clustered by symbol, statistics by which DuckDB leaves out row groups.
Left to others: rows out of columns (`storage.batches`), bytes (`storage.files`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from storage.schemas import SORTED_BY, written_schema

ROW_GROUP_ROWS: Final = 122_880  # At most; as DuckDB cuts its own: a multiple of its vectors, small enough to skip by.
PROBED_CODES: Final = 8  # Of more, a dictionary's codes are told apart by hashing.
ALONE: Final = 2  # A symbol with one over this of a group's rows shares none.
ALONE_MESSAGES: Final = 16
ROW_GROUP_ROWS_BOOKS: Final = 4_096  # Of `books`, where a row is four lists of up to a thousand levels.


def row_order(symbols: pa.Array, receive_ns: pa.Array) -> pa.Array | None:
    """Return the places of rows by symbol, null last, then receive_ns, stable; None where they stand so already.

    symbols: codes in the order of their names.
    """
    by = [("symbol", "ascending", "at_end")]
    if not _rises(receive_ns):
        by.append(("receive_ns", "ascending", "at_end"))  # Left out where it holds: a few codes alone sort by counting.
    elif symbols.null_count == 0 and _rises(symbols):
        return None
    return pc.sort_indices(pa.table({"symbol": symbols, "receive_ns": receive_ns}), sort_keys=by)


def sorted_rows(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries are sorted by symbol, then receive_ns, stable."""
    symbol, receive_ns = (rows[name].combine_chunks() for name in SORTED_BY)
    order = row_order(symbol.indices, receive_ns)
    return rows if order is None else pc.take(rows, order, boundscheck=False)


def _rises(values: pa.Array) -> bool:
    return bool(pc.all(pc.less_equal(values[:-1], values[1:]), min_count=0).as_py())


def only_used_values(rows: pa.Table) -> pa.Table:
    """Return rows whose dictionaries hold just the values in use, sorted.

    A file's dictionary pages are then a function of its rows, whatever else the batch held.
    """
    columns = [_used_values(column) if pa.types.is_dictionary(column.type) else column for column in rows.columns]
    return pa.table(columns, rows.column_names)


def _used_values(column: pa.ChunkedArray) -> pa.Array:
    chunk = column.combine_chunks()
    return names_in_use(chunk.indices, chunk.dictionary.to_pylist())


def names_in_use(codes: pa.Array, values: Sequence[str]) -> pa.DictionaryArray:
    """Return codes into names as a dictionary array that holds just the names in use, sorted; below zero is null."""
    lowest, highest = extremes(codes)
    used = [] if lowest is None else _used_codes(codes, lowest, highest)
    used.sort(key=values.__getitem__)
    indices = codes.cast(pa.int32())
    if lowest:
        indices = pc.subtract(indices, pa.scalar(lowest, pa.int32()))
    # By the code less the lowest.
    places = {code - (lowest or 0): place for place, code in enumerate(used)}
    recoded = [places.get(shifted) for shifted in range(0 if lowest is None else highest - lowest + 1)]
    if recoded != list(range(len(used))):
        indices = pc.take(pa.array(recoded, pa.int32()), indices, boundscheck=False)
    return pa.DictionaryArray.from_arrays(indices, pa.array([values[code] for code in used], pa.string()))


def _used_codes(codes: pa.Array, lowest: int, highest: int) -> list[int]:
    """Return the codes that occur, without those below zero. lowest, highest: of them."""
    if highest - lowest < PROBED_CODES:  # Each is looked for by itself: those in use are found near the beginning.
        between = range(max(lowest + 1, 0), highest)
        held = [code for code in between if pc.index(codes, pa.scalar(code, codes.type)).as_py() >= 0]
        return [code for code in sorted({lowest, *held, highest}) if code >= 0]
    # Names come in runs, and only the heads of these are looked at one by one.
    heads = pc.unique(pc.run_end_encode(codes).values).to_pylist()
    return [code for code in heads if code is not None and code >= 0]


def extremes(values: pa.Array | pa.ChunkedArray) -> tuple[Any, Any]:
    """Return the lowest and the highest of some values, None where there is none."""
    found = pc.min_max(values)
    return found["min"].as_py(), found["max"].as_py()


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


class GroupRows(NamedTuple):
    """How many rows a row group of a table has at most, and from how many on a symbol has groups to itself."""

    limit: int
    alone: int


def group_rows(name: str) -> GroupRows:
    """Return the lengths of row groups of a table.

    Which seconds were silent is asked with every bar and measure, and told from one symbol's times of messages: there a
    sixteenth of a group is worth its own headers.
    """
    limit = ROW_GROUP_ROWS_BOOKS if name == "books" else ROW_GROUP_ROWS
    return GroupRows(limit, -(-limit // (ALONE_MESSAGES if name == "messages" else ALONE)))


def row_groups(name: str, rows: pa.Table) -> Iterator[pa.Table]:
    """Yield sorted rows of a table group by group, each with just the dictionary values that it uses.

    Symbols of many rows have groups to themselves, about equally long; smaller ones that follow each other share one,
    as each group costs headers, and a dictionary and a window for zstd of its own.
    """
    ends = list(group_ends(_runs(rows["symbol"]), group_rows(name)))
    if len(ends) == 1:  # As nearly every batch is.
        yield rows
        return
    for begin, end in zip([0, *ends], ends, strict=False):
        yield only_used_values(rows.slice(begin, end - begin))


def _runs(symbols: pa.ChunkedArray) -> list[int]:
    """Return how many rows each symbol has, in their order."""
    ends = pc.run_end_encode(symbols.combine_chunks().indices).run_ends.to_pylist()
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def group_ends(runs: Iterable[int], size: GroupRows) -> Iterator[int]:
    """Yield where groups end, given how many rows each symbol has."""
    begin = at = 0
    for run in runs:
        alone = run >= size.alone
        if at > begin and (alone or at + run - begin > size.limit):
            begin = at
            yield at
        at += run
        if alone:
            pieces = -(-run // size.limit)
            yield from (begin + run * piece // pieces for piece in range(1, pieces + 1))
            begin = at
    if at > begin:
        yield at
