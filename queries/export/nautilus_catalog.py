"""Writes spooled rows into a NautilusTrader catalogue. Run by the Python of its environment; imports nothing of ours.

    nautilus_catalog.py FOLDER INSTRUMENT_ID PRICE_PRECISION SIZE_PRECISION

Layer: outside; started by `queries.export.nautilus`.
Left to others: moving the files to where they belong.

FOLDER has deltas.arrow and trades.arrow, and `catalog` to write into. A file's precision is that of its first delta,
and a CLEAR has none, so no chunk begins with one but the first, whose second delta then counts.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import FIXED_PRECISION, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

CHUNK_ROWS: Final = 200_000  # Of one file, and then to the end of a moment: no two files may meet in one.
TRADE_ID_CHARACTERS: Final = 36
Row = dict[str, Any]


def main() -> None:
    """Write the deltas and the trades of one instrument."""
    folder, name, price_precision, size_precision = sys.argv[1:5]
    instrument_id = InstrumentId.from_str(name)
    catalog = ParquetDataCatalog(str(Path(folder) / "catalog"))
    price_step, size_step = int(price_precision), int(size_precision)

    def price(row: Row) -> Price:
        return Price.from_raw(row["price"] * 10 ** (FIXED_PRECISION - row["price_scale"]), price_step)

    def size(row: Row) -> Quantity:
        return Quantity.from_raw(row["size"] * 10 ** (FIXED_PRECISION - row["size_scale"]), size_step)

    def delta(row: Row) -> OrderBookDelta:
        times = row["exchange_ns"], row["receive_ns"]
        action = BookAction(row["action"])
        order = None if action == BookAction.CLEAR else BookOrder(OrderSide(row["side"]), price(row), size(row), 0)
        return OrderBookDelta(instrument_id, action, order, row["flags"], row["sequence"], *times)

    def trade(row: Row) -> TradeTick:
        trade_id = row["trade_id"]
        if not 0 < len(trade_id) <= TRADE_ID_CHARACTERS:
            trade_id = hashlib.sha256(trade_id.encode()).hexdigest()[:TRADE_ID_CHARACTERS]
        times = row["exchange_ns"], row["receive_ns"]
        return TradeTick(
            instrument_id, price(row), size(row), AggressorSide(row["aggressor"]), TradeId(trade_id), *times
        )

    _write(catalog, Path(folder) / "deltas.arrow", delta)
    _write(catalog, Path(folder) / "trades.arrow", trade)


def _write(catalog: ParquetDataCatalog, path: Path, make: Callable[[Row], Any]) -> None:
    chunk: list[Any] = []
    before = None
    for row in _rows(path):
        is_clear = row.get("action") == BookAction.CLEAR.value
        if len(chunk) >= CHUNK_ROWS and row["receive_ns"] != before and not is_clear:
            catalog.write_data(chunk)
            chunk = []
        before = row["receive_ns"]
        chunk.append(make(row))
    if chunk:
        catalog.write_data(chunk)


def _rows(path: Path) -> Iterator[Row]:
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield from batch.to_pylist()


main()
