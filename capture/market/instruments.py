"""Instruments and the list that they come in.

Layer: market. Source: venue reference 4.1 and 4.2, SecurityList (35=y).
Left to others: asking for the list (`market.requests`), noticing what a change means for a book (`feed`).
"""

from dataclasses import dataclass
from typing import Final

from capture.errors import ValueMalformed
from capture.wire import tags, values
from capture.wire.message import Message

INSTRUMENTS_LIMIT: Final = 20_000  # Of one list; the venue has some hundreds.
FRAGMENTS_LIMIT: Final = 1_000
STATUS_LIMIT: Final = 127  # An int8 column keeps it.
# What belongs to the message and not to an entry of the group, wherever it stands.
_OUTSIDE: Final = frozenset(
    {
        tags.SECURITY_REQ_ID,
        tags.SECURITY_RESPONSE_ID,
        tags.SECURITY_REQUEST_RESULT,
        tags.TOT_NO_RELATED_SYM,
        tags.LAST_FRAGMENT,
        tags.TEXT,
        tags.CHECK_SUM,
    }
)
HIDDEN, ONLINE, MAINTENANCE, DELISTED = 0, 1, 2, 6  # AssetPairStatus(5032)
UNLISTED: Final = -1  # Ours, for an instrument that a whole list no longer names.
STATUS_NAMES: Final = {
    UNLISTED: "unlisted",
    HIDDEN: "hidden",
    ONLINE: "online",
    MAINTENANCE: "maintenance",
    3: "cancel-only",
    4: "post-only",
    5: "limit-only",
    DELISTED: "delisted",
    7: "reduce-only",
}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument as one SecurityList describes it.

    Units: precisions are counts of decimals, 2349 and 5010; `tick` is the smallest price step as an integer scaled by
    `price_precision` and `lot` the smallest size step scaled by `size_precision`, 0 where the venue names none that
    fits the precision. The texts are the venue's own.
    """

    symbol: str
    price_precision: int
    size_precision: int
    tick: int
    lot: int
    tick_size: str
    lot_size: str
    size_min: str
    size_max: str
    cost_min: str
    status: int


def step(value: bytes, scale: int) -> int:
    """Return a step scaled, or 0 where it needs more decimals than the precision: it can then not be checked."""
    if not value:
        return 0
    number, needed = values.scaled(value, scale)
    return number if needed == scale else 0


def _instrument(entry: dict[int, bytes]) -> Instrument:
    def text(tag: int) -> str:
        return entry.get(tag, b"").decode("ascii", "backslashreplace")

    price_precision = values.precision(entry.get(tags.PRICE_PRECISION, b""))
    size_precision = values.precision(entry.get(tags.QTY_PRECISION, b""))
    status = values.integer(entry.get(tags.ASSET_PAIR_STATUS, b"0"))
    if status > STATUS_LIMIT:
        raise ValueMalformed(expected=f"AssetPairStatus(5032) up to {STATUS_LIMIT}", received=b"%d" % status)
    return Instrument(
        symbol=entry[tags.SYMBOL].decode("utf-8", "backslashreplace"),
        price_precision=price_precision,
        size_precision=size_precision,
        tick=step(entry.get(tags.TICK_SIZE, b""), price_precision),
        lot=step(entry.get(tags.MIN_TRADE_VOL, b""), size_precision),
        tick_size=text(tags.TICK_SIZE),
        lot_size=text(tags.MIN_TRADE_VOL),
        size_min=text(tags.QTY_MIN),
        size_max=text(tags.QTY_MAX),
        cost_min=text(tags.MINIMUM_COST),
        status=status,
    )


@dataclass(frozen=True, slots=True)
class ListPart:
    """What one SecurityList message brought.

    malformed: symbols whose entry could not be read; the others of the message are not lost with them.
    complete: whether the list that it belongs to is now whole.
    """

    instruments: tuple[Instrument, ...]
    malformed: tuple[str, ...]
    complete: bool


class ListRefused(ValueMalformed):
    """The venue answered the request with a result other than 0."""


class InstrumentList:
    """Gathers the fragments of SecurityList messages; one list at a time is open."""

    def __init__(self) -> None:
        self._fragments = 0
        self._gathered: set[str] = set()  # Symbols, so that a list asked for twice is not counted twice.

    def add(self, message: Message) -> ListPart:
        """Return the instruments of one message and whether they complete a list.

        Errors: ListRefused where SecurityRequestResult(560) is not 0; ValueMalformed past a limit.
        """
        result = message.get(tags.SECURITY_REQUEST_RESULT)
        if result not in {None, b"0"}:
            text = message.get(tags.TEXT) or result or b""
            self._begin_anew()
            raise ListRefused(expected="SecurityRequestResult(560) 0", received=text)
        instruments: list[Instrument] = []
        malformed: list[str] = []
        for entry in message.group(tags.SYMBOL, _OUTSIDE):
            try:
                instruments.append(_instrument(entry))
            except ValueMalformed:
                malformed.append(entry[tags.SYMBOL].decode("utf-8", "backslashreplace"))
        symbols = {*(it.symbol for it in instruments), *malformed}
        last, total = message.get(tags.LAST_FRAGMENT), message.get(tags.TOT_NO_RELATED_SYM)
        if last is None and total is None and len(symbols) <= INSTRUMENTS_LIMIT:
            # Not fragmented: a list of its own, or an update amid the fragments of another.
            return ListPart(tuple(instruments), tuple(malformed), complete=not self._gathered)
        self._fragments += 1
        self._gathered |= symbols
        gathered = len(self._gathered)
        if self._fragments > FRAGMENTS_LIMIT or gathered > INSTRUMENTS_LIMIT:
            self._begin_anew()
            raise ValueMalformed(expected=f"at most {INSTRUMENTS_LIMIT} instruments", received=b"%d" % gathered)
        complete = last == b"Y" or (total is not None and gathered >= values.integer(total))
        if complete:
            self._begin_anew()
        return ListPart(tuple(instruments), tuple(malformed), complete)

    def _begin_anew(self) -> None:
        self._fragments = 0
        self._gathered.clear()
