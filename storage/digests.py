"""A digest of rows that does not depend on how files hold them: which rows, and the order within each message.

Layer: storage, beside files. Knows Arrow tables; no file.
Source: design section 5, compaction: count and digest equal before anything is removed.
Left to others: whether rows stand by symbol and time (`storage.row_order.in_order`).

Each row is a 64-bit hash of its values, null told apart from any of them; hashes are summed, so that neither files nor
row groups nor the order between messages matter. Rows of one message stand next to each other wherever they are, and
hashes of such pairs are summed too: they say that the order within a message is kept. It is made to find damage and
mistakes, not to withstand a forger. Arithmetic wraps around, as it does in hashing.
"""

import hashlib
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

WORD: Final = pa.uint64()
MASK: Final = 2**64 - 1
MESSAGE: Final = ("symbol", "receive_ns", "session_id", "msg_seq_num")  # What rows of one message agree in.

# Odd constants with bits in no pattern, from the splitmix64 generator; any such would do.
_SEED, _NULL, _FACTOR, _PAIR = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_SHIFT: Final = 29
_NAMES_KEPT: Final = 1 << 16


class RowsDigest:
    """Count and hashes of the rows of one file; two are equal if the rows are. `join` those of several files."""

    def __init__(self) -> None:
        self.rows = self.total = self.pairs = 0
        self._last: pa.Table | None = None

    def join(self, other: "RowsDigest") -> None:
        """Take in the rows of another file."""
        self.rows += other.rows
        self.total = (self.total + other.total) & MASK
        self.pairs = (self.pairs + other.pairs) & MASK

    def add(self, rows: pa.Table) -> None:
        """Take in rows that follow those before, in the columns of their table as it is today."""
        if not rows.num_rows:
            return
        hashed = {name: _words(rows[name].combine_chunks()) for name in rows.column_names}
        words = pa.table([_row_hash(list(hashed.values())), _row_hash([hashed[it] for it in MESSAGE])], ["row", "of"])
        words = words.append_column("numbered", pc.is_valid(rows["msg_seq_num"]))
        self.rows += rows.num_rows
        self.total = (self.total + pc.sum(words["row"]).as_py()) & MASK
        if self._last is not None:
            words = pa.concat_tables([self._last, words])
        self._last = words.take([len(words) - 1])  # A slice would hold on to them all.
        before, after = words.slice(0, len(words) - 1), words.slice(1)
        together = pc.and_(pc.equal(before["of"], after["of"]), after["numbered"])
        pair = _mixed(pc.add(pc.multiply(before["row"], _word(_PAIR)), after["row"]))
        self.pairs = (self.pairs + (pc.sum(pair.filter(together)).as_py() or 0)) & MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowsDigest) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]  # It grows.

    def __str__(self) -> str:
        return f"{self.rows} rows of digest {self.total:016x}{self.pairs:016x}"


def _word(value: int) -> pa.Scalar:
    return pa.scalar(value, WORD)


def _mixed(words: pa.Array) -> pa.Array:
    """Return words of which each bit depends on many of those given."""
    multiplied = pc.multiply(words, _word(_FACTOR))
    return pc.bit_wise_xor(multiplied, pc.shift_right(multiplied, _word(_SHIFT)))


def _row_hash(columns: list[pa.Array]) -> pa.Array:
    found = _mixed(pc.add(columns[0], _word(_SEED)))
    for words in columns[1:]:
        found = _mixed(pc.bit_wise_xor(pc.multiply(found, _word(_PAIR)), words))
    return _mixed(found)


def _words(column: pa.Array) -> pa.Array:
    """Return a word for each value."""
    if pa.types.is_list(column.type):
        return _list_words(column)
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        words = pa.array([_name_word(value) for value in column.dictionary.to_pylist()], WORD)
        return pc.fill_null(pc.take(words, column.indices), _word(_NULL))
    return _mixed(pc.fill_null(column.cast(pa.int64()).view(WORD), _word(_NULL)))


@lru_cache(_NAMES_KEPT)
def _name_word(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little")


def _list_words(column: pa.ListArray) -> pa.Array:
    """Return a word for each list of integers: of its values' bytes."""
    values = memoryview(pa.concat_arrays([column.values]).buffers()[1] or b"").cast("B")
    begin_of, width = column.values.offset, column.type.value_type.bit_width // 8
    words: list[int] = []
    for valid, begin, end in zip(
        pc.is_valid(column).to_pylist(), column.offsets[:-1].to_pylist(), column.offsets[1:].to_pylist(), strict=True
    ):
        data = values[(begin_of + begin) * width : (begin_of + end) * width]
        words.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") if valid else _NULL)
    return pa.array(words, WORD)
