"""A day of fifty million book changes over a hundred symbols, as a lake: `make big-day`, into `build/big-day`.

One hour of the synthetic market is recorded offline (`offline`), by the venue's session and ours, with every checksum
verified. It is then written twenty-four times through the lake's own writer, each time an hour later and with numbers
that go on: so every hour begins with new snapshots in the same session, and everything in between is as recorded. A
batch is what the recorder's limit of rows makes of it, about a quarter of an hour.
"""

import argparse
import time
from array import array
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from offline import BEGAN_NS, batches

from capture.columns import NULL, Columns
from capture.venue.market import SyntheticMarket
from capture.wire import values
from storage.lake import Lake

ROWS: Final = 50_000_000
SYMBOLS: Final = 100
DEPTH: Final = 100
HOURS: Final = 24
ROOT: Final = Path("build/big-day")
HOUR_S: Final = 3600
CHANGES_A_MESSAGE: Final = 2.02  # Of this market at this depth, about.
_HOUR_NS: Final = HOUR_S * values.SECOND_NS
_TIMES: Final = {
    "ns": _HOUR_NS,
    "ms": _HOUR_NS // values.MILLISECOND_NS,
}  # What an hour is, by a column's last letters.


def make(root: Path, rows: int, *, symbols: int = SYMBOLS, hours: int = HOURS, seed: int = 1) -> int:
    """Write the day's lake; return how many book changes it holds. rows: about so many; so many hours of them.

    seed: of the network between venue and recorder.
    """
    rate = rows / hours / HOUR_S / CHANGES_A_MESSAGE
    market = SyntheticMarket(symbols, rate=rate, levels=2 * DEPTH)
    began = time.monotonic()
    hour = [batch.columns for batch in batches(market, DEPTH, HOUR_S, seed=seed, batch_s=HOUR_S)]
    print(f"recorded {_count(hour):,} changes of an hour in {time.monotonic() - began:.0f} s", flush=True)
    numbers = max(max(columns.messages.columns["msg_seq_num"], default=0) for columns in hour)
    lake = Lake.create_or_open(root / "lake")
    for columns in hour:
        _shift(columns, -(BEGAN_NS % (HOURS * _HOUR_NS)) // _HOUR_NS, 0)
    version = 0
    for number in range(hours):
        for columns in hour:
            if number:
                _shift(columns, 1, numbers)
            version += 1
            at_ns = columns.messages.columns["receive_ns"][-1]
            lake.write_batch(columns, label=f"{number:02}", version=version, app_id="big-day", at_ns=at_ns, metadata={})
        print(f"wrote hour {number + 1} of {hours}, {time.monotonic() - began:.0f} s", flush=True)
    return hours * _count(hour)


def _count(hour: list[Columns]) -> int:
    return sum(columns.book_changes.count for columns in hour)


def _shift(columns: Columns, hours: int, numbers: int) -> None:
    """Move rows by hours, and their MsgSeqNum(34) on by so many."""
    for table in columns.tables().values():
        for name, stored in table.arrays.items():
            step = numbers if name == "msg_seq_num" else hours * _TIMES.get(name.rpartition("_")[2], 0)
            if step and isinstance(stored, array):
                table.arrays[name] = _added(stored, step)


def _added(stored: "array[int]", step: int) -> "array[int]":
    """Return numbers and as much more, null where they were."""
    numbers: Any = pa.Array.from_buffers(pa.int64(), len(stored), [None, pa.py_buffer(stored)])
    moved = pc.if_else(pc.equal(numbers, NULL), NULL, pc.add(numbers, step))
    made = array("q")
    made.frombytes(memoryview(moved.buffers()[1])[: 8 * len(stored)])
    return made


def main() -> None:
    """Make the day, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help=f"where (default: {ROOT})")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"book changes, about (default: {ROWS:,})")
    options = parser.parse_args()
    whole = options.root / "WHOLE"
    if whole.exists():
        print(f"{options.root}: {whole.read_text().strip()} book changes are there")
        return
    if options.root.exists():
        parser.error(f"{options.root} is there and not whole; remove it")
    made = make(options.root, options.rows)
    whole.write_text(f"{made:,}\n")
    print(f"{options.root}: {made:,} book changes")


if __name__ == "__main__":
    main()
