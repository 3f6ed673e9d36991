"""NautilusTrader: order book deltas and trade ticks in a data catalogue, written by its own library.

Layer: queries, export. The library pins what we use, so it lives in an environment of its own: rows go through files
to `nautilus_catalog.py`, which a Python of that environment runs.
Source: nautilus_trader, `persistence/catalog/parquet.py` and `model/data`: `OrderBookDelta` by price (L2_MBP), flags of
    RecordFlag; https://nautilustrader.io/docs/latest/concepts/data.

A book begins with a CLEAR and levels flagged F_SNAPSHOT; the last delta of a message has F_LAST. The catalogue keeps
one precision for all prices of a file, so the finest of the day is taken, which changes no number.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from queries.errors import DoesNotFit, Misused, PeerFailed
from queries.export.book_messages import BID, Book, BookMessage, Kind, book_messages
from queries.export.outputs import Outputs
from queries.export.source import SymbolDay

SCRIPT: Final = Path(__file__).with_name("nautilus_catalog.py")
VENUE: Final = "KRAKEN"
SECONDS_LIMIT: Final = 3600.0  # Of the other process, for one symbol and day.
DECIMALS_LIMIT: Final = 16
VALUE_LIMIT: Final = 17_014_118_346_046  # PRICE_MAX; QUANTITY_MAX is twice that.
BATCH_ROWS: Final = 2**16
ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4  # BookAction.
BUY, SELL, NO_SIDE = 1, 2, 0  # OrderSide.
F_LAST, F_SNAPSHOT, F_MBP = 128, 32, 16
_SIDES: Final = (BUY, SELL)
_NUMBERS: Final = [("price", pa.int64()), ("size", pa.int64()), ("price_scale", pa.int8()), ("size_scale", pa.int8())]
_TIMES: Final = [("exchange_ns", pa.int64()), ("receive_ns", pa.int64())]
DELTAS: Final = pa.schema(
    [*_NUMBERS, *_TIMES, ("action", pa.int8()), ("side", pa.int8()), ("flags", pa.int16()), ("sequence", pa.int64())]
)
TRADES: Final = pa.schema([*_NUMBERS, *_TIMES, ("aggressor", pa.int8()), ("trade_id", pa.string())])
assert _SIDES[BID] == BUY, "sides stand by their number"


@dataclass(slots=True)
class _Precision:
    """The finest decimals met."""

    price: int = 0
    size: int = 0

    def take(self, price: int, size: int, price_scale: int, size_scale: int) -> tuple[int, int, int, int]:
        """Return numbers as they came. Errors: DoesNotFit."""
        self.price, self.size = max(self.price, price_scale), max(self.size, size_scale)
        for number, scale in ((price, price_scale), (size, size_scale)):
            if scale > DECIMALS_LIMIT or abs(number) > VALUE_LIMIT * 10**scale:
                limit = f"NautilusTrader has {DECIMALS_LIMIT} decimals, and numbers up to {VALUE_LIMIT}"
                raise DoesNotFit(f"{number}e-{scale}", limit=limit)
        return price, size, price_scale, size_scale


class Nautilus:
    """Deltas and trades of a day, in the catalogue that the output directory is."""

    name = "nautilus"
    suffix = ".parquet"
    depth: int | None = None

    def __init__(self, python: str | None = None) -> None:
        found = python or os.environ.get("FIXTAPE_NAUTILUS_PYTHON")
        if not found:
            raise Misused("export: nautilus needs the Python of an environment that has nautilus_trader; give --python")
        self._python = found

    def write(self, day: SymbolDay, outputs: Outputs) -> int:
        """Write a day; return how many deltas and trades. Errors: DoesNotFit, PeerFailed."""
        folder, precision = outputs.scratch(), _Precision()
        rows = _spool(folder / "deltas.arrow", DELTAS, _deltas(day, precision))
        rows += _spool(folder / "trades.arrow", TRADES, _trades(day, precision))
        catalog = folder / "catalog"
        catalog.mkdir()
        self._run(str(folder), instrument_id(day), str(precision.price), str(precision.size))
        for path in sorted(catalog.rglob("*.parquet")):
            outputs.copy(path, path.relative_to(catalog).as_posix())
        return rows

    def _run(self, *arguments: str) -> None:
        command = [self._python, "-I", str(SCRIPT), *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - the user's own Python, no shell, our own arguments
                command, capture_output=True, text=True, timeout=SECONDS_LIMIT, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerFailed(self._python, reason=str(error)) from error
        if done.returncode:
            raise PeerFailed(self._python, reason=(done.stderr.strip().splitlines() or ["ended without a word"])[-1])


def instrument_id(day: SymbolDay) -> str:
    """Return what the instrument is called there, and without its slash its directory: BTC/USD.KRAKEN.

    A symbol that is no plain pair goes by its safe name, and an underscore, so that BTCUSD is another than BTC/USD.
    """
    is_pair = "/" in day.symbol and day.name == day.symbol.replace("/", "-")
    return f"{day.symbol if is_pair else f'{day.name}_'}.{VENUE}"


def _spool(path: Path, schema: pa.Schema, rows: Iterator[tuple[Any, ...]]) -> int:
    """Write rows to a file for the other process; return how many."""
    count, some = 0, []
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for row in rows:
            some.append(row)
            if len(some) == BATCH_ROWS:
                count += _put(stream, schema, some)
        count += _put(stream, schema, some)
    return count


def _put(stream: pa.ipc.RecordBatchStreamWriter, schema: pa.Schema, rows: list[tuple[Any, ...]]) -> int:
    count = len(rows)
    if rows:
        stream.write_batch(pa.record_batch([list(column) for column in zip(*rows, strict=True)], schema=schema))
    rows.clear()
    return count


def _deltas(day: SymbolDay, precision: _Precision) -> Iterator[tuple[Any, ...]]:
    book, is_clear = Book(), False
    for message in book_messages(day):
        rows = list(_of_message(message, book, precision, is_clear=is_clear))
        if rows:
            *last, flags, sequence = rows[-1]
            rows[-1] = (*last, flags | F_LAST, sequence)
        is_clear = message.kind is Kind.END
        yield from rows


def _of_message(
    message: BookMessage, book: Book, precision: _Precision, *, is_clear: bool
) -> Iterator[tuple[Any, ...]]:
    flags, seq, received_ns = F_MBP, message.msg_seq_num, message.receive_ns
    if message.kind is not Kind.CHANGES:
        flags |= F_SNAPSHOT
        if not is_clear:
            yield 0, 0, 0, 0, message.exchange_ns, received_ns, CLEAR, NO_SIDE, flags, seq
        book.begin(message.price_scale, message.size_scale)
        if message.kind is Kind.END:
            return
    book.fit(message.price_scale, message.size_scale)
    for entry in message.entries:
        numbers = precision.take(entry.price, entry.size, message.price_scale, message.size_scale)
        is_other = book.set(entry)
        action = DELETE if not entry.size else ADD if is_other else UPDATE
        yield *numbers, entry.exchange_ns, received_ns, action, _SIDES[entry.side], flags, seq


def _trades(day: SymbolDay, precision: _Precision) -> Iterator[tuple[Any, ...]]:
    for it in day.trades():
        numbers = precision.take(it.price, it.size, it.price_scale, it.size_scale)
        yield *numbers, it.exchange_ns, it.receive_ns, it.aggressor, it.entry_id or ""
