"""The instruments that the venue lists, and its own status: each change a row, an event and a finding.

Layer: beside the books, below the feed. No I/O, no clock.
Source: venue reference 4.1 to 4.3; design section 5, table `instruments`.
Left to others: what to subscribe and to stop (`subscriber`).
"""

from copy import deepcopy
from dataclasses import replace

from capture.books import Books
from capture.errors import ValueMalformed
from capture.findings import InstrumentChanged, InstrumentsListed, Kind, ListFailed, TradingStatusArrived
from capture.lane import Lane
from capture.market.instruments import STATUS_NAMES, UNLISTED, Instrument, InstrumentList
from capture.market.trading_status import TradingStatus, read_trading_status
from capture.rows import MessageRow, Rows


class Listings:
    """The present version of each instrument of a run, over its sessions."""

    def __init__(self, rows: Rows, books: Books, lane: Lane) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._rows, self._books, self._lane = rows, books, lane
        self._list = InstrumentList()
        self._listed: set[str] = set()
        self._whole = False  # Whether the whole list of this session is in; what comes after it are updates.
        self._lists = 0  # Whole lists of this run.
        self._status: TradingStatus | None = None

    def begin(self) -> None:
        """Begin a session: its list is yet to come."""
        self._list, self._listed, self._whole = InstrumentList(), set(), False

    def twin(self, rows: Rows, books: Books, lane: Lane) -> "Listings":
        """Return others in the same state, that tell of what comes elsewhere."""
        twin = Listings(rows, books, lane)
        twin.instruments = dict(self.instruments)
        twin._list, twin._listed, twin._whole = deepcopy(self._list), set(self._listed), self._whole
        twin._lists, twin._status = self._lists, self._status
        return twin

    def take(self, row: MessageRow) -> None:
        """Take one SecurityList (35=y). Errors: ValueMalformed where it cannot be used."""
        try:
            part = self._list.add(row.message)
        except ValueMalformed as error:
            self._books.findings.append(ListFailed(str(error)))
            raise
        row.entries = len(part.instruments) + len(part.malformed)
        for symbol in part.malformed:
            text = f"{symbol}: instrument could not be read"
            self._rows.event(row.at_ns, Kind.MALFORMED, symbol=symbol, seq=row.seq, text=text)
            if symbol in self.instruments:
                self._listed.add(symbol)  # It is listed; its last version that could be read stands.
        for instrument in part.instruments:
            self._listed.add(instrument.symbol)
            self._instrument(row, instrument)
        if part.complete:
            self._rows.event(row.at_ns, Kind.INSTRUMENTS, seq=row.seq, count=len(self._listed))
            if not self._whole:
                self._whole_list(row)

    def take_status(self, row: MessageRow) -> None:
        """Take the venue's own status (35=h)."""
        status = read_trading_status(row.message)
        if status.status is None:
            self._rows.event(row.at_ns, Kind.REJECT, seq=row.seq, text=f"trading status: {status.refusal}")
            return
        before, self._status = self._status, status
        self._rows.event(
            row.at_ns,
            Kind.TRADING_STATUS,
            seq=row.seq,
            expected=before.name if before is not None else None,
            received=status.name,
        )
        self._books.findings.append(TradingStatusArrived(status.status))

    def _whole_list(self, row: MessageRow) -> None:
        """Take a session's list as whole: what it lacks is listed no more. One without instruments is none."""
        if not self._listed:
            self._books.findings.append(InstrumentsListed(()))
            return
        self._whole = True
        self._lists += 1
        for symbol in sorted(self.instruments.keys() - self._listed):
            self._instrument(row, replace(self.instruments[symbol], status=UNLISTED))
        self._books.findings.append(InstrumentsListed(tuple(sorted(self._listed))))

    def _instrument(self, row: MessageRow, instrument: Instrument) -> None:
        symbol = instrument.symbol
        known = self.instruments.get(symbol)
        if known == instrument:
            return
        self.instruments[symbol] = instrument
        self._rows.instrument(row, instrument)
        precision_changed = known is not None and self._changed(row, known, instrument)
        # A run begins with all of them; only what is listed later is news.
        if known.status != instrument.status if known is not None else self._lists:
            before = None if known is None else STATUS_NAMES.get(known.status, str(known.status))
            after = STATUS_NAMES.get(instrument.status, str(instrument.status))
            text = f"{symbol}: {'was not listed' if before is None else f'was {before}'}, is {after}"
            self._rows.event(
                row.at_ns,
                Kind.INSTRUMENT_STATUS,
                symbol=symbol,
                seq=row.seq,
                expected=before,
                received=after,
                text=text,
            )
        self._books.findings.append(InstrumentChanged(symbol, instrument.status, precision_changed))

    def _changed(self, row: MessageRow, known: Instrument, instrument: Instrument) -> bool:
        """Draw the consequences for the book; return whether the precision changed."""
        before = (known.price_precision, known.size_precision)
        after = (instrument.price_precision, instrument.size_precision)
        subscription = self._books.by_symbol.get(instrument.symbol)
        if before != after:
            text = f"{instrument.symbol}: precision of price and size was {before}, is {after}"
            self._rows.event(row.at_ns, Kind.PRECISION_CHANGE, symbol=instrument.symbol, seq=row.seq, text=text)
            if subscription is not None:
                self._books.suspect(row.at_ns, subscription, Kind.SUSPECT, text, seq=row.seq)
        elif subscription is not None and subscription.book is not None:
            subscription.book.instrument = instrument
        if subscription is not None:
            self._lane.watch(subscription, instrument)
        return before != after
