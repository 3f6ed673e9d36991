"""How far what came from the venue has got: received, written, durable, committed, and how much lies between.

Layer: storage, beside the recorder. Data only.
Source: faults section 1, clause 1: durable means that fdatasync(2) returned.
Left to others: counting (`journal.writer`, `writer_thread`, the feed), showing it (`status`, `cli`).

The journal is counted in bytes of its segments and in records, a record being a read or a part of a large one, a send,
a connection's begin or end, or a note. The lake is counted in application messages, each of which is a row of the table
`messages`.
"""

from dataclasses import dataclass

from capture.feed import Feed
from storage.journal.writer import JournalWriter
from storage.writer_thread import WriterThread


@dataclass(frozen=True, slots=True)
class Counts:
    """One look at the counters of a run.

    received_bytes, received_messages: from the socket, and application messages that were whole in it.
    written_bytes, written_records: that write(2) took. durable_bytes, durable_records: that fdatasync(2) confirmed.
    committed_messages: of which the lake has the rows. rewrites: files of the journal that failed under it.
    """

    received_bytes: int
    received_messages: int
    written_bytes: int
    written_records: int
    durable_bytes: int
    durable_records: int
    committed_messages: int
    rewrites: int

    @property
    def lag_bytes(self) -> int:
        """Bytes that a power cut would take now."""
        return max(0, self.written_bytes - self.durable_bytes)

    @property
    def lag_records(self) -> int:
        """Records that a power cut would take now."""
        return max(0, self.written_records - self.durable_records)

    @property
    def lag_messages(self) -> int:
        """Messages of which the lake has no rows yet; the journal has them."""
        return max(0, self.received_messages - self.committed_messages)

    def text(self) -> str:
        """Return all of it in one line."""
        failed = f"; {self.rewrites} files failed and were written again" if self.rewrites else ""
        return (
            f"received {self.received_bytes:,} bytes, {self.received_messages:,} messages; "
            f"written {self.written_records:,} records, durable {self.durable_records:,}; "
            f"committed {self.committed_messages:,} messages{failed}"
        )


def count(feed: Feed, journal: JournalWriter, writer: WriterThread) -> Counts:
    """Return the counters as they stand; what is furthest is read last, so that no lag is below zero for long."""
    return Counts(
        committed_messages=writer.committed_messages,
        durable_bytes=journal.durable_bytes,
        durable_records=journal.durable_records,
        written_bytes=journal.written_bytes,
        written_records=journal.written_records,
        received_bytes=journal.received_bytes,
        received_messages=feed.counters.messages,
        rewrites=journal.rewrites,
    )
