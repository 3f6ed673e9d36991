"""Books rebuilt by NautilusTrader from a catalogue that `fixtape export` made. Runs in its environment.

rebuild_nautilus.py CATALOG INSTRUMENT_ID INSTANTS.json
"""

import json
import sys
from pathlib import Path

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog


def levels(book):
    """Both sides best first, as pairs of decimal text."""
    return [[(str(it.price), str(it.orders()[0].size)) for it in side] for side in (book.bids(), book.asks())]


def main():
    """Print the book at each instant, and how many trades there are."""
    folder, name, times = sys.argv[1:4]
    catalog, left, found = ParquetDataCatalog(folder), json.loads(Path(times).read_text()), []
    book = OrderBook(InstrumentId.from_str(name), BookType.L2_MBP)
    for delta in catalog.order_book_deltas(instrument_ids=[name]):
        while left and delta.ts_init >= left[0]:
            found.append(levels(book))
            left.pop(0)
        book.apply_delta(delta)
    found += [levels(book) for _ in left]
    trades = catalog.trade_ticks(instrument_ids=[name])
    print(json.dumps({"books": found, "trades": [(str(it.price), str(it.size)) for it in trades]}))


main()
