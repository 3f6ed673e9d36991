"""Books at a thousand instants of real and synthetic data, against rows applied one by one in plain Python."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lake_maker import make_lake
from market_play import MarketPlay
from offline import batches

from capture.columns import Columns
from capture.venue.market import SyntheticMarket
from capture.venue.recording import SHIPPED, load
from queries.replay import BookBatch
from queries.tape import Tape

INSTANTS = 250  # Of each of four tapes, in one pass.
SINGLE = int(os.environ.get("FIXTAPE_INSTANTS", "200")) // 4  # Of each, one by one.
DEPTH = 1000
REAL = {"btcusd-d10-resubscribe": 10, "ethusd-d25": 25, "spot10-d1000": 1000}
Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]


@dataclass
class Told:
    """A tape, and the rows of each of its symbols in the order in which the venue sent them."""

    tape: Tape
    rows: dict[str, list[Any]]
    is_faulty: bool


def brute_force(rows: list[Any], times: list[int]) -> list[Sides | None]:
    """Apply rows one after the other, and look at each moment; a snapshot begins anew, whatever was held."""
    found, held, snapshot, place = [], None, None, 0
    for time in times:
        while place < len(rows) and rows[place].receive_ns <= time:
            it = rows[place]
            place += 1
            if it.action in ("snapshot", "clear") and (it.session_id, it.msg_seq_num) != snapshot:
                held, snapshot = {"bid": {}, "offer": {}}, (it.session_id, it.msg_seq_num)
            if held is not None and it.side:
                held[it.side].pop(it.price, None)
                if it.size and it.action not in ("delete", "evict"):
                    held[it.side][it.price] = it.size
        found.append(held and (sorted(held["bid"].items(), reverse=True), sorted(held["offer"].items())))
    return found


def faulty() -> Iterator[Columns]:
    """A synthetic market of which one message in two hundred bears a checksum that is not the book's."""
    random = Random(7)  # noqa: S311 - a test

    def alter(frame: bytes) -> bytes:
        place = frame.find(b"\x015041=")
        if place < 0 or random.random() > 0.005:
            return frame
        other = bytearray(frame)
        other[place + 6] = ord("1") + (other[place + 6] - ord("0")) % 9
        end = len(other) - 7
        return bytes(other[:end]) + b"10=%03d\x01" % (sum(other[:end]) % 256)

    play = MarketPlay(SyntheticMarket(6, rate=50.0, seed=3), depth=25, alter=alter)
    for _ in range(15):
        for _ in range(60):
            play.play(7)
        yield play.feed.take_columns()


def made(name: str) -> Iterator[Columns]:
    if name == "faulty":
        return faulty()
    return (it.columns for it in batches(load([SHIPPED / f"{name}.fix.gz"]), REAL[name], 3600))


@pytest.fixture(scope="module", params=[*REAL, "faulty"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    with tempfile.TemporaryDirectory() as root, Tape(make_lake(Path(root), *made(request.param))) as tape:
        columns = "receive_ns, session_id, msg_seq_num, side, action, price, size"
        rows = {}
        for symbol in tape.symbols():
            cursor = tape.cursor()
            cursor.execute(
                f"SELECT {columns} FROM raw.book_changes WHERE symbol = $symbol"  # noqa: S608
                " ORDER BY session_id, msg_seq_num, entry_index < 0, entry_index",
                {"symbol": symbol},
            )
            rows[symbol] = [Row(*row) for row in cursor.fetchall()]
        yield Told(tape, {symbol: of_one for symbol, of_one in rows.items() if of_one}, request.param == "faulty")


@dataclass(slots=True)
class Row:
    receive_ns: int
    session_id: str
    msg_seq_num: int
    side: str | None
    action: str
    price: int
    size: int


def instants(rows: list[Any], random: Random, count: int) -> list[int]:
    """Moments at random, and right after what is rare: evictions and snapshots."""
    rare = [row.receive_ns for row in rows if row.action in ("evict", "snapshot", "clear")]
    first, last = rows[0].receive_ns, rows[-1].receive_ns
    picked = {random.choice(rare) + random.choice((0, 0, 1, -1)) for _ in range(count // 3)}
    return sorted(at for at in picked | {random.randrange(first, last + 10**9) for _ in range(count)} if at >= first)


def share(told: Told, count: int) -> Iterator[tuple[str, list[Any], list[int]]]:
    random = Random(11)  # noqa: S311 - a test
    total = sum(map(len, told.rows.values()))
    for symbol, rows in sorted(told.rows.items()):
        yield symbol, rows, instants(rows, random, max(count * len(rows) // total, 4))


def test_a_book_is_what_its_rows_make_of_it(told: Told) -> None:
    """At random instants, right after evictions and snapshots and while a book was suspect, every level is the same."""
    suspect = 0
    for symbol, rows, times in share(told, SINGLE):
        for time, expected in zip(times, brute_force(rows, times), strict=True):
            book = told.tape.book(symbol, time, DEPTH)

            scales = (book.price_scale, book.size_scale)
            sides = [[unscaled(level, scales) for level in side] for side in (book.bids, book.offers)]
            assert tuple(sides) == expected, (symbol, time)
            certificate = book.certificate
            suspect += certificate.suspect_since_ns is not None
            assert certificate.checksum_agrees is not False or certificate.suspect_since_ns is not None
            assert certificate.rows_suspect == 0 or certificate.crossed
    assert (suspect > 0) == told.is_faulty


def unscaled(level: Any, scales: tuple[int, int]) -> tuple[int, int]:
    return tuple(int(number.scaleb(scale)) for number, scale in zip(level, scales, strict=True))


def test_many_books_in_one_pass_are_the_same(told: Told) -> None:
    """`books` gives what brute force gives, level by level, and no level where no book stands."""
    for symbol, rows, picked in share(told, INSTANTS):
        times = [picked[0] - 10**9, *picked]
        expected = brute_force(rows, times)

        found = [sides for batch in told.tape.books(symbol, times, DEPTH).batches() for sides in held(batch)]

        assert found == [it or ([], []) for it in expected], symbol


def held(batch: BookBatch) -> Iterator[Sides]:
    """The levels of each instant, those that are there."""
    for bids, offers in batch.levels.tolist():
        yield tuple([(price, size) for price, size in side if size] for side in (bids, offers))
