"""The book of a symbol as it stood at a moment, rebuilt from its changes, with a certificate of how far to trust it.

Layer: queries, over the engine.
Source: venue reference 4.8, rule by rule, and section 5 for the checksum; design section 7.
Left to others: stepping through many moments (replay), the shape of a printed book (`queries.text`).

The book is that of the newest session with a message about the symbol. If that session has no snapshot of it yet there
is no book: levels of a session that ended prove nothing about the one that followed. If a newer session has not
mentioned the symbol at all, the older book is what was last known; the certificate then names the newer session.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from capture.book.checksum import CHECKSUM_LEVELS, book_checksum
from queries.engine import Engine
from queries.errors import NoSnapshot
from queries.text import ladder, scaled_decimal, shown
from queries.times import iso
from storage.lake import FileInfo

CERTIFICATE_KEY: Final = b"fixtape.certificate"
_SETTING: Final = frozenset({"snapshot", "new", "change"})  # Actions after which a level holds its row's size.
_DECIMAL: Final = 38  # Digits of a decimal128.


class Level(NamedTuple):
    """One price level, exact, with as many decimals as the venue writes."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a rebuilt book rests on.

    rows_applied: from the snapshot on, its own included; of them, rows_suspect were recorded while the book was
        suspect, and rows_unproven lack a witness that they could have, for a snapshot carries no checksum.
    last_*: of the newest of them.
    checksum_received, checksum_computed, verdict: what the last message said, as recorded; null where it said nothing.
    checksum_rebuilt: of this book; null where its precision changed and older levels cannot be written in the new one.
    later_session_id: a newer session that has not mentioned the symbol, or null.
    recorded_until_ns: where the lake ends, if the moment asked for lies after it, or null.
    """

    session_id: str
    snapshot_ns: int
    snapshot_msg_seq_num: int
    rows_applied: int
    rows_suspect: int
    rows_unproven: int
    last_ns: int
    last_msg_seq_num: int
    last_proven: bool
    checksum_received: int | None
    checksum_computed: int | None
    verdict: str | None
    checksum_rebuilt: int | None
    later_session_id: str | None
    recorded_until_ns: int | None

    @property
    def checksum_agrees(self) -> bool | None:
        """Return whether the rebuilt book has the checksum sent, or else the one recorded; None if there is none."""
        recorded = self.checksum_computed if self.checksum_received is None else self.checksum_received
        return None if recorded is None or self.checksum_rebuilt is None else self.checksum_rebuilt == recorded

    def _proof(self) -> str:
        if self.checksum_agrees is False:
            return "NONE: this is not the book that was recorded; rows are missing or damaged, see `fixtape rebuild`"
        return f"last row {'proven' if self.last_proven else 'not proven'}"

    def lines(self) -> list[str]:
        """Return the certificate in words."""
        said = {None: "has nothing to agree with", True: "agrees with", False: "DIFFERS FROM"}[self.checksum_agrees]
        by = "" if self.checksum_agrees is None else " the venue's" if self.checksum_received is not None else " ours"
        lines = [
            f"snapshot {iso(self.snapshot_ns)} MsgSeqNum {self.snapshot_msg_seq_num}, session {shown(self.session_id)}",
            f"last     {iso(self.last_ns)} MsgSeqNum {self.last_msg_seq_num}, {self.verdict or 'no verdict'}",
            f"rows     {self.rows_applied} applied, {self.rows_suspect} suspect, {self.rows_unproven} unproven",
            f"checksum {self.checksum_rebuilt} {said}{by}",
            f"proof    {self._proof()}",
        ]
        if self.recorded_until_ns is not None:
            lines.append(f"stale    nothing at all is recorded after {iso(self.recorded_until_ns)}")
        if self.later_session_id is not None:
            lines.append(f"stale    session {shown(self.later_session_id)} has not mentioned the symbol yet")
        return lines


@dataclass(frozen=True, slots=True)
class BookAt:
    """A book at a moment; both sides best first."""

    symbol: str
    at_ns: int
    bids: tuple[Level, ...]
    offers: tuple[Level, ...]
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
        certificate = {**asdict(self.certificate), "checksum_agrees": self.certificate.checksum_agrees}
        at_time, crossed = iso(self.at_ns), self.is_crossed
        sides = {"bids": list(self.bids), "offers": list(self.offers)}
        return {"symbol": self.symbol, "at_time": at_time, "crossed": crossed, **sides, "certificate": certificate}

    def __str__(self) -> str:
        head = f"{shown(self.symbol)} at {iso(self.at_ns)}{' CROSSED' if self.is_crossed else ''}"
        return "\n".join([head, *ladder(self.bids, self.offers), *self.certificate.lines()])


class _Row(NamedTuple):
    """The last thing done to one price. Units: integers scaled as the row says."""

    side: str
    price: int
    price_scale: int
    last: Mapping[str, Any]

    def order(self) -> tuple[int, bool, int]:
        """Return the row's place among the others: a local cut comes after its message's entries."""
        return self.last["seq"], self.last["entry"] < 0, self.last["entry"]


class _Pair(NamedTuple):
    """One price level in integers."""

    price: int
    size: int


class _Sides(NamedTuple):
    """Both sides in integers of one scale each for price and size, best first."""

    bids: list[_Pair]
    offers: list[_Pair]
    price_scale: int
    size_scale: int


def book_at(engine: Engine, symbol: str, at_ns: int, depth: int) -> BookAt:
    """Return the book of a symbol at a moment, that moment's messages included.

    Errors: NoSnapshot; StatementFailed where a file cannot be read.
    """
    extent = engine.extent()
    end_ns = at_ns if extent is None else extent[1]
    session_id, snapshot_seq, snapshot_ns = _start(engine, symbol, at_ns)
    rows = {"symbol": symbol, "session_id": session_id, "at_ns": at_ns, "snapshot_seq": snapshot_seq}
    files = {"book_changes": engine.files("book_changes", start_ns=0, end_ns=at_ns + 1, symbol=symbol)}
    files["book_changes"] = [file for file in files["book_changes"] if file.last_ns >= snapshot_ns]
    levels = engine.ask("book_levels", files, rows).fetchall()
    ((applied, suspect, unproven, last),) = engine.ask("book_rows", files, rows).fetchall()
    sides = assemble(_Row(*level) for level in levels)
    received, computed, verdict = _message(engine, symbol, session_id, last)
    certificate = Certificate(
        session_id=session_id,
        snapshot_ns=snapshot_ns,
        snapshot_msg_seq_num=snapshot_seq,
        rows_applied=applied,
        rows_suspect=suspect,
        rows_unproven=unproven,
        last_ns=last["receive_ns"],
        last_msg_seq_num=last["msg_seq_num"],
        last_proven=last["proven"],
        checksum_received=received,
        checksum_computed=computed,
        verdict=verdict,
        checksum_rebuilt=_checksum(sides, last["price_scale"], last["size_scale"]),
        later_session_id=_later_session(engine, session_id, at_ns),
        recorded_until_ns=end_ns if at_ns > end_ns else None,
    )
    return BookAt(symbol, at_ns, _levels(sides.bids, sides, depth), _levels(sides.offers, sides, depth), certificate)


def assemble(rows: Iterable[_Row]) -> _Sides:
    """Return the sides that result from the last thing done to each price.

    A price may come once a scale it was written in; all are aligned to the finest by whole powers of ten, and the
    later row counts.
    """
    known = list(rows)
    price_scale = max((row.price_scale for row in known), default=0)
    size_scale = max((row.last["scale"] for row in known), default=0)
    newest: dict[tuple[str, int], _Row] = {}
    for row in known:
        key = (row.side, row.price * 10 ** (price_scale - row.price_scale))
        if key not in newest or newest[key].order() < row.order():
            newest[key] = row
    pairs: dict[str, list[_Pair]] = {"bid": [], "offer": []}
    for (side, price), row in newest.items():
        size = row.last["size"] or 0
        if row.last["action"] in _SETTING and size > 0:
            pairs[side].append(_Pair(price, size * 10 ** (size_scale - row.last["scale"])))
    return _Sides(sorted(pairs["bid"], reverse=True), sorted(pairs["offer"]), price_scale, size_scale)


def _start(engine: Engine, symbol: str, at_ns: int) -> tuple[str, int, int]:
    """Return session, MsgSeqNum(34) and receive time of the snapshot that a book starts from."""
    bounds = {"start_ns": 0, "end_ns": at_ns + 1}
    wanted = {"symbol": symbol, "at_ns": at_ns}
    message = engine.newest("last_message", "messages", engine.files("messages", symbol=symbol, **bounds), wanted)
    if message is None:
        raise NoSnapshot(symbol, iso(at_ns), reason="no message about it is that old")
    wanted["session_id"] = session_id = message[0]
    changes = engine.files("book_changes", symbol=symbol, **bounds)
    snapshot = engine.newest("last_snapshot", "book_changes", changes, wanted)
    if snapshot is None:
        raise NoSnapshot(symbol, iso(at_ns), reason=f"session {session_id} had sent no snapshot of it yet")
    return session_id, *snapshot


def _message(
    engine: Engine, symbol: str, session_id: str, last: Mapping[str, Any]
) -> tuple[int | None, int | None, str | None]:
    """Return checksum received, checksum computed and verdict of the message that the last row came in."""
    at_ns = last["receive_ns"]
    files = engine.files("messages", start_ns=at_ns, end_ns=at_ns + 1, symbol=symbol)
    wanted = {"symbol": symbol, "session_id": session_id, "msg_seq_num": last["msg_seq_num"]}
    found = engine.ask("message_checksum", {"messages": files}, wanted).fetchall()
    return found[0] if found else (None, None, None)


def _later_session(engine: Engine, session_id: str, at_ns: int) -> str | None:
    """Return the newest session with a message at or before a moment, if it is another."""
    files: list[FileInfo] = engine.files("messages", start_ns=0, end_ns=at_ns + 1)
    found = engine.newest("last_message", "messages", files, {"symbol": None, "at_ns": at_ns})
    return None if found is None or found[0] == session_id else str(found[0])


def _checksum(sides: _Sides, price_scale: int, size_scale: int) -> int | None:
    """Return the checksum in the precision of the last row, or None where a level does not fit it."""
    best = [side[:CHECKSUM_LEVELS] for side in (sides.offers, sides.bids)]
    price_step, size_step = 10 ** (sides.price_scale - price_scale), 10 ** (sides.size_scale - size_scale)
    if any(pair.price % price_step or pair.size % size_step for side in best for pair in side):
        return None
    offers, bids = ([_Pair(pair.price // price_step, pair.size // size_step) for pair in side] for side in best)
    return book_checksum(offers, bids)


def _levels(pairs: Iterable[_Pair], sides: _Sides, depth: int) -> tuple[Level, ...]:
    best = list(pairs)[:depth]
    return tuple(
        Level(scaled_decimal(pair.price, sides.price_scale), scaled_decimal(pair.size, sides.size_scale))
        for pair in best
    )


def _decimals(values: Iterable[Decimal]) -> int:
    return max((-int(value.as_tuple().exponent) for value in values), default=0)
