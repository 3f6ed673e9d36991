"""A synthetic market: any number of symbols, endless, the same for the same seed; no clock, no float on the wire.

Layer: venue. Source: design section 8; venue reference 4.2 for the instruments.
Left to others: what happens in a stream (`venue.flow`), numbers and times on the wire (`venue.acceptor`).

Each stream begins with its book and goes on for ever; its memory is one book.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import Final

from capture.errors import SettingInvalid
from capture.market.requests import FULL_DEPTH
from capture.venue.flow import LEVELS_LEAST, SIZE_DECIMALS, Flow, Instrument, random_size, trimmed
from capture.venue.orders import OrderBookView
from capture.venue.source import Body, Shape
from capture.wire import tags, values
from capture.wire.message import Field

SYMBOLS_LIMIT: Final = 10_000
RATE_LIMIT: Final = 10_000_000
LEVELS: Final = 150  # Of each side, about; a real book of a small market has some hundreds.
_SIZES: Final = 4096  # Different sizes in a market; a power of two.
_WEIGHT: Final = 0.7  # The n-th symbol has 1 / n ** _WEIGHT of the first one's messages.
_BASES: Final = (
    "BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "DOT", "LTC", "LINK", "XMR", "AVAX", "ATOM", "UNI", "AAVE", "ALGO",
    "BCH",
    "ETC", "FIL", "KSM", "OMG", "SC", "WAVES", "GRT", "OCEAN", "XTZ", "TRX", "NEAR", "APT", "SUI", "ARB", "OP", "INJ",
)  # fmt: skip
_QUOTES: Final = ("USD", "EUR", "GBP", "CHF", "BTC", "ETH", "USDT", "CAD", "AUD", "JPY")


class SyntheticMarket:
    """A source of streams that never end.

    rate: messages a second over all symbols. began_ms: when it began, for MDEntryTime(273) and, of Level 3, with its
        date for MDEntryTimestamp(5060).
    levels: of each side of the full book. Errors: SettingInvalid.
    """

    def __init__(
        self, symbols: int, *, rate: float = 1_000.0, seed: int = 1, levels: int = LEVELS, began_ms: int = 0
    ) -> None:
        _need("symbols", symbols, 1 <= symbols <= SYMBOLS_LIMIT, f"1 to {SYMBOLS_LIMIT}")
        _need("rate", rate, 0 < rate <= RATE_LIMIT, f"a number up to {RATE_LIMIT}")
        _need("levels", levels, 2 * LEVELS_LEAST <= levels <= FULL_DEPTH, f"{2 * LEVELS_LEAST} to {FULL_DEPTH}")
        self._seed, self._levels, self._began_ms = seed, levels, began_ms
        random = Random(f"fixtape market {seed}")  # noqa: S311 - a market, not a secret
        weights = [1 / (place + 1) ** _WEIGHT for place in range(symbols)]
        per_second = rate / sum(weights)
        self._instruments = {
            symbol: Instrument(
                symbol,
                random.randrange(1, 7),
                random.randrange(20_000, 900_000),
                max(int(1e9 / (weight * per_second)), 1),
            )
            for symbol, weight in zip(_names(symbols), weights, strict=True)
        }
        self._sizes = [random_size(random) for _ in range(_SIZES)]
        self.instruments: Mapping[str, tuple[Field, ...]] = {
            name: _listed(it) for name, it in self._instruments.items()
        }

    @property
    def has_orders(self) -> bool:
        """See Source."""
        return True

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol of the market."""
        return frozenset(self._instruments)

    def bodies(self, symbol: str, shape: Shape) -> Iterator[Body]:
        """Return one symbol's stream from its beginning; it has no end."""
        random = Random(f"fixtape market {self._seed} {symbol}")  # noqa: S311 - a market, not a secret
        instrument, view = self._instruments[symbol], None
        if shape.orders:
            # A chance of their own: what happens to levels is the same whether their orders are told or not.
            chance = Random(f"fixtape orders {self._seed} {symbol}")  # noqa: S311 - a market, not a secret
            began_ns = self._began_ms * values.MILLISECOND_NS
            view = OrderBookView(symbol, shape, chance, (instrument.decimals, SIZE_DECIMALS), began_ns)
        return Flow(instrument, random, shape, self._sizes, self._levels, self._began_ms, view).bodies()


def _names(count: int) -> list[str]:
    """Return symbols: pairs as the venue has them first, then made-up ones."""
    real = [f"{base}/{quote}" for quote, base in product(_QUOTES, _BASES) if base != quote]
    return real[:count] + [f"S{place}/USD" for place in range(len(real), count)]


def _listed(instrument: Instrument) -> tuple[Field, ...]:
    tick = trimmed(1, instrument.decimals)
    return (
        (tags.SYMBOL, instrument.symbol.encode()),
        (tags.MIN_TRADE_VOL, b"0.00000001"),
        (tags.QTY_PRECISION, b"%d" % SIZE_DECIMALS),
        (tags.QTY_MIN, b"0.0001"),
        (tags.PRICE_PRECISION, b"%d" % instrument.decimals),
        (tags.TICK_SIZE, tick),
        (tags.ASSET_PAIR_STATUS, b"1"),
    )


def _need(name: str, received: object, ok: bool, allowed: str) -> None:
    if not ok:
        raise SettingInvalid(where=f"synthetic market: {name}", received=received, allowed=allowed)
