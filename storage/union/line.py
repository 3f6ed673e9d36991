"""What one recorder saw of one symbol, message by message, read back from its lake.

Layer: storage. Knows rows of its tables; no file, and nothing of a second recorder.
Source: `capture.rows`, whose rows are turned back into the entries that they were made of.
Left to others: which message of the other recorder is the same (`storage.union.aligner`).

The content of a message is what the venue said in it: type, checksum and entries. What belongs to a session, numbers
and times of arrival, is no part of it, nor is a level that the recorder cut from its own book.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from capture.columns import Verdict
from capture.market.decoder import TRADE, UPDATE_CHANGE, UPDATE_DELETE, UPDATE_NEW, Entry
from capture.sinks import Position
from storage.schemas import ENUM_NAMES

SNAPSHOT_TYPE: Final = "W"
_BOOK_TYPES: Final = frozenset({SNAPSHOT_TYPE, "X"})
_UPDATES: Final = {
    "snapshot": UPDATE_NEW,
    "new": UPDATE_NEW,
    "change": UPDATE_CHANGE,
    "delete": UPDATE_DELETE,
    "evict": UPDATE_DELETE,
}
_SIDES: Final = ENUM_NAMES["side"]
_MALFORMED: Final = Verdict.MALFORMED.name.lower()

Read = Callable[[str, Sequence[str] | None], pa.Table]  # Of a table's name and columns, its rows.
Content = tuple[str, int | None, tuple[Entry, ...], int]


class Ref(NamedTuple):
    """A message of one recorder, by its own session's number. receive_ns: by its own clock."""

    session_id: str
    msg_seq_num: int
    receive_ns: int


class Seen(NamedTuple):
    """One message as one recorder has it.

    before: the message of the symbol before it, if nothing can lie between the two; else None.
    key_ms: when the venue made it, by MDEntryTime(273) or else SendingTime(52): the same for every recorder, or nearly.
    """

    ref: Ref
    before: Ref | None
    sending_ms: int
    key_ms: int
    content: Content
    proof: int
    flags: int
    size: int
    position: Position

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a whole book."""
        return self.content[0] == SNAPSHOT_TYPE


class Breaks:
    """When each session of a recorder lost messages for good. Units: receive_ns."""

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = defaultdict(list)

    def add(self, session_id: str, at_ns: int) -> None:
        """Take note of a break; they come in order of time."""
        self._times[session_id].append(at_ns)

    def between(self, before: Ref, after: Ref) -> bool:
        """Return whether a message can be missing between two of one session."""
        if before.session_id != after.session_id:
            return True
        times = self._times.get(before.session_id, ())
        place = bisect_left(times, before.receive_ns)
        return place < len(times) and times[place] <= after.receive_ns


def read_lines(read: Read, breaks: Breaks, taken: Mapping[str | None, Ref]) -> dict[str | None, list[Seen]]:
    """Return what a recorder saw of each symbol that was read, and what of it was not taken yet, in order.

    taken: of each symbol the last message that was, whose place tells which others were too.
    """
    entries = _entries(read)
    by_symbol: dict[str | None, list[Seen]] = defaultdict(list)
    pending: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for row in read("messages", None).to_pylist():
        pending[row["symbol"]].append(row)
    for symbol, rows in pending.items():
        rows.sort(key=lambda row: (row["session_id"], row["msg_seq_num"]))
        by_symbol[symbol] = list(_line(rows, entries, breaks, taken.get(symbol)))
    return by_symbol


def _line(
    rows: Iterable[dict[str, Any]],
    entries: Mapping[tuple[str, int], list[tuple[int, Entry]]],
    breaks: Breaks,
    taken: Ref | None,
) -> Iterable[Seen]:
    last, readable = taken, True
    for row in rows:
        ref = Ref(row["session_id"], row["msg_seq_num"], row["receive_ns"])
        if taken is not None and ref[:2] <= taken[:2]:
            continue
        content = _content(row, entries.get(ref[:2], []))
        if content is None:
            readable = False
            continue
        linked = last is not None and readable and not breaks.between(last, ref)
        times = [entry.entry_ms for entry in content[2] if entry.entry_ms is not None]
        yield Seen(
            ref,
            last if linked else None,
            row["sending_ms"],
            max(times) if times and content[0] != SNAPSHOT_TYPE else row["sending_ms"],
            content,
            row["proof"],
            row["flags"],
            row["bytes"],
            Position(row["segment"], row["segment_offset"]),
        )
        last, readable = ref, True


def _content(row: Mapping[str, Any], entries: list[tuple[int, Entry]]) -> Content | None:
    """Return what the venue said in a message, or None where its rows do not tell all of it."""
    if row["msg_type"] not in _BOOK_TYPES:
        return row["msg_type"], None, (), row["bytes"]
    entries.sort(key=lambda entry: entry[0])
    if row["verdict"] == _MALFORMED or [index for index, _ in entries] != list(range(row["entries"])):
        return None
    return row["msg_type"], row["checksum_received"], tuple(entry for _, entry in entries), 0


def _entries(read: Read) -> dict[tuple[str, int], list[tuple[int, Entry]]]:
    """Return the entries of each message with their places in it, by session and number."""
    entries: dict[tuple[str, int], list[tuple[int, Entry]]] = defaultdict(list)
    for row in read("book_changes", _CHANGE_COLUMNS).to_pylist():
        if row["entry_index"] < 0 or row["side"] is None:
            continue  # Cut locally, or the mark of an empty snapshot: no entry of the message.
        entry = Entry(
            _UPDATES[row["action"]],
            _SIDES.index(row["side"]),
            row["price"],
            row["size"] or row["remaining_size"] or 0,
            row["price_scale"],
            row["size_scale"],
            row["entry_ms"],
            "",
            0,
            0,
        )
        entries[row["session_id"], row["msg_seq_num"]].append((row["entry_index"], entry))
    for row in read("trades", _TRADE_COLUMNS).to_pylist():
        entry = Entry(
            UPDATE_NEW,
            TRADE,
            row["price"],
            row["size"],
            row["price_scale"],
            row["size_scale"],
            row["entry_ms"],
            row["entry_id"] or "",
            row["order_type"],
            row["aggressor_side"],
        )
        entries[row["session_id"], row["msg_seq_num"]].append((row["entry_index"], entry))
    return entries


_ENTRY_COLUMNS: Final = (
    "session_id",
    "msg_seq_num",
    "entry_index",
    "price",
    "size",
    "price_scale",
    "size_scale",
    "entry_ms",
)
_CHANGE_COLUMNS: Final = (*_ENTRY_COLUMNS, "side", "action", "remaining_size")
_TRADE_COLUMNS: Final = (*_ENTRY_COLUMNS, "entry_id", "order_type", "aggressor_side")
