"""Replayed books as a person or a text format takes them: one frame an instant, exact decimals, levels that are there.

Layer: queries, between `queries.replay` and what prints.
Left to others: columns for programs (`queries.replay`), a terminal that plays them (`queries.watch`).
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TextIO

import pyarrow as pa

from queries.books import Level
from queries.render import json_text
from queries.text import number_text, scaled_decimal, shown
from queries.times import iso

SHOWN: Final = ("at_time", "msg_seq_num", "proven", "bid_size", "bid", "offer", "offer_size")
_HEAD: Final = ("at_time", "receive_time", "session_id", "msg_seq_num", "proven", "suspect")


@dataclass(frozen=True, slots=True)
class Frame:
    """One replayed book; see `queries.replay.Replay.schema`. receive_ns is None where no book stands."""

    at_ns: int
    session_id: str | None
    receive_ns: int | None
    msg_seq_num: int | None
    proven: bool
    suspect: bool
    bids: tuple[Level, ...]
    offers: tuple[Level, ...]

    def head(self) -> list[Any]:
        """Return what a text format begins a row with."""
        receive_time = None if self.receive_ns is None else iso(self.receive_ns)
        return [iso(self.at_ns), receive_time, self.session_id, self.msg_seq_num, self.proven, self.suspect]


def frames(batches: Iterable[pa.RecordBatch]) -> Iterator[Frame]:
    """Yield the books of record batches one by one."""
    for batch in batches:
        for row in batch.to_pylist():
            scales = (row["price_scale"], row["size_scale"])
            sides = [_levels(row[f"{side}_prices"], row[f"{side}_sizes"], *scales) for side in ("bid", "offer")]
            about = {name: row[name] for name in Frame.__slots__ if name in row}
            yield Frame(bids=sides[0], offers=sides[1], **about)


def write_csv(found: Iterable[Frame], depth: int, out: TextIO) -> None:
    """Write a line a book, level by level of both sides; cells of levels that are not there are empty."""
    names = [f"{side}_{what}_{n}" for n in range(1, depth + 1) for side in ("bid", "offer") for what in Level._fields]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_HEAD, *names])
    for frame in found:
        cells: list[str] = []
        for place in range(depth):
            for side in (frame.bids, frame.offers):
                cells += [number_text(number) for number in side[place]] if place < len(side) else ["", ""]
        writer.writerow([*map(_cell, frame.head()), *cells])


def write_json(found: Iterable[Frame], out: TextIO) -> None:
    """Write an object a line, both sides as lists of price and size."""
    for frame in found:
        about = dict(zip(_HEAD, frame.head(), strict=True))
        out.write(json_text({**about, "bids": list(frame.bids), "offers": list(frame.offers)}) + "\n")


def best_table(found: Iterable[Frame]) -> pa.Table:
    """Return the best level of each side, a row a book: few, for a person."""
    rows = []
    for frame in found:
        bid, offer = (side[0] if side else (None, None) for side in (frame.bids, frame.offers))
        about = (iso(frame.at_ns), frame.msg_seq_num, frame.proven)
        rows.append(dict(zip(SHOWN, (*about, *reversed(bid), *offer), strict=True)))
    return pa.table({name: _column(name, [row[name] for row in rows]) for name in SHOWN})


def _levels(prices: list[int | None], sizes: list[int | None], price_scale: int, size_scale: int) -> tuple[Level, ...]:
    return tuple(
        Level(scaled_decimal(price, price_scale), scaled_decimal(size, size_scale))
        for price, size in zip(prices, sizes, strict=True)
        if price is not None and size is not None
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else shown(str(value))


def _column(name: str, values: list[Any]) -> pa.Array:
    """Return a column; of numbers with as many decimals as the finest of them has."""
    kinds = {"at_time": pa.string(), "msg_seq_num": pa.int64(), "proven": pa.bool_()}
    if name in kinds:
        return pa.array(values, kinds[name])
    scale = max((-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)), default=0)
    return pa.array(values, pa.decimal128(38, scale))
