"""One run of a recorder told again from its journal: the same core, so the same rows in the same batches.

Layer: storage, above journal and pipeline. Reads no clock.
Source: design section 3, "the core is a function of the journal".
Left to others: where batches go (`storage.rebuild`, `storage.recovery`), mending segments (`storage.recovery_journal`).

Damage inside a segment raises, or is told to the feed as lost bytes: then the numbers that are missing show as a gap
that is filled over, every book of that session ends there, and rows before and after stand as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from capture.feed import Feed
from capture.sinks import Connection
from storage.batcher import Batch, Batcher
from storage.journal.packets import Numbers
from storage.journal.reader import JournalDamage, Record, TornTail, read_segment
from storage.journal.runs import Run
from storage.journal.writer import BATCH_S
from storage.log_story import Committed
from storage.pipeline import recorder_session, tell

Write = Callable[[Batch], None]
_MS_NS: Final = 1_000_000


class Replay:
    """The records of one run, each told to a feed before it is yielded; the last batch is cut at their end.

    held: the last batch that the lake holds of the run, or None. damages: found so far, if they are read past.

    Damage may take a batch away whole, and with it the count of those after it. What the lake holds ends at a time that
    its log states: after damage a batch that ends by then is held, whatever number it would have, and the next batch
    gets the next number.
    """

    def __init__(self, run: Run, write: Write, *, past_damage: bool, held: Committed | None = None) -> None:
        self.run = run
        self.damages: list[JournalDamage] = []
        self.torn_tails: list[TornTail] = []
        self.verified = self.mismatches = 0
        self._write, self._past_damage, self._held = write, past_damage, held
        self._next = 1 if held is None else held.version + 1
        self._told = 0  # Damages of which the feed knows.

    def records(self) -> Iterator[Record]:
        """Yield every record once it is told. Errors: JournalDamaged unless it is read past, with no batch cut."""
        feed: Feed | None = None
        batcher: Batcher | None = None
        for record in self._read():
            if feed is None or batcher is None:
                feed, batcher = self._begin()
            if self._told < len(self.damages):
                batcher.advance(record.at_ns)
                feed.lost(record.at_ns, self._damage_text())
            tell(feed, batcher, record)
            yield record
        if feed is not None and batcher is not None:
            batcher.cut()
            self.verified, self.mismatches = feed.counters.verified, feed.counters.mismatches

    def _begin(self) -> tuple[Feed, Batcher]:
        connection, batch_s = _first_connection(self.run)
        sender, target = (connection.sender_comp_id, connection.target_comp_id) if connection else ("", "")
        feed = Feed(recorder_session(sender, target, answers=False))
        return feed, Batcher(self.run.name, batch_s, feed, self._numbered)

    def _numbered(self, batch: Batch) -> None:
        if not self.damages:
            self._next = max(self._next, batch.number + 1)
            self._write(batch)
        elif self._held is None or batch.end_ns // _MS_NS > self._held.at_ms:
            self._next += 1
            self._write(replace(batch, number=self._next - 1))

    def _read(self) -> Iterator[Record]:
        ends: tuple[Connection | None, Numbers | None] = (None, None)
        for path in self.run.paths:
            reader = read_segment(path, self.damages.append if self._past_damage else None)
            connection = None
            for record in reader:
                connection = record.connection or connection
                if record.kind == "continued" and self._past_damage:
                    self._hole(path, record, ends, reader.first_numbers)
                yield record
            ends = (connection, reader.last_numbers)
            if reader.torn_tail is not None:
                self.torn_tails.append(reader.torn_tail)

    def _hole(
        self, path: Path, record: Record, ends: tuple[Connection | None, Numbers | None], begins: Numbers | None
    ) -> None:
        """Take note of what is missing between a segment and the one before it of the same connection."""
        connection, numbers = ends
        if connection == record.connection and numbers is not None and begins is not None and numbers != begins:
            missing = begins.peer - numbers.peer
            self.damages.append(
                JournalDamage(
                    path, 0, 0, 0, "bytes between two segments", "none missing", f"{missing} received missing"
                )
            )

    def _damage_text(self) -> str:
        found, self._told = self.damages[self._told :], len(self.damages)
        return "; ".join(f"{it.path.name}: {it.size} bytes at {it.offset}: {it.what}" for it in found[:3])


def _first_connection(run: Run) -> tuple[Connection | None, int]:
    """Return the first connection of a run, and the seconds of its batches; notes may come before a connection."""
    batch_s = BATCH_S
    for path in run.paths:
        for record in read_segment(path, lambda _: None):
            batch_s = record.batch_s if record.run == run.name else batch_s
            if record.connection is not None and record.run == run.name:
                return record.connection, batch_s
    return None, batch_s
