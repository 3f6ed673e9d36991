"""Books rebuilt from exports by libraries that share nothing with fixtape. Runs in the environment of those libraries.

Prints one JSON list: for each instant the bids and the asks, best first, as pairs of decimal text.

    rebuild_books.py order-book|lakeapi|hftbacktest|dbn FILE INSTANTS.json PRICE_SCALE
"""

import csv
import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path


def rows(path):
    """Rows of a Tardis file."""
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def shown(bids, asks):
    """Both sides best first, as text: a double by the shortest decimal that reads back."""
    return [
        [
            (format(Decimal(str(price)), "f"), format(Decimal(str(size)), "f"))
            for price, size in sorted(side, reverse=turn)
        ]
        for side, turn in ((bids, True), (asks, False))
    ]


def with_order_book(path, instants, _scale):
    """Follow `is_snapshot`: the first such row after others begins a new book."""
    from order_book import OrderBook

    book, was_snapshot, found, left = OrderBook(), False, [], list(instants)
    for row in rows(path):
        while left and int(row["local_timestamp"]) * 1000 >= left[0]:
            found.append(_of_order_book(book))
            left.pop(0)
        is_snapshot = row["is_snapshot"] == "true"
        if is_snapshot and not was_snapshot:
            book = OrderBook()
        was_snapshot = is_snapshot
        side, price, amount = book[row["side"]], Decimal(row["price"]), Decimal(row["amount"])
        if amount:
            side[price] = amount
        elif price in side:
            del side[price]
    return found + [_of_order_book(book) for _ in left]


def _of_order_book(book):
    return shown(*(list(side.to_dict().items()) for side in (book.bids, book.asks)))


def with_lakeapi(path, instants, _scale):
    """Follow amounts alone, as its updater does: it knows no snapshots."""
    import pandas as pd
    from lakeapi.orderbook import OrderBookUpdater

    table = pd.DataFrame(
        [
            (int(it["local_timestamp"]), place, it["side"] == "bid", float(it["price"]), float(it["amount"]))
            for place, it in enumerate(rows(path))
        ],
        columns=["received_time", "sequence_number", "side_is_bid", "price", "size"],
    )
    updater, times, found = OrderBookUpdater(table), table["received_time"].to_numpy(), []
    for instant in instants:
        while updater.current_index < len(times) and times[updater.current_index] * 1000 < instant:
            updater.process_next_update()
        found.append(shown(updater.bid.items(), updater.ask.items()))
    return found


def with_hftbacktest(path, instants, scale):
    """Run a backtest without orders, and look at its market depth; its own validation is asked first."""
    import numpy as np
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
    from hftbacktest.data import validate_event_order

    data = np.load(path)["data"]
    validate_event_order(data)
    tick = 1 / 10**scale
    asset = (
        BacktestAsset()
        .data([path])
        .linear_asset(1.0)
        .constant_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(1e-8)
    )
    backtest, found = HashMapMarketDepthBacktest([asset]), []
    kinds, buys = data["ev"] & 0xFF, (data["ev"] & (1 << 29)) != 0
    levels = (kinds == 1) | (kinds == 4)
    ticks = [
        {int(it) for it in np.unique(np.round(data["px"][levels & which] / tick).astype(np.int64))}
        for which in (buys, ~buys)
    ]
    backtest.elapse(0)
    for instant in instants:
        if instant > backtest.current_timestamp:
            backtest.elapse(instant - 1 - backtest.current_timestamp)
        depth = backtest.depth(0)
        sides = ((ticks[0], depth.bid_qty_at_tick), (ticks[1], depth.ask_qty_at_tick))
        held = [[(Decimal(it).scaleb(-scale), qty) for it in known if (qty := ask(it)) > 0] for known, ask in sides]
        assert not held[0] or depth.best_bid_tick == max(price for price, _ in held[0]).scaleb(scale)
        assert not held[1] or depth.best_ask_tick == min(price for price, _ in held[1]).scaleb(scale)
        found.append(shown(*held))
    backtest.close()
    return found


def with_dbn(path, instants, _scale):
    """The ten best levels as the newest record before each instant has them, by Databento's decoder."""
    from databento_dbn import DBNDecoder

    decoder = DBNDecoder()
    decoder.write(Path(path).read_bytes())
    _, *records = decoder.decode()
    found, newest, left = [], None, list(instants)
    for record in records:
        while left and record.ts_recv >= left[0]:
            found.append(_of_record(newest))
            left.pop(0)
        newest = record
    return found + [_of_record(newest) for _ in left]


def _of_record(record):
    sides = [(level.bid_px, level.bid_sz, level.ask_px, level.ask_sz) for level in record.levels]
    none = 2**63 - 1
    bids = [(Decimal(price).scaleb(-9), size) for price, size, _, _ in sides if price != none]
    asks = [(Decimal(price).scaleb(-9), size) for _, _, price, size in sides if price != none]
    return shown(bids, asks)


READERS = {
    "order-book": with_order_book,
    "lakeapi": with_lakeapi,
    "hftbacktest": with_hftbacktest,
    "dbn": with_dbn,
}

if __name__ == "__main__":
    name, file, times, price_scale = sys.argv[1:5]
    print(json.dumps(READERS[name](file, json.loads(Path(times).read_text()), int(price_scale))))
