"""What a merge makes of two recorders' tables, in memory; and their messages put together row by row, plainly."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from feeds import Row, decoded_rows
from two_recorders import SYMBOL

from capture.market.decoder import TRADE, UPDATE_CHANGE, UPDATE_DELETE, UPDATE_NEW, Entry
from storage.schemas import ENUM_NAMES
from storage.union.known import Known
from storage.union.line import Breaks, Ref
from storage.union.lines import Lines, read_lines
from storage.union.output import Output
from storage.union.united import United
from storage.union.walk import Walk

Tables = Mapping[str, pa.Table]
_UPDATES = {
    "snapshot": UPDATE_NEW,
    "new": UPDATE_NEW,
    "change": UPDATE_CHANGE,
    "delete": UPDATE_DELETE,
    "evict": UPDATE_DELETE,
}


def known_of(tables: Sequence[Tables]) -> Known:
    """Return what both recorders knew beside the messages."""
    known = Known()
    known.take_instruments(row for of_one in tables for row in of_one["instruments"].to_pylist())
    for which, of_one in enumerate(tables):
        known.take_events(which, sorted(of_one["events"].to_pylist(), key=lambda row: row["receive_ns"]))
    return known


def lines_of(tables: Sequence[Tables], known: Known, taken: Sequence[Ref | None] = (None, None)) -> Lines:
    """Return the lines of both recorders, behind what was taken."""
    reads = [lambda table, _columns, of_one=of_one: of_one[table] for of_one in tables]
    return read_lines(reads, known.breaks, [{} if ref is None else {SYMBOL: ref} for ref in taken])


def united_rows(tables: Sequence[Tables], cut: int) -> dict[str, list[Row]]:
    """Return the rows that two recorders come to, sightings too, the line taken in two goes."""
    known, output, walk = known_of(tables), Output(1), Walk(SYMBOL)
    for count in (cut, None):
        line = United(lines_of(tables, known, walk.taken), SYMBOL)
        walk.take(line, line.count if count is None else min(count, line.count), known, output)
    part = output.take()
    return {name: decoded_rows(table, part.names) for name, table in part.tables.items()}


class Told(NamedTuple):
    """One message as its rows tell it."""

    ref: Ref
    linked: bool
    msg_type: str
    checksum: int | None
    entries: tuple[Entry, ...]
    key_ms: int


def told_of(lines: Lines, which: int) -> list[Told]:
    """Return a recorder's messages as a merge reads them."""
    told = []
    for place in lines.span(which, SYMBOL):
        seen = lines.seen(place)
        told.append(
            Told(seen.ref, bool(lines.linked[place]), seen.msg_type, seen.checksum, seen.entries, lines.key_ms[place])
        )
    return told


def plainly_told(tables: Tables, breaks: Breaks, taken: Ref | None) -> list[Told]:
    """Return a recorder's messages, read row by row as dictionaries."""
    entries = _entries(tables)
    told = []
    last, readable = taken, True
    rows = [row for row in tables["messages"].to_pylist() if row["symbol"] == SYMBOL]
    for row in sorted(rows, key=lambda row: (row["session_id"], row["msg_seq_num"])):
        ref = Ref(row["session_id"], row["msg_seq_num"], row["receive_ns"])
        if taken is not None and ref[:2] <= taken[:2]:
            continue
        of_message = sorted(entries[ref[:2]], key=lambda entry: entry[0])
        is_book = row["msg_type"] in ("W", "X")
        if is_book and (
            row["verdict"] == "malformed" or [index for index, _ in of_message] != list(range(row["entries"]))
        ):
            readable = False
            continue
        held = tuple(entry for _, entry in of_message) if is_book else ()
        times = [entry.entry_ms for entry in held if entry.entry_ms is not None and row["msg_type"] != "W"]
        told.append(
            Told(
                ref,
                last is not None and readable and not breaks.between(last, ref),
                row["msg_type"],
                row["checksum_received"] if is_book else None,
                held,
                max(times, default=row["sending_ms"]),
            )
        )
        last, readable = ref, True
    return told


def _entries(tables: Tables) -> dict[tuple[str, int], list[tuple[int, Entry]]]:
    entries: dict[tuple[str, int], list[tuple[int, Entry]]] = defaultdict(list)
    for row in tables["book_changes"].to_pylist():
        if row["entry_index"] >= 0 and row["side"] is not None:
            side, size = ENUM_NAMES["side"].index(row["side"]), row["size"] or row["remaining_size"] or 0
            entry = Entry(_UPDATES[row["action"]], side, row["price"], size, *_scales(row), "", 0, 0)
            entries[row["session_id"], row["msg_seq_num"]].append((row["entry_index"], entry))
    for row in tables["trades"].to_pylist():
        said = (row["entry_id"] or "", row["order_type"], row["aggressor_side"])
        entry = Entry(UPDATE_NEW, TRADE, row["price"], row["size"], *_scales(row), *said)
        entries[row["session_id"], row["msg_seq_num"]].append((row["entry_index"], entry))
    return entries


def _scales(row: Mapping[str, Any]) -> tuple[int, int, int | None]:
    return row["price_scale"], row["size_scale"], row["entry_ms"]
