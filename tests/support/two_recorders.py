"""A feed of one symbol and recorders of it, each with a clock, outages and losses of its own, in memory."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa
from feeds import LIST, FeedPlay
from fix import BTC, SECOND, T0, decoded, frame, refresh, snapshot
from lake_maker import make_lake

from capture.book.book import Book
from capture.columns import Columns
from storage.batches import dated_tables
from storage.schemas import SCHEMAS

SYMBOL = "BTC/USD"
DEPTH = 25  # The checksum is of ten levels: what is lost below them only the numbers tell.
STEP_MS = 7  # Between two messages of the venue.
BEGIN_NS = T0 + 60 * SECOND
Levels = tuple[list[tuple[int, int]], list[tuple[int, int]]]


def arrow_tables(columns: Columns) -> dict[str, pa.Table]:
    """Return the rows of one batch as its lake would be read; names are plain strings."""
    tables = {}
    for name, table in columns.tables().items():
        dated = [rows.cast(SCHEMAS[name]) for _, rows in dated_tables(table, columns.names)]
        tables[name] = pa.concat_tables([SCHEMAS[name].empty_table(), *dated])
    return tables


class Sent(NamedTuple):
    """One refresh of the venue, and the book after it. at_ns, entry_ms: by the venue's clock."""

    text: str
    at_ns: int
    entry_ms: int
    levels: Levels


class Truth:
    """What the venue sends: first a book, then refreshes with the checksum of the book after each."""

    def __init__(self, edits: Iterable[tuple[str, int, int]], *, begin_ns: int = BEGIN_NS) -> None:
        self._book = Book(BTC, DEPTH)
        levels = [
            f"{side} {100 + sign * away}.0 1" for side, sign in (("offer", 1), ("bid", -1)) for away in range(1, DEPTH)
        ]
        self._book.snapshot(decoded(snapshot(*levels)))
        self.first = self._levels()
        self.begin_ns = begin_ns
        self.sent: list[Sent] = []
        for number, edit in enumerate(edits, 1):
            self._send(begin_ns + number * STEP_MS * 1_000_000, *edit)

    def _send(self, at_ns: int, side: str, away: int, size: int) -> None:
        price = 100 + away if side == "offer" else 100 - away
        held = dict(self._book.offers.levels() if side == "offer" else self._book.bids.levels())
        update = "new" if price * 10 not in held else "change" if size else "delete"
        entries = [f"{update} {side} {price}.0 {size or (0 if update == 'delete' else 1)}"]
        text = refresh(*entries)
        self._book.refresh(decoded(text))
        second, ms = divmod(at_ns // 1_000_000 % 86_400_000, 1000)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{ms:03}"
        text = refresh(*entries, checksum=self._book.checksum()).replace("11:59:59.500", clock)
        self.sent.append(Sent(text, at_ns, at_ns // 1_000_000, self._levels()))

    def _levels(self) -> Levels:
        return [tuple(it) for it in self._book.bids.levels()], [tuple(it) for it in self._book.offers.levels()]

    def book_after(self, count: int) -> Levels:
        """Return the book after so many refreshes."""
        return self.sent[count - 1].levels if count else self.first


class Recorded:
    """One recorder of a truth. offset_ns: of its clock. Messages come by `play`, whatever becomes of each.

    seen: numbers of the refreshes that it got. fates: of each refresh: got, lost on the way, or down.
    """

    def __init__(self, truth: Truth, fates: Iterable[str], *, offset_ns: int, seed: int, patience: int) -> None:
        self.play = FeedPlay()
        self.seen: set[int] = set()
        self.snapshots: list[int] = []  # After how many refreshes each snapshot was made.
        self._truth, self._offset_ns, self._random = truth, offset_ns, Random(seed)  # noqa: S311
        self._up = False
        self._requests = 0
        self._snapshot_in: int | None = None
        self._tick(truth.begin_ns)
        for number, (sent, fate) in enumerate(zip(truth.sent, fates, strict=True), 1):
            self._one(number, sent, fate, patience)
        if self._up:
            self._tick(truth.sent[-1].at_ns + SECOND)
            self.play.close()

    def lake(self, root: Path) -> Path:
        """Write what it recorded, and return the tape's root."""
        return make_lake(root, self.play.feed.take_columns())

    def tables(self) -> dict[str, pa.Table]:
        """Return what it recorded, as its lake would be read."""
        return arrow_tables(self.play.feed.take_columns())

    def _tick(self, venue_ns: int) -> None:
        late_ns = self._random.randrange(1_000_000, 4_000_000)
        self.play.now_ns = max(self.play.now_ns + 1, venue_ns + self._offset_ns + late_ns)

    def _one(self, number: int, sent: Sent, fate: str, patience: int) -> None:
        self._tick(sent.at_ns - 3_000_000)
        if fate == "down":
            if self._up:
                self.play.close()
            self._up, self._snapshot_in = False, None
            return
        if not self._up:
            self._up = True
            self.play.open(listed=LIST)
            self._subscribe(number - 1, sent.at_ns - 2_000_000)
        elif self._snapshot_in is not None:
            self._snapshot_in -= 1
            if self._snapshot_in < 0:
                self.play.unsubscribe(f"M{self._requests}", depth=DEPTH)
                self._subscribe(number - 1, sent.at_ns - 2_000_000)
        self._tick(sent.at_ns)
        if fate == "lost":
            lost = self.play._their_next
            self.play._their_next += 1
            self._venue("35=0", sent.at_ns)
            self.play.bytes(frame(f"35=4 43=Y 123=Y 36={lost + 1}", seq=lost, at_ns=sent.at_ns))
            self._snapshot_in = patience
            return
        self.seen.add(number)
        self._venue(sent.text.replace("262=M1", f"262=M{self._requests}"), sent.at_ns)

    def _subscribe(self, count: int, at_ns: int) -> None:
        self._requests += 1
        self._snapshot_in = None
        name = f"M{self._requests}"
        self.play.subscribe(name, depth=DEPTH)
        bids, offers = self._truth.book_after(count)
        entries = [f"offer {price / 10} {_size(size)}" for price, size in offers]
        entries += [f"bid {price / 10} {_size(size)}" for price, size in bids]
        self._venue(snapshot(*entries, md_req_id=name), at_ns)
        self.snapshots.append(count)

    def _venue(self, text: str, at_ns: int) -> None:
        self.play.bytes(frame(text, seq=self.play._their_next, at_ns=at_ns))
        self.play._their_next += 1


def _size(size: int) -> str:
    return f"{size // 10**8}"
