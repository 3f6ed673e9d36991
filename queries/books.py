"""The book of a symbol as it stood at a moment, rebuilt from its changes, with a certificate of how far to trust it.

Layer: queries, over the engine.
Source: venue reference 4.8, rule by rule, and section 5 for the checksum; design section 7.
Left to others: many moments (`queries.replay`), applying rows (`queries.book_rows`), the shape of a printed book
(`queries.text`).

The book is that of the newest session with a message about the symbol. If that session has no snapshot of it yet there
is no book: levels of a session that ended prove nothing about the one that followed. If a newer session has not
mentioned the symbol at all, the older book is what was last known; the certificate then names the newer session.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from capture.book.levels import BookSide, PriceLevel
from capture.book.replay import ReplayedBook, Replayer
from capture.columns import Proof
from queries.book_messages import SeenMessage, last_message, later_session, message, next_checksum
from queries.book_rows import READ, apply, load_book, numbered
from queries.certificate import KEY_FRAME, SNAPSHOT, Certificate
from queries.crossings import crossings
from queries.engine import Engine
from queries.errors import BeyondInt64, NoSnapshot
from queries.row_source import of_sessions
from queries.text import ladder, scaled_decimal, shown
from queries.times import Window, iso

CERTIFICATE_KEY: Final = b"fixtape.certificate"
_PROVEN: Final = Proof.SEQUENCE | Proof.CHECKSUM | Proof.INVARIANTS
_DECIMAL: Final = 38  # Digits of a decimal128.


class Level(NamedTuple):
    """One price level, exact, with as many decimals as the venue writes."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class BookAt:
    """A book at a moment; both sides best first. price_scale, size_scale: decimals of all its prices and sizes."""

    symbol: str
    at_ns: int
    bids: tuple[Level, ...]
    offers: tuple[Level, ...]
    price_scale: int
    size_scale: int
    certificate: Certificate

    @property
    def is_crossed(self) -> bool:
        """Return whether the best bid is at or above the best offer."""
        return bool(self.bids and self.offers) and self.bids[0].price >= self.offers[0].price

    def to_arrow(self) -> pa.Table:
        """Return the levels as rows of side, position from 1, price and size; the certificate in the metadata."""
        sides = [("bid", self.bids), ("offer", self.offers)]
        rows = [(side, position, *level) for side, levels in sides for position, level in enumerate(levels, 1)]
        side, position, price, size = zip(*rows, strict=True) if rows else ((), (), (), ())
        schema = pa.schema(
            [
                ("side", pa.string()),
                ("position", pa.int32()),
                ("price", pa.decimal128(_DECIMAL, _decimals(price))),
                ("size", pa.decimal128(_DECIMAL, _decimals(size))),
            ],
            metadata={CERTIFICATE_KEY: msgspec.json.encode(asdict(self.certificate))},
        )
        return pa.table([list(side), list(position), list(price), list(size)], schema=schema)

    def as_dict(self) -> dict[str, Any]:
        """Return the book as plain values: sides as lists of (price, size), the certificate by its fields."""
        at_time, crossed = iso(self.at_ns), self.is_crossed
        sides = {"bids": list(self.bids), "offers": list(self.offers)}
        return {
            "symbol": self.symbol,
            "at_time": at_time,
            "crossed": crossed,
            **sides,
            "certificate": self.certificate.as_dict(),
        }

    def __str__(self) -> str:
        head = f"{shown(self.symbol)} at {iso(self.at_ns)}{' CROSSED' if self.is_crossed else ''}"
        return "\n".join([head, *ladder(self.bids, self.offers), *self.certificate.lines()])


def book_at(engine: Engine, symbol: str, at_ns: int, depth: int) -> BookAt:
    """Return the book of a symbol at a moment, that moment's messages included.

    Errors: NoSnapshot; FilesDamaged and StatementFailed where a file cannot be read; BeyondInt64.
    """
    last = last_message(engine, symbol, at_ns)
    if last is None:
        raise NoSnapshot(symbol, iso(at_ns), reason="no message about it is that old")
    try:
        book = load_book(engine, symbol, last.session_id, at_ns, tracks_unseen=True)
        if not book.stands:
            raise NoSnapshot(symbol, iso(at_ns), reason=f"session {last.session_id} had sent no snapshot of it yet")
        bids, offers = _levels(book.bids, book, depth), _levels(book.offers, book, depth)
        scales = (book.price_scale, book.size_scale)
        certificate = _certificate(engine, symbol, at_ns, last, book)
    except OverflowError as error:
        raise BeyondInt64(symbol) from error
    return BookAt(symbol, at_ns, bids, offers, *scales, certificate)


def _certificate(engine: Engine, symbol: str, at_ns: int, last: SeenMessage, book: ReplayedBook) -> Certificate:
    """Return what a book rests on; the book then goes on to the next checksum."""
    extent = engine.extent()
    end_ns = at_ns if extent is None else extent[1]
    said = (
        last
        if book.last_seq == last.msg_seq_num
        else message(engine, symbol, last.session_id, book.last_seq, book.last_ns)
    )
    stated = {
        "begins_with": KEY_FRAME if book.is_key_frame else SNAPSHOT,
        "begin_ns": book.begin_ns,
        "begin_msg_seq_num": book.snapshot_seq,
        "rows_applied": book.rows,
        "rows_suspect": book.rows_suspect,
        "rows_unproven": book.rows_unproven,
        "last_ns": book.last_ns,
        "last_msg_seq_num": book.last_seq,
        "last_proven": book.last_proof == _PROVEN,
        "checksum_rebuilt": _checksum(book),
        "blind_bids": _beyond(book.unseen_bids, book.bids),
        "blind_offers": _beyond(book.unseen_offers, book.offers),
    }
    crossed = crossings(engine, symbol, last.session_id, book.begin_ns, at_ns)
    following = next_checksum(engine, symbol, last.session_id, at_ns)
    return Certificate(
        session_id=last.session_id,
        **stated,
        checksum_received=None if said is None else said.checksum_received,
        checksum_computed=None if said is None else said.checksum_computed,
        verdict=None if said is None else said.verdict,
        next_ns=None if following is None else following.receive_ns,
        next_msg_seq_num=None if following is None else following.msg_seq_num,
        next_checksum_received=None if following is None else following.checksum_received,
        next_checksum_rebuilt=None if following is None else _checksum_at(engine, symbol, at_ns, book, following),
        crossed=crossed,
        later_session_id=later_session(engine, last.session_id, last.receive_ns, at_ns),
        recorded_until_ns=end_ns if at_ns > end_ns else None,
    )


def _checksum_at(engine: Engine, symbol: str, at_ns: int, book: ReplayedBook, following: SeenMessage) -> int | None:
    """Return the checksum of a book once every row from its moment to a later message is applied to it."""
    bounds = Window(at_ns + 1, following.receive_ns + 1)
    found = []
    for file in engine.readable("book_changes", bounds, symbol):
        for rows in engine.rows.parts(
            "book_changes", file, symbol, READ, bounds, session_id=following.session_id, keep=True
        ):
            found += [part for session_id, part in of_sessions(rows) if session_id == following.session_id]
    if found:
        rows = numbered(pa.concat_tables(found).unify_dictionaries().combine_chunks())
        rows = rows.filter(pc.less_equal(rows["msg_seq_num"], following.msg_seq_num))
        for _ in apply(Replayer(1, 1), book, rows):
            raise AssertionError("no instants are asked for, so nothing fills up")
    return _checksum(book)


def _checksum(book: ReplayedBook) -> int | None:
    """Return the checksum in the precision of the last row, or None where a level does not fit it."""
    best = [side.best(CHECKSUM_LEVELS) for side in (book.offers, book.bids)]
    price_step = 10 ** (book.price_scale - book.row_price_scale)
    size_step = 10 ** (book.size_scale - book.row_size_scale)
    if any(level.price % price_step or level.size % size_step for side in best for level in side):
        return None
    offers, bids = ([PriceLevel(it.price // price_step, it.size // size_step) for it in side] for side in best)
    return book_checksum(offers, bids)


def _beyond(unseen: BookSide, side: BookSide) -> int:
    """Return how many levels that left the depth would stand behind every level held."""
    return sum(side.is_beyond_worst(level.price) for level in unseen.levels())


def _levels(side: BookSide, book: ReplayedBook, depth: int) -> tuple[Level, ...]:
    return tuple(
        Level(scaled_decimal(level.price, book.price_scale), scaled_decimal(level.size, book.size_scale))
        for level in side.best(depth)
    )


def _decimals(values: Iterable[Decimal]) -> int:
    return max((-int(value.as_tuple().exponent) for value in values), default=0)
