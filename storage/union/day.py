"""One UTC date of two lakes as the parts of one batch, in bounded memory.

Layer: storage, above lines, aligner and walks. Reads two lakes; writes nothing but what it is told to keep.
Source: design section 5.
Left to others: which dates (`storage.union.unite`), files and commits (`storage.lake`).

Symbols are taken in groups and time in slices. What came in at the end of a slice waits for the next, as the other
recorder may have it a moment later; so the last seconds of a date are told with the date after it, if there is one.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import pyarrow.compute as pc

from storage.batches import DAY_NS
from storage.errors import MergeRefused
from storage.lake import Lake, Part
from storage.union.known import Known
from storage.union.line import Ref
from storage.union.lines import read_lines
from storage.union.output import MERGED_SESSION, Output
from storage.union.reading import Reading, rows_of
from storage.union.state import Saved, restore_known, restored_walk, saved_known, saved_walk
from storage.union.united import United
from storage.union.walk import Walk

SLICE_NS: Final = 900 * 10**9
HOLD_NS: Final = 10 * 10**9  # So much of a slice's end waits for the next.
REACH_NS: Final = 3 * HOLD_NS  # What waits is looked for so far back: clocks may differ by no more.
SESSION_NS_LIMIT: Final = 26 * 3600 * 10**9  # The daily roll-over ends every session.
GROUP_MESSAGES_LIMIT: Final = 2_000_000  # Of a date, both recorders together; a symbol of more is a group by itself.
_READ: Final = ("messages", "book_changes", "order_changes", "trades", "instruments", "events")
AHEAD_MESSAGES: Final = 500_000  # Both recorders together, on the average: so many are held as they were read.
PART_ROWS_LIMIT: Final = 500_000  # After which rows go into a file.


class Day:
    """One date. Take `parts` to the end, then `saved` is what the next date begins with.

    goes_on: whether either lake has the date after it. keep: called with `saved` before the parts end.
    Errors: MergeRefused; OSError and ArrowException of a file that cannot be read.
    """

    def __init__(
        self,
        lakes: tuple[Lake, Lake],
        date: str,
        saved: Saved,
        *,
        goes_on: bool,
        keep: Callable[[Saved], None],
        progress: Callable[[int], None],
    ) -> None:
        self._lakes, self._date, self._before, self._keep = lakes, date, saved, keep
        # Listed once: to list the files of a table is to read its log.
        self._files = [{table: lake.files(table) for table in _READ} for lake in lakes]
        self._goes_on, self._progress = goes_on, progress
        self.begin_ns = date_ns(date)
        self.end_ns = self.begin_ns + DAY_NS
        self._known = Known()
        restore_known(self._known, saved.instruments, saved.depths)
        self._walks: dict[str | None, Walk] = {walk.symbol: restored_walk(walk) for walk in saved.walks}
        self._output = Output(saved.next_seq)

    def parts(self) -> Iterator[Part]:
        """Yield the rows of the date."""
        self._take_events()
        self._take_instruments()
        yield self._output.take()
        for symbols, count in self._groups():
            stretch_ns = min(DAY_NS * AHEAD_MESSAGES // max(count, 1), DAY_NS) + REACH_NS
            readings = [Reading(files, symbols, stretch_ns) for files in self._files]
            for begin_ns in range(self.begin_ns, self.end_ns, SLICE_NS):
                self._take_slice(symbols, begin_ns, readings)
                if self._output.row_count > PART_ROWS_LIMIT:
                    yield self._output.take()
            if self._output.row_count:  # No file has two groups: files of a symbol are then in the order of time.
                yield self._output.take()
        instruments, depths = saved_known(self._known)
        rows = {**self._before.rows, self._date: messages_of(self._lakes, self._date)}
        walks = sorted(self._walks.values(), key=lambda walk: walk.symbol or "")
        self._keep(
            Saved(self._before.roots, rows, self._output.next_seq, list(map(saved_walk, walks)), instruments, depths)
        )

    def _take_events(self) -> None:
        for which, files in enumerate(self._files):
            rows = rows_of(
                files, "events", None, from_ns=max(self.begin_ns - SESSION_NS_LIMIT, 0), to_ns=self.end_ns
            ).to_pylist()
            rows.sort(key=lambda row: row["receive_ns"])
            self._known.take_events(which, rows)
            told: set[str] = set()
            for row in rows:
                if row["receive_ns"] < self.begin_ns:
                    continue
                self._output.copy("events", row)
                if row["session_id"] is not None and row["session_id"] not in told:
                    told.add(row["session_id"])
                    self._output.merged(row["receive_ns"], row["session_id"], which)
        self._known.refuse_other_depths()

    def _take_instruments(self) -> None:
        rows = [
            row
            for files in self._files
            for row in rows_of(files, "instruments", None, from_ns=self.begin_ns, to_ns=self.end_ns).to_pylist()
        ]
        for row in self._known.take_instruments(rows):
            self._output.copy("instruments", {**row, "session_id": MERGED_SESSION, "msg_seq_num": None})

    def _groups(self) -> Iterator[tuple[list[str | None], int]]:
        """Yield the symbols of the date, so many together as fit, and how many messages they have."""
        counts: dict[str | None, int] = {}
        for lake, files in zip(self._lakes, self._files, strict=True):
            if rows_of(files, "order_changes", ("receive_ns",), from_ns=self.begin_ns, to_ns=self.end_ns).num_rows:
                raise MergeRefused(f"{lake.path}: {self._date} is recorded at Level 3; only Level 2 can be merged")
            from_ns = self.begin_ns - REACH_NS
            rows = rows_of(files, "messages", ("symbol",), from_ns=from_ns, to_ns=self.end_ns)
            if not rows.num_rows:
                continue
            for row in pc.value_counts(rows["symbol"].combine_chunks()).to_pylist():
                counts[row["values"]] = counts.get(row["values"], 0) + row["counts"]
        group: list[str | None] = []
        held = 0
        for symbol in sorted(counts, key=lambda symbol: symbol or ""):
            if group and held + counts[symbol] > GROUP_MESSAGES_LIMIT:
                yield group, held
                group, held = [], 0
            group.append(symbol)
            held += counts[symbol]
        if group:
            yield group, held

    def _take_slice(self, symbols: Sequence[str | None], begin_ns: int, readings: Sequence[Reading]) -> None:
        end_ns = min(begin_ns + SLICE_NS, self.end_ns)
        if not any(
            file.last_ns >= begin_ns - REACH_NS and file.first_ns < end_ns
            for files in self._files
            for file in files["messages"]
        ):
            return
        from_ns = begin_ns - REACH_NS
        taken: list[dict[str | None, Ref]] = [
            {
                symbol: last
                for symbol in symbols
                if symbol in self._walks and (last := self._walks[symbol].taken[which]) is not None
            }
            for which in range(2)
        ]
        lines = read_lines(
            [partial(reading.rows, from_ns=from_ns, to_ns=end_ns) for reading in readings], self._known.breaks, taken
        )
        is_last = end_ns == self.end_ns and not self._goes_on
        for symbol in symbols:
            line = United(lines, symbol)
            if not line.count:
                continue
            count = line.count if is_last else _settled(line, end_ns)
            walk = self._walks.setdefault(symbol, Walk(symbol))
            walk.take(line, count, self._known, self._output)
            walk.key_frame(self._output)
            self._progress(count)


def _settled(line: United, end_ns: int) -> int:
    """Return how many messages come before the first that waits. Errors: MergeRefused."""
    count = line.came_after(end_ns - HOLD_NS)
    for index in range(count, line.count):
        for place in line.sighting(index):
            if place >= 0 and line.lines.receive_ns[place] < end_ns - REACH_NS:
                seen = line.lines.ref(place)
                raise MergeRefused(
                    f"session {seen.session_id}, MsgSeqNum {seen.msg_seq_num}: the recorders' clocks differ by"
                    f" more than {(REACH_NS - HOLD_NS) // 10**9} s; such lakes cannot be merged"
                )
    return count


def date_ns(date: str) -> int:
    """Return when a UTC date begins, in ns since the epoch."""
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 10**9


def messages_of(lakes: tuple[Lake, Lake], date: str) -> list[int]:
    """Return how many messages each recorder has of a date."""
    return [sum(file.rows for file in lake.files("messages") if file.date == date) for lake in lakes]
