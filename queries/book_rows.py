"""Rows of `book_changes` applied to books: whichever scales they are written in, and from wherever a book begins.

Layer: queries, between the row source and the questions about books. The loop itself is `capture.book.replay`.
Source: venue reference 4.8; docs/decisions/0015-key-frames.md.
Left to others: which session and moment (`queries.books`, `queries.replay`).

A book begins with the newest key frame or snapshot of its session at or before a moment. Numbers are held in the finest
scale met since then. A clock that stepped back leaves rows of one session whose receive times run against their
numbers: those of one row group are applied in the order of their numbers, at the latest time met.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from capture.book.levels import BookSide
from capture.book.replay import ACTIONS, ReplayedBook, Replayer
from queries.engine import Engine
from queries.row_source import views
from queries.times import Window

# As `Replayer.bind` takes them, and what else is asked for.
COLUMNS: Final = ("receive_ns", "msg_seq_num", "entry_index", "side", "action", "price", "size", "proof", "flags")
READ: Final = (*COLUMNS, "session_id", "price_scale", "size_scale")
CLOCK_STEP_NS: Final = 60 * 10**9  # By so much a clock may have stepped back and the rows are still found.
_SIDES: Final = {"bid": 0, "offer": 1}
_FRAME: Final = (
    "receive_ns",
    "session_id",
    "msg_seq_num",
    "proof",
    "flags",
    "bid_prices",
    "bid_sizes",
    "offer_prices",
    "offer_sizes",
    "price_scale",
    "size_scale",
)


class _Scales(NamedTuple):
    """Decimals of price and size."""

    price: int
    size: int


def load_book(
    engine: Engine, symbol: str, session_id: str, at_ns: int, *, code: int = 0, tracks_unseen: bool = False
) -> ReplayedBook:
    """Return the book of a session as it stood at a moment, that moment's messages included.

    It does not stand where the session has no snapshot by then. Errors: FilesDamaged, OverflowError.
    """
    book = ReplayedBook(code, tracks_unseen=tracks_unseen)
    frame = _key_frame(engine, symbol, session_id, at_ns)
    if frame is None:
        parts = _since_snapshot(engine, symbol, session_id, at_ns)
    else:
        _take_over(book, frame)
        parts = _since_frame(engine, symbol, session_id, at_ns, frame)
    if parts:
        rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        for _ in apply(Replayer(1, 1), book, numbered(rows)):
            raise AssertionError("no instants are asked for, so nothing fills up")
    return book


def apply(replayer: Replayer, book: ReplayedBook, rows: pa.Table) -> Iterator[None]:
    """Apply rows of one session; yield whenever the samples are to be taken before it goes on.

    Errors: OverflowError where a number does not fit 64 bits at the scale of its book.
    """
    for scales, part in _by_scale(rows):
        begin = 0
        if (book.price_scale, book.size_scale) != scales or not book.stands:
            first = _first_snapshot(part, book)
            if first > 0 and book.stands:  # What comes before it is still of the book that stands.
                yield from _apply(replayer, book, part.slice(0, first), scales)
            begin = first
            if begin < len(part):
                yield from settle(replayer, book, part["receive_ns"][begin].as_py())
                book.price_scale, book.size_scale = scales
        if begin < len(part):
            yield from _apply(replayer, book, part.slice(begin), scales)


def settle(replayer: Replayer, book: ReplayedBook, before_ns: int) -> Iterator[None]:
    """Write a book down at every instant before a moment, and what its last message left; yield as `apply` does."""
    while not replayer.flush(book):
        yield
    replayer.advance(book, before_ns)
    while replayer.is_full:
        yield
        replayer.advance(book, before_ns)


def numbered(rows: pa.Table) -> pa.Table:
    """Return rows of one session in the order of their numbers, what was cut locally after its message's entries."""
    keys = rows.append_column("cut", pc.less(rows["entry_index"], 0))
    by = [("msg_seq_num", "ascending"), ("cut", "ascending"), ("entry_index", "ascending")]
    return rows.take(pc.sort_indices(keys, sort_keys=by))


def _apply(replayer: Replayer, book: ReplayedBook, rows: pa.Table, scales: _Scales) -> Iterator[None]:
    """Apply rows of one scale to a book that holds its numbers in scales of its own."""
    held = _Scales(book.price_scale, book.size_scale)
    finest = _Scales(max(held.price, scales.price), max(held.size, scales.size))
    if finest != held:
        yield from settle(replayer, book, rows["receive_ns"][0].as_py())
        book.rescale(*finest)
    count = len(rows)
    book.row_price_scale, book.row_size_scale = scales
    _bind(replayer, rows, finest.price - scales.price, finest.size - scales.size)
    if replayer.disorder(count) < count:
        rows = numbered(rows)
        place = rows.column_names.index("receive_ns")
        rows = rows.set_column(place, "receive_ns", pc.cumulative_max(rows["receive_ns"]))
        _bind(replayer, rows, finest.price - scales.price, finest.size - scales.size)
    place = replayer.run(book, 0, count)
    while place < count:
        yield
        place = replayer.run(book, place, count)


def _bind(replayer: Replayer, rows: pa.Table, price_digits: int, size_digits: int) -> None:
    """Hand columns to the loop, numbers with so many decimals more."""
    columns = {name: rows[name].combine_chunks() for name in COLUMNS}
    columns["price"] = _finer(columns["price"], price_digits)
    columns["size"] = _finer(columns["size"], size_digits)
    codes = []
    for name, numbers in (("side", _SIDES), ("action", ACTIONS)):
        if not pa.types.is_dictionary(columns[name].type):
            columns[name] = columns[name].dictionary_encode()
        values = columns[name].dictionary.to_pylist()
        codes.append(array("i", [*(numbers[value] for value in values), 0]))  # A null of a clear may have any code.
        if columns[name].null_count:
            columns[name] = pa.DictionaryArray.from_arrays(
                pc.fill_null(columns[name].indices, len(values)), pa.array([*values, ""])
            )
    replayer.bind(views(pa.table(columns), COLUMNS), *codes)


def _finer(numbers: pa.Array, digits: int) -> pa.Array:
    """Return numbers with so many decimals more; null holds nothing."""
    if numbers.null_count:
        numbers = pc.fill_null(numbers, 0)
    try:
        return pc.multiply_checked(numbers, 10**digits) if digits else numbers
    except pa.ArrowInvalid as error:
        raise OverflowError(str(error)) from error


def _by_scale(rows: pa.Table) -> Iterator[tuple[_Scales, pa.Table]]:
    """Yield rows as stretches of one scale each."""
    prices, sizes = (rows[name].combine_chunks() for name in ("price_scale", "size_scale"))
    ends = sorted({*_run_ends(prices), *_run_ends(sizes)})
    for begin, end in zip([0, *ends], ends, strict=False):
        yield _Scales(prices[begin].as_py(), sizes[begin].as_py()), rows.slice(begin, end - begin)


def _run_ends(numbers: pa.Array) -> list[int]:
    extremes = pc.min_max(numbers)
    if extremes["min"] == extremes["max"]:
        return [len(numbers)]
    ends: list[int] = pc.run_end_encode(numbers).run_ends.to_pylist()
    return ends


def _first_snapshot(rows: pa.Table, book: ReplayedBook) -> int:
    """Return the first row with which another book begins, or how many there are."""
    begins = pc.is_in(rows["action"].cast(pa.string()), pa.array(["snapshot", "clear"]))
    if book.stands:
        begins = pc.and_(begins, pc.not_equal(rows["msg_seq_num"], book.snapshot_seq))
    place = pc.index(begins, True).as_py()
    return len(rows) if place < 0 else int(place)


def _key_frame(engine: Engine, symbol: str, session_id: str, at_ns: int) -> dict[str, Any] | None:
    """Return the newest whole book of a session at or before a moment."""
    newest: dict[str, Any] | None = None
    bounds = Window(0, at_ns + 1)
    for file in _newest_first(engine, "books", symbol, bounds):
        if newest is not None and file.last_ns < newest["receive_ns"]:
            break
        for part in engine.rows.parts(
            "books", file, symbol, _FRAME, bounds, session_id=session_id, newest_first=True, keep=True
        ):
            rows = _of_session(part, session_id)
            if len(rows):
                row = rows.slice(len(rows) - 1).to_pylist()[0]
                if newest is None or row["msg_seq_num"] > newest["msg_seq_num"]:
                    newest = row
                break
    return newest


def _take_over(book: ReplayedBook, frame: dict[str, Any]) -> None:
    book.price_scale, book.size_scale = frame["price_scale"], frame["size_scale"]
    book.row_price_scale, book.row_size_scale = book.price_scale, book.size_scale
    book.begin(frame["msg_seq_num"], frame["receive_ns"], frame["proof"], frame["flags"])
    book.is_key_frame = True
    sides: tuple[tuple[BookSide, str], ...] = ((book.bids, "bid"), (book.offers, "offer"))
    for side, name in sides:
        levels = zip(frame[f"{name}_prices"], frame[f"{name}_sizes"], strict=True)
        for price, size in reversed(list(levels)):  # The best level last, where it is cheap to set.
            side.set(price, size)


def _since_frame(engine: Engine, symbol: str, session_id: str, at_ns: int, frame: dict[str, Any]) -> list[pa.Table]:
    """Return the rows of a session behind a key frame, up to a moment."""
    bounds = Window(max(frame["receive_ns"] - CLOCK_STEP_NS, 0), at_ns + 1)
    found = []
    for file in engine.readable("book_changes", bounds, symbol):
        for part in engine.rows.parts("book_changes", file, symbol, READ, bounds, session_id=session_id, keep=True):
            rows = _of_session(part, session_id)
            found.append(rows.filter(pc.greater(rows["msg_seq_num"], frame["msg_seq_num"])))
    return [rows for rows in found if len(rows)]


def _since_snapshot(engine: Engine, symbol: str, session_id: str, at_ns: int) -> list[pa.Table]:
    """Return the rows of a session from its newest snapshot on, up to a moment; none where it has no snapshot.

    A snapshot's rows may be cut between two row groups, so its first row must not be the first that was read.
    """
    found: list[pa.Table] = []
    begin_ns, begin_seq = -1, -1
    bounds = Window(0, at_ns + 1)
    for file in _newest_first(engine, "book_changes", symbol, bounds):
        if file.last_ns < begin_ns:
            break
        parts = engine.rows.parts(
            "book_changes", file, symbol, READ, bounds, session_id=session_id, newest_first=True, keep=True
        )
        for part in parts:
            rows = _of_session(part, session_id)
            if not len(rows):
                continue
            if rows["receive_ns"][-1].as_py() < begin_ns:
                break
            found.append(rows)
            begins = rows.filter(pc.is_in(rows["action"].cast(pa.string()), pa.array(["snapshot", "clear"])))
            last = pc.max(begins["msg_seq_num"]).as_py()
            if last is not None and last > begin_seq:
                begin_seq = last
                begin_ns = begins["receive_ns"][pc.index(begins["msg_seq_num"], last).as_py()].as_py()
    if begin_seq < 0:
        return []
    return [rows.filter(pc.greater_equal(rows["msg_seq_num"], begin_seq)) for rows in reversed(found)]


def _newest_first(engine: Engine, table: str, symbol: str, bounds: Window) -> Sequence[Any]:
    return sorted(engine.readable(table, bounds, symbol), key=lambda file: file.last_ns, reverse=True)


def _of_session(rows: pa.Table, session_id: str) -> pa.Table:
    """Return the rows of a session; as it mostly is, all of them."""
    names = rows["session_id"].combine_chunks()
    if pa.types.is_dictionary(names.type):
        code = pc.index(names.dictionary, session_id).as_py()
        if code < 0:
            return rows.slice(0, 0)
        same = pc.equal(names.indices, code)
    else:
        same = pc.equal(names, session_id)
    return rows if pc.all(same).as_py() else rows.filter(same)
