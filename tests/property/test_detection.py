"""What goes wrong in a book is detected on the first message whose 5041 can show it, and costs that symbol alone.

When 5041 can show it is computed here, by two books of this file's own: one of what the venue said, one of what came.
"""

import re
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import NamedTuple

import pytest
from feeds import Row, rows_of
from fix import seal
from market_play import MarketPlay

from capture.columns import Flag, Proof
from capture.venue.market import SyntheticMarket

DEPTH = 25
SYMBOLS = 3
FAULT_AT = 120  # The victim's message that it happens at, at the earliest: the first one that it fits.
MESSAGES = 4000  # Of all symbols, after which a fault that never reached the ten best levels is let be.
NEAR = 13  # Levels from the best one: a fault between the tenth and this one is likely to show soon.
SEEDS = range(6)
_FIELD = re.compile(rb"(\d+)=([^\x01]*)\x01")
Entries = list[list[tuple[bytes, bytes]]]


@dataclass
class PlainBook:
    """A book by a dictionary for each side, of exact decimals: what the venue's guide says and nothing else."""

    decimals: tuple[int, int]
    sides: dict[bytes, dict[Decimal, Decimal]] = field(default_factory=lambda: {b"0": {}, b"1": {}})

    def take(self, frame: bytes) -> None:
        """Apply a snapshot or a refresh, then cut to the depth."""
        if b"\x0135=W\x01" in frame:
            self.sides = {b"0": {}, b"1": {}}
        for entry in parsed(frame)[1]:
            values = dict(entry)
            side = values[b"269"]
            if side == b"2":
                continue
            price, size = Decimal(values[b"270"].decode()), Decimal(values[b"271"].decode())
            if values.get(b"279") == b"2" or not size:
                self.sides[side].pop(price, None)
            else:
                self.sides[side][price] = size
        for side in (b"0", b"1"):
            self.sides[side] = dict(self.best(side)[:DEPTH])

    def best(self, side: bytes) -> list[tuple[Decimal, Decimal]]:
        """One side, best level first."""
        return sorted(self.sides[side].items(), reverse=side == b"0")

    def checksum(self, more: int = 0) -> int:
        """CRC32 over the ten best offers, then bids: digits without point and leading zeros. more: price decimals."""
        text = "".join(
            str(int(price.scaleb(self.decimals[0] + more))) + str(int(size.scaleb(self.decimals[1])))
            for side in (b"1", b"0")
            for price, size in self.best(side)[:10]
        )
        return zlib.crc32(text.encode())


def parsed(frame: bytes) -> tuple[list[tuple[bytes, bytes]], Entries, list[tuple[bytes, bytes]]]:
    """Fields before the entries, the entries, and what stands behind them."""
    head: list[tuple[bytes, bytes]] = []
    entries: Entries = []
    tail: list[tuple[bytes, bytes]] = []
    delimiter = b"269" if b"\x0135=W\x01" in frame else b"279"
    for tag, value in _FIELD.findall(frame):
        if tag == delimiter:
            entries.append([(tag, value)])
        elif tag in {b"5041", b"10"}:
            tail.append((tag, value))
        else:
            (entries[-1] if entries else head).append((tag, value))
    return head, entries, tail


def built(frame: bytes, entries: Entries, checksum: int | None) -> bytes:
    """The frame with other entries, or another 5041, and lengths and sums that are right."""
    head, _, tail = parsed(frame)
    fields = [(tag, b"%d" % len(entries) if tag == b"268" else value) for tag, value in head[2:]]
    fields += [it for entry in entries for it in entry]
    fields += [(tag, value if checksum is None else b"%d" % checksum) for tag, value in tail if tag == b"5041"]
    return seal(b"".join(b"%b=%b\x01" % it for it in fields))


def replaced(entry: list[tuple[bytes, bytes]], tag: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    """An entry with another value of a field."""
    return [(it, value if it == tag else old) for it, old in entry]


def is_set(entry: list[tuple[bytes, bytes]]) -> bool:
    """Whether an entry puts a level of the book."""
    values = dict(entry)
    return values[b"269"] != b"2" and values[b"279"] != b"2" and Decimal(values[b"271"].decode()) > 0


def dropped(entries: Entries, random: Random) -> Entries | None:
    """One entry of several is missing."""
    if len(entries) < 2:
        return None
    del entries[random.randrange(len(entries))]
    return entries


def swapped(entries: Entries, random: Random) -> Entries | None:
    """The sizes of two levels are exchanged."""
    places = [place for place, it in enumerate(entries) if is_set(it)]
    if len(places) < 2:
        return None
    one, other = random.sample(places, 2)
    sizes = dict(entries[one])[b"271"], dict(entries[other])[b"271"]
    if sizes[0] == sizes[1]:
        return None
    entries[one], entries[other] = replaced(entries[one], b"271", sizes[1]), replaced(entries[other], b"271", sizes[0])
    return entries


def altered(entries: Entries, random: Random) -> Entries | None:
    """A digit of a size is another."""
    places = [place for place, it in enumerate(entries) if is_set(it)]
    if not places:
        return None
    place = random.choice(places)
    size = dict(entries[place])[b"271"]
    entries[place] = replaced(entries[place], b"271", size[:-1] + (b"1" if size[-1:] != b"1" else b"2"))
    return entries


ENTRY_FAULTS: dict[str, Callable[[Entries, Random], Entries | None]] = {
    "dropped entry": dropped,
    "swapped entries": swapped,
    "altered entry": altered,
}


class Victim:
    """One symbol's messages on their way to us, one of which goes wrong; and what can be known of that from outside.

    hidden: take a fault that 5041 cannot show at once, a little below the ten best levels; else one that it can.
    happened, shows, last_good: MsgSeqNum of what went wrong, of the first message whose 5041 is not that of what came,
    and of the last one before it whose 5041 is, or the snapshot.
    """

    def __init__(self, fault: str, seed: int, symbol: str, decimals: tuple[int, int], *, hidden: bool) -> None:
        self.fault, self.symbol, self.hidden = fault, symbol.encode(), hidden
        self.said, self.came = PlainBook(decimals), PlainBook(decimals)
        self.happened: int | None = None
        self.shows: int | None = None
        self.last_good = 0
        self._random = Random(seed)  # noqa: S311 - a place in a message
        self._count = 0

    def alter(self, frame: bytes) -> bytes:
        """Return what comes of a message."""
        head = dict(parsed(frame)[0])
        if head[b"55"] != self.symbol or self.shows is not None:
            return frame
        self.said.take(frame)
        self._count += 1
        if self._count > FAULT_AT:
            frame = self._wrong(frame, int(head[b"34"]))
        self.came.take(frame)
        shown = dict(parsed(frame)[2]).get(b"5041")
        if shown is not None and int(shown) != self.came.checksum():
            self.shows = int(head[b"34"])
        elif shown is not None or b"\x0135=W\x01" in frame:
            self.last_good = int(head[b"34"])
        return frame

    def _wrong(self, frame: bytes, seq: int) -> bytes:
        _, entries, tail = parsed(frame)
        checksum = dict(tail).get(b"5041")
        if checksum is None or (self.happened is not None and self.fault != "precision change"):
            return frame
        if self.fault == "precision change":
            wrong = built(frame, entries, self.said.checksum(more=1))
        elif self.fault == "wrong 5041":
            wrong = built(frame, entries, int(checksum) ^ 1)
        else:
            found = ENTRY_FAULTS[self.fault](entries, self._random)
            if found is None:
                return frame
            wrong = built(frame, found, int(checksum))
            if not self._fits(wrong):
                return frame
        self.happened = self.happened or seq
        return wrong

    def _fits(self, wrong: bytes) -> bool:
        """Whether a fault shows at once, or is hidden where it soon will, as is asked for."""
        book = deepcopy(self.came)
        book.take(wrong)
        if not self.hidden:
            return book.checksum() != self.said.checksum()
        return book.checksum() == self.said.checksum() and any(
            book.best(side)[10:NEAR] != self.said.best(side)[10:NEAR] for side in (b"0", b"1")
        )


@pytest.mark.parametrize(
    ("fault", "hidden"),
    [*((fault, hidden) for fault in ENTRY_FAULTS for hidden in (False, True)),
     ("wrong 5041", False), ("precision change", False)],
)  # fmt: skip
def test_fault_is_detected_when_5041_can_show_it(fault: str, *, hidden: bool) -> None:
    """On that message and no other; only that symbol is asked for anew; the hole is from last good to new snapshot."""
    never = 0
    for seed in SEEDS:
        market = SyntheticMarket(SYMBOLS, seed=seed, levels=60)
        name = sorted(market.symbols)[seed % SYMBOLS]
        fields = dict(market.instruments[name])
        victim = Victim(fault, seed, name, (int(fields[2349]), int(fields[5010])), hidden=hidden)
        play = MarketPlay(market, depth=DEPTH, alter=victim.alter)
        good_ns = asked_before = 0

        for _ in range(MESSAGES):
            good, asked_before = victim.last_good, len(play.asked)
            play.play(1)
            if victim.last_good != good:
                good_ns = play.now_ns
            if victim.shows is not None:
                break

        assert victim.happened is not None, "the fault found its message"
        if victim.shows is None:
            never += 1
            assert play.feed.counters.mismatches == 0, "what 5041 cannot show is no mismatch"
            continue
        assert (victim.shows > victim.happened) == hidden
        hole = Hole(name, victim.shows, good_ns, play.now_ns)
        asked = [it for it in play.asked[asked_before:] if it[0] == "V"]
        assert [it[2] for it in asked] == [name, name], "stopped and asked for anew, and nobody else"
        while play.feed.books_proven < SYMBOLS:
            assert play.play(1)
        hole.check(rows_of(play.feed.take_columns()))
    assert never < (len(SEEDS) if hidden else 1)
    print(f"{fault}: {len(SEEDS) - never} of {len(SEEDS)} shown{', on a later message' if hidden else ''}")


class Hole(NamedTuple):
    """What must be in the tables: a hole of one symbol, from its last good message to its new snapshot."""

    symbol: str
    shows: int
    good_ns: int
    shown_ns: int

    def check(self, tables: dict[str, list[Row]]) -> None:
        """Hold events and rows against it."""
        events = [it for it in tables["events"] if it["kind"] in {"mismatch", "suspect", "healed", "gap"}]
        mismatch, healed = events
        fresh = next(it for it in tables["messages"] if it["msg_type"] == "W" and it["msg_seq_num"] > self.shows)
        assert (mismatch["kind"], mismatch["symbol"], mismatch["msg_seq_num"]) == ("mismatch", self.symbol, self.shows)
        assert (mismatch["from_ns"], mismatch["to_ns"]) == (self.good_ns, self.shown_ns)
        assert (healed["kind"], healed["symbol"], healed["msg_seq_num"]) == (
            "healed",
            self.symbol,
            fresh["msg_seq_num"],
        )
        assert (healed["from_ns"], healed["to_ns"]) == (self.good_ns, fresh["receive_ns"])
        for row in tables["book_changes"]:
            inside = row["symbol"] == self.symbol and self.shows <= row["msg_seq_num"] < fresh["msg_seq_num"]
            assert bool(row["flags"] & Flag.SUSPECT_BOOK) == inside
            assert not (inside and row["proof"] & Proof.CHECKSUM)
