"""One cell of the scaling benchmark: a feed that is given the bytes of its folder, a portion a round.

    python scaling_cell.py FOLDER 0

The clock that the feed is told stands still, and rows are taken off it between the rounds and never written. The first
part of each portion is not timed: it brings back into the caches what the other cells, in their turns, drove out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contender import Material, Work, contend, resident_bytes

from capture.feed import Feed
from capture.market.requests import MarketDataRequest
from capture.sinks import Connection, Position
from capture.wire import tags
from storage.pipeline import recorder_session

READ_BYTES: Final = 64 * 1024
WARM_PART: Final = 4  # One in so many of a portion's reads.
TAKE_BYTES: Final = 4 * 2**20  # Of snapshots, until the rows that came of them are taken.
POSITION: Final = Position("benchmark", 0)
CONNECTION: Final = Connection("localhost", "127.0.0.1", 1, "127.0.0.1", 2, "BENCH", "KRAKEN-MD", "none")


class Cell:
    """A feed that is logged on and subscribed to every symbol, and has every snapshot."""

    def __init__(self, material: Material) -> None:
        facts = material.facts()
        self._folder, self._parts, self._wall_ns = material.folder, facts["parts"], facts["wall_ns"]
        self._place = 0
        self._reads: list[bytes] = []
        self._session = recorder_session("BENCH", "KRAKEN-MD", answers=True)
        self.feed = Feed(self._session)
        self.feed.opened(self._wall_ns, 0, CONNECTION)
        self._flush()
        self._receive((self._folder / "head.fix").read_bytes())
        for symbol, md_req_id in facts["md_req_ids"].items():
            request = MarketDataRequest(md_req_id, symbol, facts["depth"], subscribe=True)
            self._session.send(tags.MARKET_DATA_REQUEST, request.body())
            self._flush()
        self._load_snapshots()
        self._due = self.feed.counters.market_data, self.feed.counters.verified

    def prepare(self) -> None:
        """Take what rows there are, and receive the beginning of the next portion. Errors: where there is none."""
        self._take()
        self._place += 1
        assert self._place < len(self._parts), f"all {len(self._parts) - 1} portions are used"
        reads = list(_reads(self._folder / f"{self._place}.fix"))
        warm = len(reads) // WARM_PART
        for read in reads[:warm]:
            self._receive(read)
        self._reads = reads[warm:]

    def run(self) -> int:
        """Receive the rest of the portion; return how many messages it had."""
        counters, part = self.feed.counters, self._parts[self._place]
        before = counters.market_data
        for read in self._reads:
            self._receive(read)
        self._due = self._due[0] + part["messages"], self._due[1] + part["verified"]
        came = counters.market_data, counters.verified
        assert came == self._due, f"{came} messages and checksums of {self._due}"
        return came[0] - before

    def _load_snapshots(self) -> None:
        taken = 0
        for read in _reads(self._folder / "0.fix"):
            self._receive(read)
            taken += len(read)
            if taken >= TAKE_BYTES:
                self._take()
                taken = 0
        came = self.feed.counters.snapshots
        assert came == self._parts[0]["messages"], f"{came} snapshots"

    def _receive(self, read: bytes) -> None:
        self.feed.received(self._wall_ns, 0, read, POSITION)

    def _take(self) -> None:
        self.feed.take_columns()
        self.feed.take_findings()

    def _flush(self) -> None:
        while (frame := self._session.next_frame(self._wall_ns)) is not None:
            self.feed.sent(self._wall_ns, 0, frame)


def _reads(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while read := file.read(READ_BYTES):
            yield read


def work(material: Material) -> Work:
    """Return the reception of a portion. note: resident memory in MiB before the first byte."""
    before = f"{resident_bytes() / 2**20:.0f}"
    cell = Cell(material)
    return Work("cell", cell.run, cell.prepare, before)


if __name__ == "__main__":
    contend(work)
