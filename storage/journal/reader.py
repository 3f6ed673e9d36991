"""The journal as it is read: records in the order of writing, of one segment or of all.

Layer: journal, above `blocks` and `packets`. Memory is bounded by one block and one window.
Source: design section 4; faults section 1.
Left to others: framing the bytes (`capture.wire`), a report on a segment (`verify`), cutting a torn tail (recovery).

A torn tail ends a segment in silence, and is there to be asked for afterwards. Damage inside raises `JournalDamaged`;
a caller that would rather know and go on gives `on_damage`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from capture.sinks import Connection, Position
from storage.errors import JournalDamaged, JournalTooNew
from storage.journal.blocks import REMEDY_DAMAGE, Source, Torn, damaged, walk
from storage.journal.format import SCHEMA, About, Block, Direction, Fault, Fields, Index, Packet, Seal, Section
from storage.journal.packets import FIN, NUMBERS_BEFORE, RST, SYN, Numbers, advanced, decode_packet
from storage.journal.segments import segment_name, segment_paths
from storage.journal.writer import BATCH_S

REMEDY_TAIL: Final = "nothing to do: that write never ended, and every record before it is whole"


class RecordKind(StrEnum):
    """What a record is."""

    OPENED = "opened"
    CONTINUED = "continued"  # The connection goes on from the segment before.
    RECEIVED = "received"
    SENT = "sent"
    CLOSED = "closed"
    RESET = "reset"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal.

    data: the bytes received or sent, credentials masked; empty for the other kinds.
    fields: the record's comment: `kind` and more of a note, `reason` of an end, `tags` of masked bytes; or None.
    connection: to which it belongs; None for what is noted while nothing is connected.
    batch_s: seconds of receive time in a batch of the lake that the run made.
    """

    kind: RecordKind
    at_ns: int
    data: bytes
    fields: Fields | None
    position: Position
    connection: Connection | None
    run: str
    batch_s: int = BATCH_S


@dataclass(frozen=True, slots=True)
class JournalDamage:
    """A block that is not as it was written.

    offset: of the block, `size` bytes long or up to the next block that is whole; `at`: of the damage, as near as
    can be known.
    """

    path: Path
    offset: int
    size: int
    at: int
    what: str
    expected: str
    received: str
    remedy: str = REMEDY_DAMAGE


@dataclass(frozen=True, slots=True)
class TornTail:
    """What stands after the last whole block of a segment: from `offset` on, `size` bytes."""

    path: Path
    offset: int
    size: int
    remedy: str = REMEDY_TAIL


OnDamage = Callable[[JournalDamage], None]


class SegmentReader(Iterator[Record]):
    """The records of one segment. Once it is exhausted, ask for `torn_tail`, `sealed`, `size` and the numbers.

    size: bytes of the segment, as it was when reading began; stored_bytes: of its file, less where it is compressed.

    Errors: JournalUnreadable; JournalTooNew; JournalDamaged at the first damage, unless `on_damage` takes it.
    """

    def __init__(self, path: Path, on_damage: OnDamage | None = None) -> None:
        self.path = path
        self.size = self.stored_bytes = 0
        self.torn_tail: TornTail | None = None
        self._on_damage = on_damage
        self._story = SegmentStory(path)
        self._records = self._read()

    def __next__(self) -> Record:
        return next(self._records)

    @property
    def run(self) -> str:
        """The run that wrote the segment; empty until the first record."""
        return self._story.run

    @property
    def sealed(self) -> bool:
        """Whether the segment was closed in order."""
        return self._story.sealed

    @property
    def first_numbers(self) -> Numbers | None:
        """The sequence numbers with which the segment takes over a connection; None where it does not."""
        return self._story.taken_over

    @property
    def last_numbers(self) -> Numbers | None:
        """The sequence numbers after the last record; None where damage hides them."""
        return self._story.numbers

    def _read(self) -> Iterator[Record]:
        try:
            source = Source(self.path)
        except JournalDamaged as damage:  # A compressed segment that does not say where its pieces are.
            if self._on_damage is None:
                raise
            at, what = damage.offset, damage.what
            self._on_damage(JournalDamage(self.path, at, 0, at, what, damage.expected, damage.received, damage.remedy))
            return
        with source:
            self.size, self.stored_bytes = source.size, source.stored_bytes
            if source.size == 0:
                self.torn_tail = TornTail(self.path, 0, 0)
            for offset, size, found in walk(source):
                if isinstance(found, Torn):
                    self.torn_tail = TornTail(self.path, offset, size)
                    return
                record, fault = self._story.take(offset, found)
                if fault is not None:
                    self._damaged(offset, size, fault)
                if record is not None:
                    yield record

    def _damaged(self, offset: int, size: int, fault: Fault) -> None:
        if self._on_damage is None:
            raise damaged(self.path, offset, fault)
        self._on_damage(
            JournalDamage(self.path, offset, size, offset + fault.at, fault.what, fault.expected, fault.received)
        )


class JournalReader(Iterator[Record]):
    """The records of all segments of a tape or a journal, oldest first. Afterwards, ask for `torn_tails`.

    Errors: as of `SegmentReader`.
    """

    def __init__(self, root: Path, on_damage: OnDamage | None = None) -> None:
        self.torn_tails: list[TornTail] = []
        self._records = self._read(segment_paths(root), on_damage)

    def __next__(self) -> Record:
        return next(self._records)

    def _read(self, paths: list[Path], on_damage: OnDamage | None) -> Iterator[Record]:
        for path in paths:
            segment = SegmentReader(path, on_damage)
            yield from segment
            if segment.torn_tail is not None:
                self.torn_tails.append(segment.torn_tail)


def read_segment(path: Path, on_damage: OnDamage | None = None) -> SegmentReader:
    """Return the records of one segment."""
    return SegmentReader(path, on_damage)


def read_journal(root: Path, on_damage: OnDamage | None = None) -> JournalReader:
    """Return the records of a tape or a journal directory, segment after segment."""
    return JournalReader(root, on_damage)


class SegmentStory:
    """What the blocks of a segment tell together: whose they are, and that none is missing between two others."""

    def __init__(self, path: Path) -> None:
        self.run = ""
        self.batch_s = BATCH_S
        self.sealed = False
        self.numbers: Numbers | None = None  # What the next packet must state; None where that is not known.
        self.taken_over: Numbers | None = None
        self._path, self._name = path, segment_name(path)
        self._connection: Connection | None = None
        self._blocks = self._records = 0
        self._whole = True

    def take(self, offset: int, found: Block | Fault) -> tuple[Record | None, Fault | None]:
        """Return the record of a block if it is one, and what does not fit if something does not.

        After a fault, what follows need not fit what came before it.
        """
        record, fault = (None, found) if isinstance(found, Fault) else self._take(offset, found)
        if isinstance(found, Fault):
            self.numbers = None
        self._blocks += 1
        self._whole = self._whole and fault is None
        return record, fault

    def _take(self, offset: int, block: Block) -> tuple[Record | None, Fault | None]:
        index = self._blocks
        if isinstance(block, Index) and self.sealed:
            return None, None  # What decompressing leaves behind a segment; it is none of its own.
        if self.sealed:
            return None, Fault(0, "block after the seal", "the end of the file", type(block).__name__)
        if isinstance(block, Packet):
            if index < 2 and self._whole:
                return None, Fault(0, "order of blocks", ("Section", "Interface")[index], "Packet")
            return self._packet(offset, block)
        if isinstance(block, Seal):
            return None, self._seal(block)
        if index != (0 if isinstance(block, Section) else 1):
            expected = ("Section", "Interface", "Packet")[min(index, 2)]
            return None, Fault(0, "order of blocks", expected, type(block).__name__)
        return None, self._section(block) if isinstance(block, Section) else None

    def _section(self, section: Section) -> Fault | None:
        fields = _fields(section.comment)
        schema = fields.get("schema") if fields else None
        if fields is None or not isinstance(schema, int):
            return Fault(0, "comment of the section", "fixtape's own", "another")
        if schema > SCHEMA:
            raise JournalTooNew(self._path, expected=SCHEMA, received=schema)
        self.run = str(fields.get("run"))
        batch_s = fields.get("batch_s", BATCH_S)
        self.batch_s = batch_s if isinstance(batch_s, int) and batch_s > 0 else BATCH_S
        return None

    def _seal(self, seal: Seal) -> Fault | None:
        self.sealed = True
        if self._whole and seal.records != self._records:
            return Fault(0, "records in the segment", f"{seal.records} by its seal", str(self._records))
        return None

    def _packet(self, offset: int, packet: Packet) -> tuple[Record | None, Fault | None]:
        tcp = decode_packet(packet.data, packet.direction)
        fields = _fields(packet.comment) if packet.comment else None
        if tcp is None or (packet.comment and fields is None):
            return None, Fault(0, "packet or comment of another layout", "fixtape's own", "another")
        fault = None
        if self.numbers is not None and tcp.numbers != self.numbers:
            fault = Fault(0, "sequence numbers", _numbers_text(self.numbers), _numbers_text(tcp.numbers))
        kind = _kind(packet.direction, tcp.flags, tcp.payload, fields)
        if kind in (RecordKind.OPENED, RecordKind.CONTINUED):
            self._connection = _connection(fields)
        if kind is RecordKind.CONTINUED and self._records == 0:
            self.taken_over = tcp.numbers
        position = Position(self._name, offset)
        record = Record(kind, packet.at_ns, tcp.payload, fields, position, self._connection, self.run, self.batch_s)
        self.numbers = advanced(tcp.numbers, packet.direction, tcp.flags, len(tcp.payload))
        if kind in (RecordKind.CLOSED, RecordKind.RESET):
            self._connection, self.numbers = None, NUMBERS_BEFORE
        self._records += 1
        return record, fault


def _kind(direction: Direction, flags: int, payload: bytes, fields: Fields | None) -> RecordKind:
    if payload:
        return RecordKind.RECEIVED if direction is Direction.INBOUND else RecordKind.SENT
    if flags & SYN:
        return RecordKind.OPENED
    if flags & RST:
        return RecordKind.RESET
    if flags & FIN:
        return RecordKind.CLOSED
    return RecordKind.CONTINUED if fields and fields.get("fixtape") == About.CONTINUED else RecordKind.NOTE


def _fields(comment: bytes) -> Fields | None:
    try:
        return msgspec.json.decode(comment, type=Fields)
    except msgspec.DecodeError:
        return None


def _connection(fields: Fields | None) -> Connection | None:
    try:
        return msgspec.convert(fields, Connection)
    except msgspec.ValidationError:
        return None


def _numbers_text(numbers: Numbers) -> str:
    return f"local {numbers.local} and peer {numbers.peer}"
