"""What the journal knows of a book that disagreed with the venue: the frames around it, and what they are evidence of.

Layer: storage, above the journal. Reads files, writes none; no clock.
Source: design section 6.
Left to others: when to look (`incidents.keeper`), what it comes to (`capture.book.classifier`), the files (`bundle`).

Read from the book's snapshot on, every message of the connection is looked at for its number, and only those about the
symbol are parsed. Messages are taken in the order of their numbers, as the session handed them over.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capture.book.classifier import Classified, Evidence, Numbers, Precisions, Replay, classify
from capture.book.comparison import Levels, snapshot_levels
from capture.errors import MessageGarbled, ValueMalformed
from capture.findings import BookBroken, BookHealed, Place
from capture.market import decoder
from capture.market.decoder import Decoded
from capture.market.instruments import Instrument, InstrumentList
from capture.wire import tags, values
from capture.wire.message import Message, split
from storage.journal.excerpt import Excerpt, Excerpted, Stretch, before, distance, messages

READ_BYTES_LIMIT: Final = 512 * 2**20  # Of journal between the snapshot and the message, while recording.
BEFORE_BYTES: Final = 2**20  # Of journal, for the frames before, where the snapshot lies further back.
AFTER_BYTES: Final = 16 * 2**20  # Of stretches after the message.
SNAPSHOT_BYTES_LIMIT: Final = 64 * 2**20  # Of journal, to find the end of the next snapshot's message.
FRAMES_BEFORE: Final = 40  # Of the symbol, kept for people.
FRAMES_AFTER: Final = 40
FRAMES_BYTES_LIMIT: Final = 4 * 2**20  # Of the frames kept on either side.
MISSING_LIMIT: Final = 100_000  # Numbers that are waited for; more are not told one from the other.
HELD_LIMIT: Final = 4096  # Messages that wait for the missing ones, as the session itself keeps.

_NUMBER: Final = re.compile(rb"\x0134=(\d{1,18})\x01")
_MARKET: Final = (tags.MARKET_DATA_SNAPSHOT, tags.MARKET_DATA_INCREMENTAL)

Pause = Callable[[int], None]  # Told of each stretch's bytes.


@dataclass(slots=True)
class Examined:
    """What was found.

    frames: of the symbol, those before the message, itself, and those after it. following: the snapshot that healed the
    book, None where there is none yet.
    """

    classified: Classified
    frames: list[Excerpted]
    last_good: Place | None
    following: Levels | None


def examine(
    root: Path, broken: BookBroken, healed: BookHealed | None, *, bytes_limit: int | None, pause: Pause | None = None
) -> Examined:
    """Return what the journal knows of a broken book. Errors: JournalUnreadable."""
    span = distance(root, broken.snapshot.position, broken.at.position)
    is_near = bytes_limit is None or span <= bytes_limit
    begin = broken.snapshot.position if is_near else before(root, broken.at.position, BEFORE_BYTES)
    reading = _Reading(broken, None if healed is None else healed.at, replays=is_near)
    excerpt = Excerpt(root, begin)
    reading.take_all(excerpt, pause)
    no_replay = ""
    if not is_near:
        no_replay = f"the book's snapshot lies {span} bytes of journal back, and no more than {bytes_limit} are read"
    elif not reading.replay.is_marked:
        no_replay = f"MsgSeqNum {broken.at.msg_seq_num} was not found: {excerpt.ended}"
    following = None if healed is None else _snapshot(root, healed, broken.level)
    evidence = Evidence(
        instrument=broken.instrument,
        received=broken.received,
        computed=broken.computed,
        live=Levels(broken.bids, broken.offers),
        missing=reading.missing,
        versions=reading.versions,
        replay=None if no_replay else reading.replay,
        no_replay=no_replay,
        level=broken.level,
        following=following if healed is not None and _same_steps(broken.instrument, healed.instrument) else None,
    )
    return Examined(
        classify(evidence), reading.frames, reading.last_good, None if following is None else snapshot_levels(following)
    )


@dataclass(slots=True)
class _Reading:
    """Takes stretches in the order of the journal, and the symbol's messages in the order of their numbers."""

    broken: BookBroken
    end: Place | None  # The snapshot that healed the book.
    replays: bool
    missing: list[Numbers] = field(default_factory=list)  # When the message in question was reached.
    versions: list[Precisions] = field(default_factory=list)
    last_good: Place | None = None
    replay: Replay = field(init=False)
    _symbol: bytes = field(init=False)
    _md_req_id: bytes = field(init=False)
    _before: deque[Excerpted] = field(default_factory=deque)
    _after: list[Excerpted] = field(default_factory=list)
    _expected: int | None = None
    _absent: set[int] = field(default_factory=set)  # May yet come again.
    _lost: set[int] = field(default_factory=set)
    _held: dict[int, Excerpted] = field(default_factory=dict)  # Behind what is absent.
    _applied: int = 0
    _reached: bool = False
    _ended: bool = False
    _bytes_after: int = 0  # Of the journal.
    _kept_after: int = 0  # Of the symbol's frames.

    def __post_init__(self) -> None:
        self.replay = Replay(self.broken.instrument, self.broken.depth, self.broken.level)
        self._symbol = b"\x0155=%b\x01" % self.broken.symbol.encode()
        self._md_req_id = b"\x01262=%b\x01" % self.broken.md_req_id.encode()

    @property
    def frames(self) -> list[Excerpted]:
        """The symbol's frames, in the order of the journal."""
        return [*self._before, *self._after]

    def take_all(self, stretches: Iterator[Stretch], pause: Pause | None) -> None:
        """Take stretches until enough has come after the message in question."""
        for stretch in stretches:
            if stretch.at_ns > self.broken.at.receive_ns:
                self._give_up()
            one_by_one = not (stretch.is_sent or self._reached or self._in_order(stretch.data))
            if one_by_one or self._symbol in stretch.data:
                for it in messages(stretch):
                    if one_by_one and (message := _parsed(it)) is not None:
                        self._count(message)
                    if self._symbol in it.frame:
                        self._take(it)
                    self._release()
            if self._reached:
                self._bytes_after += len(stretch.data)
            if self._is_enough():
                return
            if pause is not None:
                pause(len(stretch.data))
        self._give_up()

    def _is_enough(self) -> bool:
        if self._ended or self._bytes_after > AFTER_BYTES:
            return True
        return self.end is None and len(self._after) >= FRAMES_AFTER

    # Numbers.

    def _in_order(self, data: bytes) -> bool:
        """Return whether the numbers of a stretch follow those before, and count them if so."""
        numbers = list(map(int, _NUMBER.findall(data)))
        if self._expected is None:
            if self.replays and self.broken.snapshot.msg_seq_num not in numbers:
                return True  # Before the snapshot; nothing is expected yet.
            self._expected = numbers[0] if numbers else None
        if not numbers or self._expected is None:
            return True
        following = self._expected + len(numbers)
        if self._absent or numbers != list(range(self._expected, following)):
            return False
        self._expected = following
        return True

    def _count(self, message: Message) -> None:
        """Count one message where they are not in order."""
        assert self._expected is not None
        seq = message.integer(tags.MSG_SEQ_NUM)
        if message.msg_type == tags.SEQUENCE_RESET:
            begin = seq if message.get(tags.GAP_FILL_FLAG) == b"Y" else self._expected
            if begin > self._expected:
                self._absent.update(range(self._expected, min(begin, self._expected + MISSING_LIMIT)))
            after = message.integer(tags.NEW_SEQ_NO)
            filled = range(begin, min(after, begin + MISSING_LIMIT))
            self._lost.update(filled)
            self._absent.difference_update(filled)
            self._expected = max(self._expected, after)
        else:
            self._absent.update(range(self._expected, min(seq, self._expected + MISSING_LIMIT)))
            self._absent.discard(seq)
            self._expected = max(self._expected, seq + 1)
        if len(self._held) > HELD_LIMIT:
            self._lost |= self._absent
            self._absent.clear()

    # Messages.

    def _take(self, found: Excerpted) -> None:
        """Take a message that is about the symbol."""
        if self._ended:
            return
        self._keep(found)
        self._ended = self._reached and self.end is not None and _is_at(found, self.end)
        message = None if found.is_sent else _parsed(found)
        if message is None:
            return
        if message.msg_type == tags.SECURITY_LIST:
            self._list(message)
        elif self._md_req_id in found.frame and message.msg_type in _MARKET:
            self._held.setdefault(message.integer(tags.MSG_SEQ_NUM), found)

    def _release(self) -> None:
        """Apply what nothing is absent before."""
        if not self._held:
            return
        bound = min(self._absent, default=None)
        for seq in sorted(self._held):
            if bound is not None and seq > bound:
                return
            self._apply(seq, self._held.pop(seq))

    def _give_up(self) -> None:
        """Let what is absent be lost, where the message in question waits: the feed had it by now without them."""
        if self._absent and self.broken.at.msg_seq_num in self._held:
            self._lost |= self._absent
            self._absent.clear()
            self._release()

    def _apply(self, seq: int, found: Excerpted) -> None:
        if seq <= self._applied:
            return  # It came once already.
        self._applied = seq
        message = split(found.frame)
        snapshot = message.msg_type == tags.MARKET_DATA_SNAPSHOT
        decoded = _decoded(message, self.broken.instrument, self.broken.level)
        if self.replays and seq >= self.broken.snapshot.msg_seq_num:
            self.replay.take(seq, decoded, snapshot=snapshot)
        if self._reached:
            return
        if seq == self.broken.at.msg_seq_num:
            self._reached = True
            self.replay.mark()
            self.missing = _ranges(self._lost | self._absent)
            self._absent.clear()
        elif snapshot or (isinstance(decoded, Decoded) and decoded.checksum is not None):
            self.last_good = Place(seq, found.at_ns, found.position)

    def _list(self, message: Message) -> None:
        """Take note of what a list says of the instrument before the message in question."""
        if self._reached:
            return
        try:
            part = InstrumentList().add(message)
        except ValueMalformed:
            return  # The feed says so in an event of its own.
        seq = message.integer(tags.MSG_SEQ_NUM)
        self.versions += [
            Precisions(seq, it.price_precision, it.size_precision)
            for it in part.instruments
            if it.symbol == self.broken.symbol
        ]

    def _keep(self, found: Excerpted) -> None:
        """Keep a frame for people."""
        if self._reached:
            if len(self._after) < FRAMES_AFTER and self._kept_after + len(found.frame) <= FRAMES_BYTES_LIMIT:
                self._after.append(found)
                self._kept_after += len(found.frame)
            return
        self._before.append(found)
        size = sum(len(it.frame) for it in self._before)
        while len(self._before) > FRAMES_BEFORE + 1 or (size > FRAMES_BYTES_LIMIT and len(self._before) > 1):
            size -= len(self._before.popleft().frame)


def _parsed(found: Excerpted) -> Message | None:
    """Return the message of a frame; None where the session could not read it, and ignored it."""
    try:
        message = split(found.frame)
        message.integer(tags.MSG_SEQ_NUM)
    except (MessageGarbled, ValueMalformed):
        return None
    return message


def _is_at(found: Excerpted, place: Place) -> bool:
    number = b"\x0134=%d\x01" % place.msg_seq_num
    return not found.is_sent and number in found.frame and found.position == place.position


def _ranges(numbers: set[int]) -> list[Numbers]:
    """Return numbers as runs, in order."""
    runs: list[Numbers] = []
    for number in sorted(numbers):
        if runs and runs[-1].last == number - 1:
            runs[-1] = Numbers(runs[-1].first, number)
        else:
            runs.append(Numbers(number, number))
    return runs


def _decoded(message: Message, instrument: Instrument, level: int) -> Decoded | str:
    try:
        sending_ms = values.timestamp_ns(message.need(tags.SENDING_TIME)) // values.MILLISECOND_NS
        return decoder.decode(message, instrument, sending_ms, level=level)
    except ValueMalformed as error:
        return str(error)


def _snapshot(root: Path, healed: BookHealed, level: int) -> Decoded | None:
    """Return the snapshot that healed a book, read from its place; None where it is not to be had."""
    for stretch in Excerpt(root, healed.at.position, bytes_limit=SNAPSHOT_BYTES_LIMIT):
        for it in messages(stretch):
            if _is_at(it, healed.at):
                decoded = _decoded(split(it.frame), healed.instrument, level)
                return decoded if isinstance(decoded, Decoded) else None
    return None


def _same_steps(ours: Instrument, theirs: Instrument) -> bool:
    return (ours.price_precision, ours.size_precision) == (theirs.price_precision, theirs.size_precision)
