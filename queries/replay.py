"""Books of a symbol at many instants, or after each message, streamed out of the files in bounded memory.

Layer: queries, over the row source and `book_rows`.
Source: design section 7, `replay`.
Left to others: one book with its certificate (`queries.books`), printing (`queries.replay_cli`).

The book at an instant is that of the session whose message was the last: each session has a book of its own, and from
its first message about the symbol on it counts, with or without a snapshot. A message of trades alone, of a session
that was met before, changes nothing.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from capture.book.replay import LEVEL_NUMBERS, ReplayedBook, Replayer, Samples, side_numbers
from capture.columns import NULL, Flag, Proof
from queries.book_messages import last_message
from queries.book_rows import READ, apply, load_book, settle
from queries.engine import Engine
from queries.errors import BeyondInt64
from queries.row_source import of_sessions, views
from queries.times import Window

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BATCH_LEVELS: Final = 2**18  # Levels a side of one batch, so 16 MiB at any depth.
SESSIONS_LIMIT: Final = 16  # Books of sessions that are kept at once; one more, and the one longest silent is reread.
SIDES: Final = ("bid", "offer")

Instants = Callable[[int], "array[int]"]  # The next so many moments, ascending; none at the end.


class BookArrays(NamedTuple):
    """Books as NumPy arrays.

    at_ns: [instants], int64. levels: [instants x side x level x 2], bids before offers, best level first, of each level
    price and size: int64 scaled by price_scale and size_scale [instants], 0 where there is no level; or float64, NaN
    where there is none. receive_ns: of the last message applied, [instants]; -2^63 where no book stands.
    """

    at_ns: "npt.NDArray[np.int64]"
    receive_ns: "npt.NDArray[np.int64]"
    levels: "npt.NDArray[Any]"
    price_scale: "npt.NDArray[np.int8]"
    size_scale: "npt.NDArray[np.int8]"


@dataclass(frozen=True, slots=True)
class BookBatch:
    """Some books in the order of their instants.

    count: how many. samples: as `capture.book.replay.Samples`. sessions: their names by code.
    """

    count: int
    depth: int
    samples: Samples
    sessions: Sequence[str]

    @property
    def levels(self) -> memoryview:
        """Prices and sizes, [instants x side x level x (price, size)], without a copy; `numpy.asarray` takes it."""
        numbers = self.count * 2 * self.depth * LEVEL_NUMBERS
        return (
            memoryview(self.samples.levels)[:numbers]
            .cast("B")
            .cast("q", shape=[self.count, 2, self.depth, LEVEL_NUMBERS])
        )

    def to_arrow(self) -> pa.RecordBatch:
        """Return one row an instant; see `Replay.schema`."""
        samples, count = self.samples, self.count
        receive_ns, seq = (_nullable(_integers(column, count)) for column in (samples.receive_ns, samples.seq))
        stands = receive_ns.is_valid()
        names = pa.array(self.sessions or [""], pa.string())  # Where no session was met, nothing is looked up either.
        session = pa.DictionaryArray.from_arrays(_integers(samples.session, count), names)
        proof, flags = _integers(samples.proof, count), _integers(samples.flags, count)
        columns = [
            _integers(samples.at_ns, count),
            pc.if_else(stands, session.cast(pa.string()), pa.scalar(None, pa.string())),
            receive_ns,
            seq,
            _proven(stands, proof, flags),
            pc.not_equal(pc.bit_wise_and(flags, pa.scalar(Flag.SUSPECT_BOOK, pa.int16())), 0),
            _integers(samples.price_scale, count),
            _integers(samples.size_scale, count),
            *(self._side(side, number) for side in range(2) for number in range(LEVEL_NUMBERS)),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema(self.depth))

    def _side(self, side: int, number: int) -> pa.Array:
        """Return prices or sizes of a side, null where there is no level: there the size is 0."""
        sizes, values = (_integers(self._numbers(side, it), self.count * self.depth) for it in (1, number))
        held = pc.not_equal(sizes, 0)
        numbers = pa.Array.from_buffers(pa.int64(), len(values), [held.buffers()[1], values.buffers()[1]])
        return pa.FixedSizeListArray.from_arrays(numbers, self.depth)

    def _numbers(self, side: int, number: int) -> "array[int]":
        numbers: array[int] = side_numbers(self.samples, self.count, self.depth, side, number)
        return numbers

    def to_numpy(self, *, floats: bool = False) -> BookArrays:
        """Return the same as arrays; integers without a copy. Errors: ImportError without NumPy."""
        import numpy as np  # noqa: PLC0415 - optional, and only here

        samples, count = self.samples, self.count
        levels: npt.NDArray[Any] = np.asarray(self.levels)
        price_scale, size_scale = (np.asarray(it)[:count] for it in (samples.price_scale, samples.size_scale))
        if floats:
            steps = np.stack([10.0**price_scale, 10.0**size_scale], axis=-1)[:, None, None, :]
            levels = np.where(levels[..., 1:] == 0, np.nan, levels / steps)
        at_ns, receive_ns = np.asarray(samples.at_ns)[:count], np.asarray(samples.receive_ns)[:count]
        return BookArrays(at_ns, receive_ns, levels, price_scale, size_scale)


class Replay:
    """Books of one symbol, one an instant or a message; go through it once. Errors come as it runs: FilesDamaged."""

    def __init__(self, engine: Engine, symbol: str, bounds: Window, depth: int, instants: Instants | None) -> None:
        assert depth >= 1, "a book has at least one level a side"
        self._engine, self._symbol, self._bounds, self._depth = engine, symbol, bounds, depth
        self._instants = instants
        self._sessions: list[str] = []
        self._books: OrderedDict[str, ReplayedBook] = OrderedDict()  # By session, the one longest silent first.

    @property
    def schema(self) -> pa.Schema:
        """The columns of its record batches.

        at_ns: the instant. session_id, receive_ns, msg_seq_num: of the last message applied, null where no book stands.
        proven: that message has every witness that it can have. suspect: it came while the book was suspect.
        bid_prices, bid_sizes, offer_prices, offer_sizes: lists of `depth` int64, best first, null where there is no
        level, scaled by price_scale and size_scale.
        """
        return schema(self._depth)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return (batch.to_arrow() for batch in self.batches())

    def reader(self) -> pa.RecordBatchReader:
        """Return the record batches as Arrow reads them, for Polars, DuckDB or a file."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def to_arrow(self) -> pa.Table:
        """Return all of it, in memory."""
        return pa.Table.from_batches(self, schema=self.schema)

    def to_numpy(self, *, floats: bool = False) -> BookArrays:
        """Return all of it as arrays, in memory. Errors: ImportError without NumPy."""
        import numpy as np  # noqa: PLC0415 - optional, and only here

        found = [batch.to_numpy(floats=floats) for batch in self.batches()]
        if not found:
            kind = np.float64 if floats else np.int64
            none, scale = np.zeros(0, np.int64), np.zeros(0, np.int8)
            return BookArrays(none, none, np.zeros((0, 2, self._depth, LEVEL_NUMBERS), kind), scale, scale)
        return BookArrays(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def batches(self) -> Iterator[BookBatch]:
        """Yield the books as they come."""
        replayer = Replayer(self._depth, max(BATCH_LEVELS // self._depth, 1))
        if self._instants is None:
            replayer.take_events()
        elif not self._give_instants(replayer):
            return
        try:
            for _ in self._play(replayer):
                yield self._taken(replayer)
                if self._instants is not None and not self._give_instants(replayer):
                    return
        except OverflowError as error:
            raise BeyondInt64(self._symbol) from error
        if replayer.count:
            yield self._taken(replayer)

    def _give_instants(self, replayer: Replayer) -> bool:
        assert self._instants is not None, "by events there are none to give"
        times = self._instants(replayer.room)
        replayer.take_instants(times)
        return bool(times)

    def _taken(self, replayer: Replayer) -> BookBatch:
        return BookBatch(replayer.count, self._depth, replayer.renew(), tuple(self._sessions))

    def _play(self, replayer: Replayer) -> Iterator[None]:
        """Go through the rows; yield whenever the samples are to be taken."""
        engine, bounds = self._engine, self._bounds
        current = self._book_before(bounds.start_ns)
        files = engine.readable("messages", bounds, self._symbol)
        firsts = engine.rows.first_of_sessions(files, self._symbol, bounds)
        coming = sorted(((at_ns, name) for name, at_ns in firsts.items() if name not in self._books), reverse=True)
        changes = engine.readable("book_changes", bounds, self._symbol)
        for rows in engine.rows.arrivals("book_changes", changes, self._symbol, READ, bounds):
            for session_id, stretch in of_sessions(rows):
                part = stretch
                while coming and coming[-1][0] <= part["receive_ns"][-1].as_py():
                    at_ns, name = coming.pop()
                    if name in self._books:
                        continue
                    count = bisect_left(views(part, ("receive_ns",))[0], at_ns)
                    if count:
                        current = self._book(session_id, part)
                        yield from apply(replayer, current, part.slice(0, count))
                        part = part.slice(count)
                    yield from settle(replayer, current, at_ns)
                    current = self._reloaded(name, at_ns - 1)
                book = self._book(session_id, part)
                first_ns, last_ns = part["receive_ns"][0].as_py(), part["receive_ns"][-1].as_py()
                if book is not current:
                    yield from settle(replayer, current, first_ns)
                    current = book
                stepped_back = book.stands and part["msg_seq_num"][0].as_py() < book.last_seq
                yield from apply(replayer, book, part)
                if stepped_back:  # The clock did, and the rows before these have higher numbers.
                    yield from settle(replayer, book, last_ns)
                    current = self._reloaded(session_id, last_ns)
        for at_ns, name in reversed(coming):
            if name not in self._books:
                yield from settle(replayer, current, at_ns)
                current = self._reloaded(name, at_ns - 1)
        yield from settle(replayer, current, bounds.end_ns)

    def _book_before(self, start_ns: int) -> ReplayedBook:
        """Return the book as it stood just before a moment; one that does not stand where there is none."""
        last = last_message(self._engine, self._symbol, start_ns - 1)
        return ReplayedBook() if last is None else self._reloaded(last.session_id, start_ns - 1)

    def _book(self, session_id: str, rows: pa.Table) -> ReplayedBook:
        """Return the book of a session, of which these rows come next."""
        book = self._books.get(session_id)
        if book is None:
            before_ns = rows["receive_ns"][0].as_py() - 1
            return self._reloaded(session_id, before_ns) if _goes_on(rows) else self._new_book(session_id)
        self._books.move_to_end(session_id)
        return book

    def _reloaded(self, session_id: str, at_ns: int) -> ReplayedBook:
        return self._keep(
            session_id, load_book(self._engine, self._symbol, session_id, at_ns, code=self._code(session_id))
        )

    def _new_book(self, session_id: str) -> ReplayedBook:
        return self._keep(session_id, ReplayedBook(self._code(session_id)))

    def _keep(self, session_id: str, book: ReplayedBook) -> ReplayedBook:
        self._books[session_id] = book
        self._books.move_to_end(session_id)
        if len(self._books) > SESSIONS_LIMIT:
            self._books.popitem(last=False)
        return book

    def _code(self, session_id: str) -> int:
        if session_id not in self._sessions:
            self._sessions.append(session_id)
        return self._sessions.index(session_id)


def every_so_often(bounds: Window, step_ns: int) -> Instants:
    """Return the moments of a window that are whole steps from its start."""
    assert step_ns > 0, "time goes on"
    moments = iter(range(bounds.start_ns, bounds.end_ns, step_ns))

    def following(count: int) -> "array[int]":
        return array("q", islice(moments, count))

    return following


def at_times(times: Sequence[int]) -> Instants:
    """Return given moments, ascending."""
    begin = 0

    def following(count: int) -> "array[int]":
        nonlocal begin
        some = array("q", times[begin : begin + count])
        begin += len(some)
        return some

    return following


def schema(depth: int) -> pa.Schema:
    """Return the columns of record batches of books; see `Replay.schema`."""
    levels = pa.list_(pa.int64(), depth)
    return pa.schema(
        [
            ("at_ns", pa.int64()),
            ("session_id", pa.string()),
            ("receive_ns", pa.int64()),
            ("msg_seq_num", pa.int64()),
            ("proven", pa.bool_()),
            ("suspect", pa.bool_()),
            ("price_scale", pa.int8()),
            ("size_scale", pa.int8()),
            *((f"{side}_{what}", levels) for side in SIDES for what in ("prices", "sizes")),
        ]
    )


def _goes_on(rows: pa.Table) -> bool:
    """Return whether a session's next rows change a book that stands already."""
    return rows["action"][0].as_py() not in ("snapshot", "clear")


def _proven(stands: pa.Array, proof: pa.Array, flags: pa.Array) -> pa.Array:
    """Return which messages have every witness that they can have: a snapshot has no checksum, a suspect book none."""
    due = pa.scalar(Proof.SEQUENCE | Proof.INVARIANTS, pa.int8())
    kept = pc.equal(pc.bit_wise_and(proof, due), due)
    checked = pc.not_equal(pc.bit_wise_and(proof, pa.scalar(Proof.CHECKSUM, pa.int8())), 0)
    snapshot = pc.not_equal(pc.bit_wise_and(flags, pa.scalar(Flag.SNAPSHOT, pa.int16())), 0)
    good = pc.equal(pc.bit_wise_and(flags, pa.scalar(Flag.SUSPECT_BOOK, pa.int16())), 0)
    return pc.and_(pc.and_(stands, good), pc.and_(kept, pc.or_(checked, snapshot)))


def _integers(values: "array[int]", count: int) -> pa.Array:
    kinds = {"q": pa.int64(), "i": pa.int32(), "h": pa.int16(), "b": pa.int8()}
    return pa.Array.from_buffers(kinds[values.typecode], count, [None, pa.py_buffer(values)])


def _nullable(values: pa.Array) -> pa.Array:
    valid = pc.not_equal(values, NULL)
    return pa.Array.from_buffers(values.type, len(values), [valid.buffers()[1], values.buffers()[1]])
