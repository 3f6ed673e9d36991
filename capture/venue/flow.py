"""Orders coming and going: one symbol's synthetic stream, for ever, as one subscriber sees it.

Layer: venue. Source: venue reference 4.5 and 4.6 for the messages; the tables are what `benchmarks/market_shape.py`
measures on the real recordings, and docs/venue.md shows both side by side.
Left to others: which symbols there are and how often they move (`venue.market`), what is seen of the book
(`venue.view`).

Randomness decides what happens, never how a price is written: prices, sizes and times are integers and their texts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from capture.venue.source import Body, Shape
from capture.venue.view import BookView, Level, SideView
from capture.wire import values

LEVELS_LEAST: Final = 20  # A side never gets thinner, so that 5041 always covers ten levels.
TEXTS_LIMIT: Final = 50_000  # Prices whose text is kept ready, a stream.
SIZE_DECIMALS: Final = 8
_TABLE: Final = 1024  # Outcomes of a table; a power of two.

# What one message does, in per mille: c change, n new, d delete, t trade; measured on the recordings.
_KINDS: Final = {"c": 230, "n": 210, "d": 225, "dn": 210, "cn": 60, "dc": 35, "cc": 20, "t": 10}
# How far from the best level: up to and with this many levels away, in per mille.
_DISTANCES: Final = ((0, 187), (1, 150), (3, 188), (9, 258), (24, 180), (99, 37))
_BURST: Final = 0.55  # Chance that a message follows the one before it at once.
_BURST_GAP_NS: Final = 1_000_000
# Pauses between bursts are a mixture of two exponentials with mean 1: (share, mean).
_PAUSES: Final = ((0.8, 0.4), (0.2, 3.4))
_STEP_TICKS: Final = 5  # A new level stands at most so far from the one behind it.
_GAP_TICKS: Final = 50  # Between two levels; a wider gap is filled.
_WIDTH_TICKS: Final = 400  # Beyond the anchor no best price gets better.
_MOVES: Final = 1 / 256  # Chance that a message moves the anchor, by at most so many ticks.
_MOVE_TICKS: Final = 8
_SPAN_TICKS: Final = 4  # A level, of a side from its best to its worst, at least.
_SPREAD_TICKS: Final = 10  # A wider spread is being closed.
_SPREAD_TICKS_MOST: Final = 60  # And at this no best level goes.
_MARKET_ORDERS: Final = 0.4  # Share of takers.
_LEVELS_EATEN: Final = 0.4  # Chance that a taker takes a level whole and goes on to the next.
_TRADES_MOST: Final = 4  # In one message.
_TRADE: Final = b"279=0\x01269=2\x01278=T%d\x01270=%b\x01271=%b\x01%b40=%b\x012446=%d\x01"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of the market. price: its first price in ticks. mean_gap_ns: between its messages."""

    symbol: str
    decimals: int
    price: int
    mean_gap_ns: int


class Flow:
    """One symbol's orders coming and going, as one subscriber sees them. view: of Level 2 unless another is given."""

    def __init__(
        self,
        instrument: Instrument,
        random: Random,
        shape: Shape,
        sizes: list[tuple[bytes, bytes]],
        levels: int,
        began_ms: int,
        view: BookView | None = None,
    ) -> None:
        self._instrument, self._sizes, self._shape = instrument, sizes, shape
        self._draw = random.random
        self._most = levels + levels // 8
        self._levels = levels
        self._began_ms = began_ms
        self._view = view or BookView(instrument.symbol, shape)
        self._ends: tuple[SideView, SideView] = (self._view.bids, self._view.offers)
        self._texts: tuple[dict[int, tuple[bytes, bytes]], ...] = ({}, {})
        precision = shape.precision or (instrument.decimals, SIZE_DECIMALS)
        self._pads = (b"0" * (precision[0] - instrument.decimals), b"0" * (precision[1] - SIZE_DECIMALS))
        self._out: list[bytes] = []
        self._time = b""
        self._second, self._second_text = -1, b""
        self._trades = 0
        self._anchor = instrument.price
        self._span = _SPAN_TICKS * levels
        gap = instrument.mean_gap_ns
        self._burst_ns = min(_BURST_GAP_NS, gap // 10)
        pause = max((gap - _BURST * self._burst_ns / 2) / (1 - _BURST), 1.0)
        self._pauses = [int(it * pause) for it in _pauses(random)]
        self._kinds = _kinds()
        self._distances = _distances()

    def bodies(self) -> Iterator[Body]:
        """Yield the snapshot, then what happens, for ever."""
        draw, view, kinds, pauses = self._draw, self._view, self._kinds, self._pauses
        trades_first = self._shape.trades_first
        self._set_time(0)
        self._fill()
        yield view.snapshot(0)
        at_ns = 0
        while True:
            at_ns += int(draw() * self._burst_ns) if draw() < _BURST else pauses[int(draw() * _TABLE)]
            self._set_time(at_ns)
            out = self._out = []
            kind = kinds[int(draw() * _TABLE)]
            bid = draw() < 0.5
            if kind == "t":
                trade = self._trade(0 if bid else 1)
                if trades_first:
                    yield trade
                if out:
                    yield view.refresh(at_ns, out, view.checksum())
                if not trades_first:
                    yield trade
                continue
            side = 0 if bid else 1
            for operation in kind:
                distance = self._distances[int(draw() * _TABLE)]
                if operation == "c":
                    self._change(side, distance)
                elif operation == "n":
                    self._new(side, distance)
                else:
                    self._delete(side, distance)
            self._keep_size(side)
            self._move_anchor()
            if out:
                yield view.refresh(at_ns, out, view.checksum())

    # What can happen.

    def _change(self, side: int, distance: int) -> None:
        end = self._ends[side]
        keys = end.keys
        index = len(keys) - 1 - distance
        end.set(*self._level(side, keys[max(0, index)]), self._out)

    def _new(self, side: int, distance: int) -> None:
        """Put a level between two others, or between best bid and best offer; where there is no room, change one."""
        end, keys = self._ends[side], self._ends[side].keys
        distance = min(distance, len(keys) - 1)
        below = keys[-1 - distance]
        if distance == 0:
            room = self._spread() - 1
            # A wide spread is closed by halves, for deletes at the best level open it further than single ticks close.
            reach = room if room <= _SPREAD_TICKS else room // 2
            room = room if self._may_improve(side, below) else 0
        else:
            room = reach = keys[-distance] - below - 1
            if room > _GAP_TICKS:  # The best price has left these levels behind: fill up from it, not from them.
                below, reach = below + room - _STEP_TICKS, _STEP_TICKS
        if room <= 0:
            end.set(*self._level(side, below), self._out)
            return
        end.set(*self._level(side, below + 1 + int(self._draw() * reach)), self._out)

    def _delete(self, side: int, distance: int) -> None:
        end, keys = self._ends[side], self._ends[side].keys
        if len(keys) <= self._levels or (distance == 0 and not self._may_recede(side)):
            self._new(side, distance)
            return
        end.remove(keys[max(len(keys) - 1 - distance, 0)], self._time, self._out)

    def _trade(self, side: int) -> Body:
        """Return the trades of a taker who meets the best levels of a side; the book's change is in `_out` then."""
        end, draw = self._ends[side], self._draw
        order_type = b"1" if draw() < _MARKET_ORDERS else b"2"
        trades: list[bytes] = []
        while True:
            key = end.keys[-1]
            head, size, _, _ = end.levels[key]
            number, _ = values.scaled(size[:-1], SIZE_DECIMALS)
            taken = number
            whole = draw() < _LEVELS_EATEN and len(end.keys) > LEVELS_LEAST and self._may_recede(side)
            if whole:
                end.remove(key, self._time, self._out)
            elif number > 1:
                taken = 1 + int(draw() * (number - 1))
                end.take(key, self._sized(side, key, number - taken), self._out)
            self._trades += 1
            price, traded = head[head.index(b"\x01270=") + 5 : -5], trimmed(taken, SIZE_DECIMALS)
            times = (self._time, order_type, 2 if side == 0 else 1)
            trades.append(_TRADE % (self._trades, price, traded, *times))
            if not whole or len(trades) == _TRADES_MOST:
                return self._view.refresh(self._at_ns, trades, None, has_book=False, has_trades=True)

    def _keep_size(self, side: int) -> None:
        """Let the far end of a side go when there are too many levels, and grow when the best price comes near it."""
        end, keys = self._ends[side], self._ends[side].keys
        if len(keys) > self._most:
            end.remove(keys[0], self._time, self._out)
        elif keys[-1] - keys[0] < self._span:
            key = keys[0] - 1 - int(self._draw() * _STEP_TICKS)
            if side == 1 or key > 0:
                end.set(*self._level(side, key), self._out)

    def _move_anchor(self) -> None:
        """Let the price around which the best ones stay move, now and then and slowly, never far below its half."""
        if self._draw() < _MOVES:
            move = int(self._draw() * (2 * _MOVE_TICKS + 1)) - _MOVE_TICKS
            self._anchor = max(self._anchor + move, self._instrument.price // 2)

    def _spread(self) -> int:
        """Return the ticks between best bid and best offer."""
        return -self._ends[0].keys[-1] - self._ends[1].keys[-1]

    def _may_recede(self, side: int) -> bool:
        """Return whether the best level of a side may go: the spread stays within its limit, the price in its band."""
        return self._spread() <= _SPREAD_TICKS_MOST and self._may_improve(1 - side, self._ends[1 - side].keys[-1])

    def _may_improve(self, side: int, key: int) -> bool:
        """Return whether the best price of a side may go further its way: the less likely the further it has come."""
        away = key - self._anchor if side == 0 else self._anchor + key
        return away <= 0 or self._draw() > away / _WIDTH_TICKS

    # Texts.

    def _level(self, side: int, key: int) -> tuple[int, Level]:
        texts = self._texts[side]
        text = texts.get(key)
        if text is None:
            text = self._price(side, key)
        head, check = text
        size, digits = self._sizes[int(self._draw() * len(self._sizes))]
        return key, (head, size, self._time, check + digits + self._pads[1])

    def _sized(self, side: int, key: int, number: int) -> Level:
        """Return a level of a given size."""
        head, check = self._texts[side].get(key) or self._price(side, key)
        size = trimmed(number, SIZE_DECIMALS) + b"\x01"
        return head, size, self._time, b"%b%d%b" % (check, number, self._pads[1])

    def _price(self, side: int, key: int) -> tuple[bytes, bytes]:
        texts = self._texts[side]
        if len(texts) >= TEXTS_LIMIT:
            texts.clear()
        price = key if side == 0 else -key
        shown = trimmed(price, self._instrument.decimals)
        head = b"269=%d\x01278=%c%b\x01270=%b\x01271=" % (side, b"BO"[side], shown, shown)
        texts[key] = text = (head, b"%d%b" % (price, self._pads[0]))
        return text

    def _set_time(self, at_ns: int) -> None:
        self._at_ns = self._view.at_ns = at_ns
        ms = (self._began_ms + at_ns // values.MILLISECOND_NS) % values.DAY_MS
        second, ms = divmod(ms, 1000)
        if second != self._second:
            self._second = second
            self._second_text = b"273=%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
        self._time = b"%b.%03d\x01" % (self._second_text, ms)

    def _fill(self) -> None:
        """Make the book that the stream begins with: gaps of some ticks, wider the further away."""
        for side, end in enumerate(self._ends):
            key = self._instrument.price if side == 0 else -self._instrument.price - 1 - int(self._draw() * 3)
            for place in range(self._levels):
                if key <= 0 and side == 0:
                    break
                end.add(*self._level(side, key))
                key -= 1 + int(self._draw() * (4 + place // 8))


def trimmed(number: int, decimals: int) -> bytes:
    """Return a scaled integer as the venue writes it: trailing zeros trimmed, at least one decimal kept."""
    text = values.unscaled(number, decimals).rstrip("0")
    return (text + "0" if text.endswith(".") else text).encode("ascii")


def random_size(random: Random) -> tuple[bytes, bytes]:
    """Return a size as on the wire, and its digits: small ones more often, one in six round."""
    number = random.randrange(1, 10 ** random.randrange(6, 12))
    if random.random() < 1 / 6:
        number = max(number // 10**6, 1) * 10**6
    return trimmed(number, SIZE_DECIMALS) + b"\x01", b"%d" % number


@cache
def _kinds() -> list[str]:
    return _spread(_KINDS)


def _spread(shares: Mapping[str, int]) -> list[str]:
    """Return a table in which each outcome stands as often as its share."""
    total = sum(shares.values())
    table = [kind for kind, share in shares.items() for _ in range(share * _TABLE // total)]
    return table + [next(iter(shares))] * (_TABLE - len(table))


@cache
def _distances() -> list[int]:
    table: list[int] = []
    below = -1
    for upto, share in _DISTANCES:
        count = share * _TABLE // 1000
        table += [below + 1 + place * (upto - below) // count for place in range(count)]
        below = upto
    return table + [0] * (_TABLE - len(table))


def _pauses(random: Random) -> list[float]:
    """Return a table of pauses with mean 1, a mixture of exponentials by their quantiles, in no order."""
    table: list[float] = []
    for share, mean in _PAUSES:
        table += [random.expovariate(1 / mean) for _ in range(int(share * _TABLE))]
    table += [1.0] * (_TABLE - len(table))
    scale = len(table) / sum(table)
    return [it * scale for it in table]
