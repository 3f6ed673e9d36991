"""The journal as it is written: one segment after the other, every call in the file before it returns.

Layer: journal. Implements `capture.sinks.Journal`; the recorder hands it to the client.
Source: design sections 3 and 4; faults section 1.
Left to others: when to call `sync` (the recorder, off the event loop), sealed segments' compression.

A segment ends where a connection opens, where the UTC day does, and past its limit of bytes; only ever between two
calls. In mid-connection the next one begins with a note `continued` that repeats the connection: it reads alone.
Names never go back within a run, so that their order is the order of writing even if the clock is set back.

No clock is read: the same calls give the same bytes. One thread writes; `sync` may be called from another.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Final

from capture.sinks import Connection, Position
from storage.errors import JournalError, JournalFull, JournalUncreatable, JournalUnwritable
from storage.journal import format as pcapng
from storage.journal.appending import NO_DESCRIPTOR, SegmentFile, SegmentHead
from storage.journal.cuts import last_message_end
from storage.journal.format import About, Direction, Seal, comment, packet_block
from storage.journal.mask import Masker
from storage.journal.packets import ACK, FIN, NOBODY, PAYLOAD_BYTES_LIMIT, PSH, RST, SYN, Conversation, Endpoints
from storage.journal.room import Reserve, Room
from storage.journal.segments import make_root
from storage.journal.times import DAY_NS

SEGMENT_BYTES_LIMIT: Final = 256 * 2**20
RETIRED_SEGMENTS_LIMIT: Final = 4  # Ended but not yet synced; past it the writer syncs them itself.
BATCH_S: Final = 60  # Receive time in a batch of the lake, for a rebuild to cut the same.
SYNC_BYTES: Final = 2**20  # Written and not synced: then a sync is due before its time.
ALARMS_LIMIT: Final = 100  # That wait to be noted; of more, the newest.
UNSYNCED_BYTES_LIMIT: Final = 128 * 2**20  # Written and not synced, and so kept in memory.
DESCRIPTOR_RETRY_NS: Final = 5 * 10**9  # Between two tries to begin a segment while no descriptor is left.
WRITE_TRIES_LIMIT: Final = 3  # Of a record: as it is, in a segment of its own, with the reserve freed.
ALARM_REWRITE: Final = "journal failure"
ALARM_STALL: Final = "disk stalled"
ALARM_DESCRIPTORS: Final = "no descriptor"
BLOCK: Final = "block"  # What becomes of a record while too much waits: it waits, and the socket with it;
DROP: Final = "drop-with-gap"  # it is not kept, and the connection ends until there is room;
EXIT: Final = "exit"  # it ends the run.
BEGIN: Final = b"8=FIX."  # Wireshark 4.0 knows FIX by the first five bytes of a packet.

_DATA: Final = PSH | ACK


class JournalWriter:
    """The journal under one root. Call `opened`, then the others; `sync` for durability; `close` at the end.

    received_bytes: bytes handed in by `received`.
    written_bytes, written_records: of segments, that write(2) took; what was written again after a failure is counted
        once.
    durable_bytes, durable_records: those of them that fdatasync(2) confirmed. What a failed sync left open is never
        counted.
    stalls: how often a record came while too much waited for a sync, and was treated as the policy says.
    rewrites: how often a file failed and what was not durable of it was written into another one.
    alarms: kind and text of what failed, for the recorder to note. sync_due: set where much waits for a sync.
    """

    def __init__(
        self,
        root: Path,
        *,
        run: str,
        software: str,
        batch_s: int = BATCH_S,
        segment_bytes_limit: int = SEGMENT_BYTES_LIMIT,
        sync_bytes: int = SYNC_BYTES,
        unsynced_limit: int = UNSYNCED_BYTES_LIMIT,
        on_stall: str = DROP,
        reserve_bytes: int = 0,
    ) -> None:
        self.received_bytes = self.written_bytes = self.durable_bytes = 0
        self.written_records = self.durable_records = 0
        self.rewrites = self.stalls = 0
        self.alarms: deque[tuple[str, str]] = deque(maxlen=ALARMS_LIMIT)
        self.sync_due = threading.Event()
        self.reserve = Reserve(root, reserve_bytes, self.alarms)
        self._unsynced_limit, self._on_stall = unsynced_limit, on_stall
        self._at_limit = self._out_of_descriptors = False
        self._goes_on_until_ns = 0  # Until when no other segment is tried, for want of a descriptor.
        self._root, self._segment_bytes_limit, self._sync_bytes = root, segment_bytes_limit, sync_bytes
        self._head = SegmentHead(
            software, {"run": run, "software": software, "schema": pcapng.SCHEMA, "batch_s": batch_s}
        )
        self._segment: SegmentFile | None = None
        self._name_ns = self._day_end_ns = 0
        self._records = self._first_ns = self._last_ns = 0
        self._retired: list[SegmentFile] = []
        self._lock = threading.Lock()  # Over _segment and _retired; held for no system call.
        self._sync_lock = threading.Lock()  # Over descriptors being synced and closed.
        self._connection: Connection | None = None
        self._uncut: set[Direction] = set()  # Whose bytes must yet be cut where a message begins, after a rotation.
        self._disconnect()

    def prepare(self) -> None:
        """Make the directory and the reserve. Errors: JournalUncreatable."""
        make_root(self._root)
        self.reserve.open()

    def opened(self, at_ns: int, connection: Connection) -> Position:
        """Begin a connection, and a segment with it."""
        assert self._connection is None, "opened twice without closed"
        self._conversation = Conversation(Endpoints.of(connection))
        self._at_limit = True
        try:
            position = self._record(at_ns, Direction.OUTBOUND, SYN, comment(About.OPENED, asdict(connection)))
        except JournalError:
            self._disconnect()
            raise
        self._connection = connection
        return position

    def received(self, at_ns: int, data: bytes) -> list[tuple[Position, bytes]]:
        """Write one socket read; return it in the pieces in which it was written, credentials masked."""
        self.received_bytes += len(data)
        return self._data(at_ns, Direction.INBOUND, data) if data else []

    def sent(self, at_ns: int, data: bytes) -> Position:
        """Write one send, credentials masked; return where it begins."""
        assert data, "nothing was sent"
        return self._data(at_ns, Direction.OUTBOUND, data)[0][0]

    def closed(self, at_ns: int, reason: str, *, reset: bool) -> Position:
        """End the connection: our FIN where it ended in order, the peer's RST where it was reset."""
        assert self._connection is not None, "closed before opened"
        direction, flags = (Direction.INBOUND, RST | ACK) if reset else (Direction.OUTBOUND, FIN | ACK)
        position = self._record(at_ns, direction, flags, comment(About.CLOSED, {"reason": reason, "reset": reset}))
        self._disconnect()
        return position

    def note(self, at_ns: int, kind: str, fields: dict[str, str | int | None]) -> Position:
        """Write something a reader should know that is in no byte of the stream, on a packet without payload."""
        assert "kind" not in fields, "the kind of a note is its own argument"
        return self._record(at_ns, Direction.OUTBOUND, ACK, comment(About.NOTE, {"kind": kind, **fields}))

    def sync(self) -> int:
        """Make durable what was written before this call; return `durable_bytes`. May run in another thread.

        A segment that cannot be synced is written again from the last good sync on, in a file of its own, and that is
        synced (`appending`).
        Errors: JournalUnwritable where that fails too: then what was not durable may be lost, and the run must end.
        """
        self.sync_due.clear()
        with self._sync_lock:
            with self._lock:
                retired, present = list(self._retired), self._segment
            for segment in retired:  # Oldest first, and none before the one before it: what is durable is a beginning.
                self._sync_segment(segment)
                if not segment.settled:
                    return self.durable_bytes
                with self._lock:
                    self._retired.remove(segment)
                segment.close()
            if present is not None:
                self._sync_segment(present)
        return self.durable_bytes

    def close(self) -> None:
        """Seal the segment, make everything durable, give the descriptors back. The writer is done after that."""
        self._retire()
        try:
            self.sync()
        finally:
            for segment in self._retired:  # What could not be made durable.
                segment.close()

    def _sync_segment(self, segment: SegmentFile) -> None:
        added = segment.sync()
        self.durable_records += added.records
        self.durable_bytes += added.bytes

    def _data(self, at_ns: int, direction: Direction, data: bytes) -> list[tuple[Position, bytes]]:
        """Write the bytes of one read or send as one or more packets in one write(2)."""
        assert self._connection is not None, "bytes without a connection"
        masked = self._maskers[direction].feed(data)
        note = comment(About.MASKED, {"tags": list(masked.tags)}) if masked.tags else b""
        pieces: list[bytes] = []

        def compose() -> list[bytes]:
            nonlocal pieces
            pieces, headers = self._pieces(direction, masked.data), self._conversation.headers
            return [
                packet_block(at_ns, direction, headers(direction, _DATA, len(piece)), piece, note) for piece in pieces
            ]

        return list(zip(self._write(at_ns, compose), pieces, strict=True))

    def _pieces(self, direction: Direction, data: bytes) -> list[bytes]:
        """Cut a read into packets; after a rotation, once, also where the first message begins.

        Wireshark takes a conversation for FIX when a packet begins with a message. In a segment that begins in
        mid-message that may never happen by itself, and then it would show nothing of it.
        """
        if self._uncut and direction in self._uncut:
            begin = 0 if data.startswith(BEGIN) else data.find(b"\x01" + BEGIN) + 1
            if begin or data.startswith(BEGIN):
                self._uncut.remove(direction)
            return [*packets_of(data[:begin]), *packets_of(data[begin:])]
        return packets_of(data)

    def _record(self, at_ns: int, direction: Direction, flags: int, text: bytes) -> Position:
        """Write a packet without payload."""
        headers = self._conversation.headers
        (position,) = self._write(
            at_ns, lambda: [packet_block(at_ns, direction, headers(direction, flags, 0), b"", text)]
        )
        return position

    def _write(self, at_ns: int, compose: Callable[[], list[bytes]]) -> list[Position]:
        """Write the blocks of one record or several, in one write(2); return where each stands.

        compose: makes them with the sequence numbers of the moment; called again where it is tried again. What is not
        written has no number: a connection ends in the journal with what it has of it.
        Errors: JournalFull, with the reserve freed and used up; JournalUnwritable; JournalUncreatable.
        """
        numbers = self._conversation.numbers
        self._hold_back()
        for tries in range(WRITE_TRIES_LIMIT):
            try:
                segment = self._segment_for(at_ns)
                blocks = compose()
                offset = self._append(segment, at_ns, blocks[0] if len(blocks) == 1 else b"".join(blocks), len(blocks))
            except JournalFull as full:
                self._conversation.numbers = numbers
                if full.errno == errno.EFBIG:
                    self._leave(full, again=tries > 0)
                elif not self.reserve.give():
                    self.reserve.refuse()
                    raise
                continue
            return _places(segment.name, offset, blocks)
        raise AssertionError("a reserve is freed once, and a segment that may not grow is left once")

    def _leave(self, full: JournalFull, *, again: bool) -> None:
        """End a segment that may not grow: a limit of the file, not of the disk. Errors: JournalUnwritable, again."""
        if again:
            cause = OSError(full.errno, full.why)
            raise JournalUnwritable(full.path, doing=full.doing, cause=cause) from full
        self._at_limit = True

    def _hold_back(self) -> None:
        """Do as the policy says where more waits for a sync than may be in memory. Errors: as the policy says."""
        waiting = self.written_bytes - self.durable_bytes
        if waiting <= self._unsynced_limit:
            return
        self.stalls += 1
        why = OSError(errno.EBUSY, f"the disk stands still: {waiting} bytes wait to be synced")
        if self._on_stall == BLOCK:
            self.sync()
        elif self._on_stall == EXIT:
            raise JournalUnwritable(self._root, doing="write", cause=why)
        else:
            raise JournalFull(self._root, doing="write", cause=why, kind=ALARM_STALL)

    def has_room(self) -> bool:
        """Return whether it takes more: the disk is not full, and half of what may wait for a sync is free."""
        waiting = self.written_bytes - self.durable_bytes
        return self.reserve.state is not Room.NONE and waiting <= self._unsynced_limit // 2

    def _append(self, segment: SegmentFile, at_ns: int, blocks: bytes, records: int) -> int:
        """Write blocks; return where they stand."""
        offset = segment.append(blocks, records)
        self._count(at_ns, len(blocks), records)
        if self.written_bytes - self.durable_bytes >= self._sync_bytes and not self.sync_due.is_set():
            self.sync_due.set()
        return offset

    def _count(self, at_ns: int, size: int, records: int) -> None:
        self.written_records += records
        self.written_bytes += size
        if self._records == 0:
            self._first_ns = at_ns
        self._last_ns = at_ns
        self._records += records

    def _segment_for(self, at_ns: int) -> SegmentFile:
        """Return the segment for a record, a new one where the old one has ended."""
        segment = self._segment
        if segment is None or segment.failed:
            return self._begin_segment(at_ns)
        full = self._records > 0 and segment.size >= self._segment_bytes_limit
        ended = segment.worn or full or self._at_limit or at_ns >= self._day_end_ns
        return self._begin_segment(at_ns) if ended and at_ns >= self._goes_on_until_ns else segment

    def _begin_segment(self, at_ns: int) -> SegmentFile:
        """Begin a segment, in which the connection goes on; where no descriptor is left, the old one goes on."""
        make_root(self._root)
        name_ns = max(at_ns, self._name_ns + 1)
        try:
            segment = SegmentFile.create(self._root, name_ns, self._head, self._rewritten, self.reserve.give)
        except JournalUncreatable as error:
            if error.errno not in NO_DESCRIPTOR or self._segment is None or self._segment.failed:
                raise
            self._goes_on_until_ns = at_ns + DESCRIPTOR_RETRY_NS
            return self._goes_on(self._segment, error)
        first, records = self._head.of_segment, 0
        if self._connection is not None:
            headers = self._conversation.headers(Direction.OUTBOUND, ACK, 0)
            text = comment(About.CONTINUED, asdict(self._connection))
            first, records = first + packet_block(at_ns, Direction.OUTBOUND, headers, b"", text), 1
            self._uncut = {Direction.INBOUND, Direction.OUTBOUND}
        try:
            segment.append(first, records)
        except JournalUnwritable:
            segment.discard()
            raise
        self._retire()
        self._name_ns, self._at_limit, self._out_of_descriptors = segment.name_ns, False, False
        self._goes_on_until_ns = 0
        self._day_end_ns = (segment.name_ns // DAY_NS + 1) * DAY_NS
        self._records = self._first_ns = self._last_ns = 0
        self._count(at_ns, segment.size, records)
        with self._lock:
            self._segment = segment
        return segment

    def _goes_on(self, segment: SegmentFile, error: JournalUncreatable) -> SegmentFile:
        """Write on into a segment that has ended, for want of another; said once."""
        if not self._out_of_descriptors:
            self._out_of_descriptors = True
            text = f"{os.strerror(error.errno or 0)}: {segment.name} goes on past its end; raise the limit (ulimit -n)"
            self.alarms.append((ALARM_DESCRIPTORS, text))
        return segment

    def _retire(self) -> None:
        """End the segment: seal it, and leave it to the next sync."""
        segment = self._segment
        if segment is None:
            return
        if not segment.failed and self._records:
            seal = pcapng.seal_block(Seal(self._records, self._first_ns, self._last_ns))
            with suppress(JournalUnwritable):  # It then reads as one whose writer was killed; the next sync will tell.
                segment.append(seal)
                self.written_bytes += len(seal)
        with self._lock:
            self._segment = None
            self._retired.append(segment)
        if len(self._retired) > RETIRED_SEGMENTS_LIMIT:
            self.sync()

    def _rewritten(self, path: Path, size: int, cause: OSError) -> None:
        """Take note that a file failed; called by whichever thread met it."""
        self.rewrites += 1
        reason = cause.strerror or str(cause)
        text = f"{reason}: {size} bytes that were not durable are written again, into {path.name}; look at the disk"
        self.alarms.append((ALARM_REWRITE, text))

    @property
    def first_open(self) -> str:
        """The name of the first segment that is not durable or not ended; empty where there is none."""
        with self._lock:
            open_ones = [*self._retired, *([self._segment] if self._segment else [])]
        return min((it.name for it in open_ones), default="")

    def _disconnect(self) -> None:
        """Forget the connection: what is noted from here on belongs to none."""
        self._connection = None
        self._conversation = Conversation(NOBODY)
        self._maskers = {Direction.INBOUND: Masker(), Direction.OUTBOUND: Masker()}
        self._uncut.clear()


def _places(segment: str, offset: int, blocks: list[bytes]) -> list[Position]:
    """Return where each of some blocks stands that were written one after the other."""
    if len(blocks) == 1:
        return [Position(segment, offset)]
    ends = accumulate(map(len, blocks), initial=offset)
    return [Position(segment, begin) for begin, _ in zip(ends, blocks, strict=False)]


def packets_of(data: bytes) -> list[bytes]:
    """Return bytes in pieces that fit a packet, cut at a message's end where one is in reach; no bytes, no pieces."""
    if len(data) <= PAYLOAD_BYTES_LIMIT:
        return [data] if data else []
    end = last_message_end(data, 0, PAYLOAD_BYTES_LIMIT)
    return [data[:end], *packets_of(data[end:])]
