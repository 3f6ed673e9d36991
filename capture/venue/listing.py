"""The instruments and the status of a venue as they are now, and the messages that say so.

Layer: venue. One for a venue, shared by all its connections. Source: venue reference 4.1 to 4.3.
Left to others: who asked for updates (`venue.answers`), and when something changes (`venue.server`).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from capture.errors import MisuseError
from capture.venue.settings import VenueSettings
from capture.venue.source import Source
from capture.wire import tags, values
from capture.wire.message import Field

ONLINE, DELISTED, HIDDEN = 1, 6, 0  # AssetPairStatus(5032)
SESSION_ONLINE: Final = 2  # TradSesStatus(340) as Kraken numbers it
SESSION_STATUSES: Final = (0, 1, 2, 101, 102)
HALTED: Final = frozenset({1, 101, 102})  # No matching: no trades.
_SERVED: Final = frozenset({1, 3, 4, 5, 7})  # Statuses of an instrument whose market data can be had.
_PRECISIONS: Final = frozenset({tags.PRICE_PRECISION, tags.QTY_PRECISION})
# What a change is called, and its field.
CHANGES: Final[Mapping[str, int]] = {
    "status": tags.ASSET_PAIR_STATUS,
    "price_precision": tags.PRICE_PRECISION,
    "size_precision": tags.QTY_PRECISION,
    "tick_size": tags.TICK_SIZE,
    "lot_size": tags.MIN_TRADE_VOL,
    "size_min": tags.QTY_MIN,
    "size_max": tags.QTY_MAX,
    "cost_min": tags.MINIMUM_COST,
}
_ORDER: Final = (
    tags.SYMBOL, tags.MIN_TRADE_VOL, tags.QTY_PRECISION, tags.QTY_MIN, tags.QTY_MAX, tags.MINIMUM_COST,
    tags.PRICE_PRECISION, tags.TICK_SIZE, tags.ASSET_PAIR_STATUS,
)  # fmt: skip
_LISTED_ANEW: Final[Mapping[int, bytes]] = {
    tags.MIN_TRADE_VOL: b"0.00000001", tags.QTY_PRECISION: b"8", tags.QTY_MIN: b"0.0001",
    tags.PRICE_PRECISION: b"1", tags.TICK_SIZE: b"0.1", tags.ASSET_PAIR_STATUS: b"1",
}  # fmt: skip


class Listing:
    """Instruments by symbol, and the venue's own status; `update` changes an instrument, lists it, or delists it."""

    def __init__(self, source: Source, settings: VenueSettings) -> None:
        self.status = SESSION_ONLINE
        self._source = source
        self._float = settings.precision_text == "float"
        self._fields: dict[str, dict[int, bytes]] = {name: dict(it) for name, it in source.instruments.items()}
        self._precise: dict[str, tuple[int, int]] = {}  # Precisions that are no longer the source's.

    @property
    def symbols(self) -> list[str]:
        """Instruments of the list; one that is hidden is none of them."""
        return [name for name, it in self._fields.items() if it.get(tags.ASSET_PAIR_STATUS) != b"0"]

    @property
    def has_orders(self) -> bool:
        """Whether market data can be had as Level 3."""
        return self._source.has_orders

    def is_listed(self, symbol: str) -> bool:
        """Return whether the list has it."""
        return symbol in self._fields and self._status(symbol) != HIDDEN

    def is_served(self, symbol: str) -> bool:
        """Return whether its market data can be had now."""
        return symbol in self._source.symbols and symbol in self._fields and self._status(symbol) in _SERVED

    def precision(self, symbol: str) -> tuple[int, int] | None:
        """Return its decimals of price and size where they are no longer those of the source."""
        return self._precise.get(symbol)

    def update(self, symbol: str, **changes: object) -> None:
        """Change an instrument; an unknown symbol is listed with these fields.

        changes: of CHANGES; `status=6` delists, `status=0` hides. Precisions can only grow, for what the source has
            been sending must stay exact. Errors: MisuseError.
        """
        unknown = set(changes) - set(CHANGES)
        if unknown:
            raise MisuseError(f"{symbol}: no such change: {min(unknown)}; use {', '.join(CHANGES)}")
        instrument = dict(self._fields.get(symbol) or {tags.SYMBOL: symbol.encode(), **_LISTED_ANEW})
        for name, value in changes.items():
            tag, text = CHANGES[name], str(value).encode("ascii")
            if tag in _PRECISIONS and values.precision(text) < values.precision(instrument[tag]):
                raise MisuseError(f"{symbol}: {name} cannot fall from {instrument[tag].decode()} to {value}; raise it")
            instrument[tag] = text
        self._fields[symbol] = instrument
        if {CHANGES[name] for name in changes} & _PRECISIONS:
            self._precise[symbol] = (
                values.precision(instrument[tags.PRICE_PRECISION]),
                values.precision(instrument[tags.QTY_PRECISION]),
            )

    def entries(self, symbols: Iterable[str]) -> list[Field]:
        """Return the group entries of instruments, in the order of fields as captured."""
        return [
            (tag, value + b".0" if self._float and tag in _PRECISIONS and b"." not in value else value)
            for symbol in symbols
            for tag, value in sorted(self._fields[symbol].items(), key=lambda it: _ORDER.index(it[0]))
        ]

    def _status(self, symbol: str) -> int:
        return int(self._fields[symbol].get(tags.ASSET_PAIR_STATUS, b"1"))
