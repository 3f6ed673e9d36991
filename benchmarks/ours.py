"""fixtape as a contender: one function for each question, and the only place that knows how our side is called.

    python ours.py FOLDER SECONDS decode|books|path

Each is given the same material as its opponents and returns its work: the fast lane of `capture.lane`, which is what
the feed goes by. The slow lane is no contender: it is there for what the fast one leaves.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from contender import Material, Work, contend

from capture.book import kernel as book_kernel
from capture.book.book import Book
from capture.books import Subscription
from capture.kernels import FINDER
from capture.lane import Lane
from capture.market import kernel as market_kernel
from capture.market.instruments import Instrument, InstrumentList
from capture.market.requests import MarketDataRequest
from capture.rows import Rows
from capture.sinks import Position
from capture.wire import message, tags, values

READ_BYTES: Final = 64 * 1024  # As of a socket that is read under load; cut between messages.
SENDING_TIME_LIMIT_S: Final = 3600  # The clock stands still at the first refresh.
POSITION: Final = Position("benchmark", 0)
_FORM: Final = "compiled" if all(it.compiled for it in FINDER.status()) else "as Python"
Subscribed = list[tuple[Subscription, Instrument]]
NAME: Final = f"fixtape {version('fixtape')}, kernels {_FORM}"


def decoding(material: Material) -> Work:
    """Return reads to entries: frames, BodyLength, CheckSum, numbers, exact integers, times."""
    lane, frames = _Lane(material), material.refreshes()
    reads = _reads(frames, READ_BYTES)

    def run() -> int:
        lane.seq, count = lane.first_seq, 0
        for read in reads:
            for staged in lane.decode(read):
                count += staged
        assert count == len(frames), f"{count} of {len(frames)} messages"
        return count

    return Work(NAME, run, note="entries with exact integers, both checks, numbers run on")


def booking(material: Material) -> Work:
    """Return decoded messages to books: changes applied, cut to depth, checksums, invariants; and their rows."""
    books, frames = _Lane(material), material.refreshes()
    due = sum(b"\x015041=" in frame for frame in frames)
    chunks: list[tuple[_Lane, bytearray, int]] = []
    for place in range(0, len(frames), market_kernel.MESSAGES_LIMIT):
        [chunk] = _reads(frames[place : place + market_kernel.MESSAGES_LIMIT], sys.maxsize)
        lane = _Lane(material, books)
        lane.seq = books.first_seq + place
        [staged] = lane.decode(chunk)
        chunks.append((lane, chunk, staged))

    def prepare() -> None:
        books.load()
        for lane, chunk, _ in chunks:
            lane.bind(chunk)

    def run() -> int:
        verified = sum(lane.apply(chunk, staged) for lane, chunk, staged in chunks)
        assert verified == due, f"{verified} of {due} checksums"
        return len(frames)

    return Work(
        f"{NAME}, book alone", run, prepare, "decoded beforehand; updates, every checksum and invariant, and rows"
    )


def path(material: Material) -> Work:
    """Return reads to books: all of `decoding` and all of `booking`."""
    lane, frames = _Lane(material), material.refreshes()
    reads = _reads(frames, READ_BYTES)
    due = sum(b"\x015041=" in frame for frame in frames)

    def run() -> int:
        lane.seq, count, verified = lane.first_seq, 0, 0
        for read in reads:
            for staged in lane.decode(read):
                verified += lane.apply(read, staged)
                count += staged
        assert (count, verified) == (len(frames), due), (
            f"{count} of {len(frames)} messages, {verified} of {due} checksums"
        )
        return count

    return Work(f"{NAME}, bytes to book", run, lane.load, "reads to books, every checksum and invariant, and rows")


QUESTIONS: Final = {"decode": decoding, "books": booking, "path": path}


class _Lane:
    """A fast lane that is subscribed to a set's books, or to those of another one.

    seq: MsgSeqNum(34) of what is decoded next; first_seq: of the first refresh.
    """

    def __init__(self, material: Material, books: "_Lane | None" = None) -> None:
        first = message.split(material.refreshes()[0])
        self.seq = self.first_seq = first.integer(tags.MSG_SEQ_NUM)
        self.rows: Rows = Rows() if books is None else books.rows
        self.subscribed: Subscribed = _subscribed(material) if books is None else books.subscribed
        self._at_ns = values.timestamp_ns(first.need(tags.SENDING_TIME))
        self._snapshots = _reads(material.snapshots()[1:], 0)
        self._lane = Lane(self.rows, SENDING_TIME_LIMIT_S)
        self._lane.opened(first.need(tags.SENDER_COMP_ID), first.need(tags.TARGET_COMP_ID))
        for subscription, instrument in self.subscribed:
            self._lane.watch(subscription, instrument)

    def load(self) -> None:
        """Take the rows that there are, and begin every book with its snapshot."""
        self.rows.take()
        self.seq = self.first_seq - len(self._snapshots)
        for read in self._snapshots:
            for staged in self.decode(read):
                self.apply(read, staged)

    def bind(self, read: bytearray) -> None:
        """Take note of new columns, applying nothing."""
        self.apply(read, 0)

    def decode(self, read: bytearray) -> Iterator[int]:
        """Yield how many messages are staged, as often as needed until all of a read's were."""
        lane, at = self._lane, 0
        while at < len(read):
            count = lane.read(read, at, self.seq, self._at_ns)
            assert count, f"the fast lane stopped at byte {at} of a read: {lane.decoder.stopped}"
            self.seq += count
            at = lane.end_of(count - 1)
            yield count

    def apply(self, read: bytearray, count: int) -> int:
        """Apply what is staged; return how many checksums agreed."""
        lane, done, verified = self._lane, 0, 0
        lane.place([(0, POSITION)], 0)
        while True:
            done = lane.apply(read, done, count, self._at_ns)
            verified += int(lane.kernel.verified)
            assert lane.kernel.stopped != book_kernel.REFUSED, f"the fast lane refused message {done} of a read"
            if lane.kernel.stopped == book_kernel.NO_ROOM:
                lane.make_room(done)
            elif done == count:
                return verified


def _subscribed(material: Material) -> Subscribed:
    """Return a subscription with an empty book for each snapshot, by the MDReqID(262) that was recorded."""
    list_frame, *snapshots = material.snapshots()
    listed = InstrumentList().add(message.parse(list_frame))
    instruments = {it.symbol: it for it in listed.instruments}
    found: Subscribed = []
    for frame in snapshots:
        snapshot = message.split(frame)
        instrument = instruments[snapshot.text(tags.SYMBOL)]
        request = MarketDataRequest(
            snapshot.text(tags.MD_REQ_ID), instrument.symbol, material.facts()["depth"], subscribe=True
        )
        found.append((Subscription(request, Book(instrument, request.depth)), instrument))
    return found


def _reads(frames: list[bytes], limit: int) -> list[bytearray]:
    """Return frames joined to reads that end with the first frame past a limit."""
    reads: list[bytearray] = []
    for frame in frames:
        if reads and len(reads[-1]) < limit:
            reads[-1] += frame
        else:
            reads.append(bytearray(frame))
    return reads


if __name__ == "__main__":
    contend(QUESTIONS[sys.argv[3]])
