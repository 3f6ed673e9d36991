"""The `order-book` package, C behind Python: updates and Kraken's checksum on messages that are decoded already.

Prices and sizes are Decimals made beforehand. Runs in the environment of the opponents.
"""

from decimal import Decimal
from importlib.metadata import version
from platform import python_version

from contender import Material, Work, contend
from order_book import OrderBook

BID, OFFER, CHECKSUM = 0, 1, 2  # MDEntryType(269) of a side is its place.


def work(material: Material) -> Work:
    """Return the application and the check of every refresh, upon books as the snapshots left them."""
    content = material.json("books.json")
    snapshots = [
        (
            symbol,
            *(
                {Decimal(price): Decimal(size) for side, price, size in levels if side == which}
                for which in (BID, OFFER)
            ),
        )
        for symbol, levels in content["snapshots"]
    ]
    refreshes = [
        (symbol, [(side, Decimal(price), Decimal(size)) for side, price, size in levels], checksum)
        for symbol, levels, checksum in content["refreshes"]
    ]
    books = {}

    def prepare() -> None:
        for symbol, bids, asks in snapshots:
            book = OrderBook(checksum_format="KRAKEN")
            book.bids, book.asks = bids, asks
            book.checksum()  # It sorts at the first look; later changes are what is timed.
            books[symbol] = (book.bids, book.asks, book.checksum)

    def run() -> int:
        wrong = 0
        for symbol, levels, checksum in refreshes:
            book = books[symbol]
            for side, price, size in levels:
                if size:
                    book[side][price] = size
                else:
                    del book[side][price]
            wrong += book[CHECKSUM]() != checksum
        assert not wrong, f"{wrong} checksums are wrong"
        return len(refreshes)

    name = f"order-book {version('order-book')}, Python {python_version()}"
    return Work(name, run, prepare, note="decoded beforehand; updates, every checksum")


if __name__ == "__main__":
    contend(work)
