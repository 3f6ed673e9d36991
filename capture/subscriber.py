"""What to ask of the venue, and when to ask again.

Layer: above the feed, beside the client. No I/O, no clock.
Source: venue reference 4.1 to 4.4, 4.8 and checklist 8.1: the list and the status after every logon, one symbol a
request, a new MDReqID(262) each time.
Left to others: what is true (`feed`); which symbols are meant (`market.selection`). A rebuild needs none of it.

Whatever is wanted is in `_wanted` for the whole run. What is under way for a symbol is told by where it stands: in
`_queue` to be asked for, in `_asked` without an answer yet, in `_retries` to be asked for later, in `_refused`.
Nothing here walks all symbols because time passes or a message came.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from capture.findings import (
    BookSuspect,
    Finding,
    InstrumentChanged,
    InstrumentsListed,
    ListFailed,
    SnapshotArrived,
    SubscriptionRejected,
    TradingStatusArrived,
)
from capture.market import trading_status
from capture.market.instruments import (
    DELISTED,
    HIDDEN,
    INSTRUMENTS_LIMIT,
    MAINTENANCE,
    ONLINE,
    STATUS_NAMES,
    UNLISTED,
)
from capture.market.requests import LEVEL_2, MarketDataRequest, security_list_request, trading_status_request
from capture.market.selection import Selection
from capture.session import events
from capture.session.session import Session
from capture.session.states import State
from capture.wire import tags, values

# Subscriptions without a snapshot yet: the pace of subscribing follows the venue's. At depth 1000 a snapshot is some
# 150 KB, so that 5 MB are on their way at most, less than a second of work between two looks at the timers.
OUTSTANDING_LIMIT: Final = 32
SYMBOLS_LIMIT: Final = 2 * INSTRUMENTS_LIMIT  # Of one run; room for a list that changes from day to day.
SNAPSHOT_TIME_NS: Final = 15 * values.SECOND_NS
LIST_TIME_NS: Final = 15 * values.SECOND_NS
LIST_REQUESTS_LIMIT: Final = 3
RETRY_NS_LIMIT: Final = 60 * values.SECOND_NS
ATTEMPTS_LIMIT: Final = 16  # Counted no further: the delay is at its limit long before.
CALM_NS: Final = 60 * values.SECOND_NS  # A book good for this long begins its retries anew.
DUPLICATE_MD_REQ_ID: Final = "1"  # MDReqRejReason(281)
CLOSED: Final = frozenset({HIDDEN, DELISTED, UNLISTED})  # Statuses in which nothing is asked of an instrument.
# The venue may have ended a subscription in these without a word: after them it is begun anew.
_BROKEN: Final = CLOSED | {MAINTENANCE}
_ASKING: Final = frozenset({State.ACTIVE, State.AWAITING_RESEND})  # After a Logout of either side nothing new is asked.


@dataclass(slots=True)
class _Wanted:
    """One symbol to record.

    md_req_id: of its open subscription. recorded: whether a snapshot ever came. trouble: why the venue did not serve
    it, the last time that it did not; troubled: whether that still holds.
    """

    symbol: str
    depth: int
    md_req_id: str | None = None
    attempts: int = 0
    good_since_ns: int = 0
    recorded: bool = False
    trouble: str = ""
    troubled: bool = False


@dataclass(slots=True)
class Subscriber:
    """Keeps every wanted symbol subscribed on one session after another.

    symbols: patterns, see `market.selection`. depth: of symbols whose patterns give none. level: of all of them.
    """

    session: Session
    symbols: tuple[str, ...]
    depth: int
    level: int = LEVEL_2
    _selection: Selection = field(init=False)
    _wanted: dict[str, _Wanted] = field(default_factory=dict)
    _statuses: dict[str, int] = field(default_factory=dict)  # AssetPairStatus(5032) as told, over all sessions.
    _queue: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _asked: dict[str, int] = field(default_factory=dict)  # When; at most OUTSTANDING_LIMIT.
    _retries: dict[str, int] = field(default_factory=dict)  # When to ask again.
    _retry_ns: int = 0  # No retry is due before.
    _refused: dict[str, None] = field(default_factory=dict)  # For good, as far as this session goes.
    _list_in: bool = False  # In this session.
    _listed_once: bool = False  # In this run.
    _list_asked_ns: int | None = None
    _list_requests: int = 0
    _full: bool = False  # Whether a symbol was not taken up because of SYMBOLS_LIMIT.
    _venue_status: int | None = None
    _begun_s: int = 0
    _ids: int = 0

    def __post_init__(self) -> None:
        self._selection = Selection(self.symbols, self.depth, level=self.level)

    def handle(self, findings: list[Finding], wall_ns: int, mono_ns: int) -> None:
        """Act upon what was found. Errors: SymbolUnknown, at the first list of a run only, so that a typo ends it."""
        for finding in findings:
            match finding:
                case SnapshotArrived(symbol):
                    self._arrived(symbol, mono_ns)
                case BookSuspect(symbol, _):
                    self._suspect(symbol, mono_ns)
                case SubscriptionRejected():
                    self._rejected(finding, mono_ns)
                case InstrumentChanged():
                    self._changed(finding)
                case InstrumentsListed(symbols):
                    self._list_arrived(symbols, mono_ns)
                case ListFailed():
                    self._list_asked_ns = mono_ns  # Asked again when the time for an answer is over.
                case TradingStatusArrived(status):
                    self._status_arrived(status)
                case events.GapFilled():
                    self._ask_again(list(self._asked), mono_ns)  # The snapshots may be what was filled over.
                case events.LoggedOn():
                    self._begin(wall_ns, mono_ns)
        self._ask(mono_ns)

    def tick(self, mono_ns: int) -> None:
        """Let time pass: ask again for what did not come."""
        if self.session.state not in _ASKING:
            return
        if self._list_asked_ns is not None and mono_ns - self._list_asked_ns >= LIST_TIME_NS:
            self._ask_list(mono_ns)
        late = [it for it, asked_ns in self._asked.items() if mono_ns - asked_ns >= SNAPSHOT_TIME_NS]
        self._ask_again(late, mono_ns)
        if self._retries and mono_ns >= self._retry_ns:
            for symbol in [it for it, at_ns in self._retries.items() if mono_ns >= at_ns]:
                self._enqueue(symbol)
            self._retry_ns = min(self._retries.values(), default=0)
        self._ask(mono_ns)

    def _ask_again(self, symbols: list[str], mono_ns: int) -> None:
        """Give up on the snapshots of open requests, and ask anew."""
        for symbol in symbols:
            del self._asked[symbol]
            self._later(self._wanted[symbol], mono_ns)

    @property
    def settled(self) -> bool:
        """Whether the list is in and nothing is under way: every wanted symbol has its book or its refusal."""
        return self._list_in and not (self._queue or self._asked or self._retries)

    def shortfalls(self) -> dict[str, str]:
        """Return what this run did not record, or not all the time, by symbol, and why as the end of a sentence.

        A hole in a book that stood is not told here: events tell it from its beginning to its end.
        """
        if not self._listed_once:
            return dict.fromkeys(self.symbols, "not recorded, the venue sent no instrument list")
        told = {symbol: _shortfall(wanted) for symbol, wanted in self._wanted.items()}
        if self._full:
            told["others"] = f"not recorded, a run takes {SYMBOLS_LIMIT} symbols at most"
        return {symbol: text for symbol, text in told.items() if text}

    # The session and its lists.

    def _begin(self, wall_ns: int, mono_ns: int) -> None:
        for under_way in (self._queue, self._asked, self._retries, self._refused):
            under_way.clear()
        for wanted in self._wanted.values():
            wanted.md_req_id = None
            wanted.attempts = 0
        # Ids are unique within a session and across them: a second that no earlier session had, and a counter.
        self._begun_s, self._ids = max(wall_ns // values.SECOND_NS, self._begun_s + 1), 0
        self._list_in, self._venue_status = False, None
        self._list_requests = 0
        self._ask_list(mono_ns)

    def _ask_list(self, mono_ns: int) -> None:
        if self.session.state not in _ASKING:
            return
        if self._list_requests >= LIST_REQUESTS_LIMIT:
            self._list_asked_ns = None
            self.session.log_out(f"no instrument list after {LIST_REQUESTS_LIMIT} requests")
            return
        self._list_asked_ns = mono_ns
        if not self.session.takes_requests:
            return  # Right before the roll-over: whatever comes after it begins with the list.
        self._list_requests += 1
        self.session.send(tags.SECURITY_LIST_REQUEST, security_list_request(self._next_id("L")))
        if self._list_requests == 1:
            status_id = f"S1-{self._begun_s:x}"
            self.session.send(tags.TRADING_SESSION_STATUS_REQUEST, trading_status_request(status_id))

    def _list_arrived(self, symbols: tuple[str, ...], mono_ns: int) -> None:
        if not symbols:
            self._list_asked_ns = mono_ns  # No list; asked again when the time for an answer is over.
            return
        self._list_asked_ns = None
        if not self._listed_once:
            self._selection.check(symbols, closed={it for it in symbols if self._statuses.get(it) in CLOSED})
        is_first = not self._list_in
        self._list_in = self._listed_once = True
        if is_first:  # Later ones of a session are updates, which lack nothing.
            for symbol in self._wanted.keys() - frozenset(symbols):
                self._statuses[symbol] = UNLISTED
                self._take_up(symbol)
        for symbol in symbols:
            is_back = self._statuses.get(symbol) == UNLISTED
            if is_back:
                del self._statuses[symbol]
            if is_first or is_back or symbol not in self._wanted:
                self._take_up(symbol)

    def _changed(self, change: InstrumentChanged) -> None:
        symbol = change.symbol
        before = self._statuses.get(symbol, ONLINE)
        if symbol in self._statuses or len(self._statuses) < SYMBOLS_LIMIT:
            self._statuses[symbol] = change.status
        if not self._list_in:
            return  # Its turn comes with the list.
        anew = change.precision_changed or before in _BROKEN or symbol in self._refused or symbol not in self._wanted
        if anew or change.status in CLOSED:
            self._take_up(symbol, first=change.precision_changed)

    def _take_up(self, symbol: str, *, first: bool = False) -> None:
        """Begin anew with a symbol that is wanted, or let go of it where nothing can be had of it now."""
        status = self._statuses.get(symbol, ONLINE)
        wanted = self._wanted.get(symbol) or self._new_wanted(symbol, status)
        if wanted is None:
            return
        wanted.attempts = 0
        if status in CLOSED:
            self._close(wanted, status)
            return
        self._enqueue(symbol)
        if first:
            self._queue.move_to_end(symbol, last=False)

    def _new_wanted(self, symbol: str, status: int) -> _Wanted | None:
        depth = self._selection.depth_of(symbol)
        # What a glob finds closed is nobody's loss until it opens; what was named is missed by somebody.
        if depth is None or (status in CLOSED and not self._selection.names(symbol)):
            return None
        if len(self._wanted) >= SYMBOLS_LIMIT:
            self._full = True
            return None
        wanted = self._wanted[symbol] = _Wanted(symbol, depth)
        return wanted

    def _close(self, wanted: _Wanted, status: int) -> None:
        words = "no longer lists it" if status == UNLISTED else f"lists it as {STATUS_NAMES[status]}"
        wanted.trouble, wanted.troubled = f"the venue {words}", True
        self._let_go(wanted.symbol)
        if wanted.md_req_id is not None and self.session.takes_requests:
            self._send(wanted, subscribe=False)
        wanted.md_req_id = None

    def _status_arrived(self, status: int) -> None:
        """Take note of the venue's status; what it refused while it was not online is asked for once it is."""
        before, self._venue_status = self._venue_status, status
        if status == trading_status.ONLINE and before not in {None, status}:
            for symbol in list(self._refused):
                self._enqueue(symbol)

    # Answers.

    def _arrived(self, symbol: str, mono_ns: int) -> None:
        wanted = self._wanted.get(symbol)
        if wanted is not None and wanted.md_req_id is not None:
            self._asked.pop(symbol, None)
            self._retries.pop(symbol, None)
            wanted.good_since_ns = mono_ns
            wanted.recorded, wanted.troubled = True, False

    def _suspect(self, symbol: str, mono_ns: int) -> None:
        wanted = self._wanted.get(symbol)
        if wanted is None or wanted.md_req_id is None or self._is_under_way(symbol):
            return
        if mono_ns - wanted.good_since_ns >= CALM_NS:
            wanted.attempts = 0
        self._later(wanted, mono_ns)

    def _rejected(self, finding: SubscriptionRejected, mono_ns: int) -> None:
        symbol = finding.symbol
        wanted = self._wanted.get(symbol)
        if wanted is None or wanted.md_req_id is None or wanted.md_req_id != finding.md_req_id:
            return
        was_open = self._asked.pop(symbol, None) is not None
        wanted.md_req_id = None
        if finding.reason != DUPLICATE_MD_REQ_ID:
            reason = finding.text or f"MDReqRejReason(281) {finding.reason}"
            wanted.trouble, wanted.troubled = f"the venue refused it: {reason}", True
            if was_open:
                self._refused[symbol] = None
                return
        if not self._is_under_way(symbol):  # An id that was taken, or a subscription that was served until now.
            self._later(wanted, mono_ns)

    # What is under way.

    def _is_under_way(self, symbol: str) -> bool:
        return symbol in self._asked or symbol in self._retries or symbol in self._queue

    def _let_go(self, symbol: str) -> None:
        for under_way in (self._queue, self._asked, self._retries, self._refused):
            under_way.pop(symbol, None)

    def _enqueue(self, symbol: str) -> None:
        self._let_go(symbol)
        self._queue[symbol] = None

    def _later(self, wanted: _Wanted, mono_ns: int) -> None:
        """Ask again: at once the first time, then after 1, 2, 4 … s."""
        delay_ns = min(values.SECOND_NS << (wanted.attempts - 1), RETRY_NS_LIMIT) if wanted.attempts else 0
        wanted.attempts = min(wanted.attempts + 1, ATTEMPTS_LIMIT)
        if not delay_ns:
            self._enqueue(wanted.symbol)
            return
        at_ns = mono_ns + delay_ns
        self._retry_ns = min(self._retry_ns, at_ns) if self._retries else at_ns
        self._retries[wanted.symbol] = at_ns

    def _ask(self, mono_ns: int) -> None:
        if not self._queue or not self.session.takes_requests:
            return
        while self._queue and len(self._asked) < OUTSTANDING_LIMIT:
            symbol, _ = self._queue.popitem(last=False)
            wanted = self._wanted[symbol]
            if wanted.md_req_id is not None:
                self._send(wanted, subscribe=False)
            wanted.md_req_id = self._next_id("M")
            self._send(wanted, subscribe=True)
            self._asked[symbol] = mono_ns

    def _send(self, wanted: _Wanted, *, subscribe: bool) -> None:
        assert wanted.md_req_id is not None
        request = MarketDataRequest(wanted.md_req_id, wanted.symbol, wanted.depth, subscribe, self.level)
        self.session.send(tags.MARKET_DATA_REQUEST, request.body())

    def _next_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}{self._ids}-{self._begun_s:x}"


def _shortfall(wanted: _Wanted) -> str:
    """Return why a symbol was not recorded, or not all the time; empty where it was."""
    if wanted.troubled:
        return f"{'no longer' if wanted.recorded else 'not'} recorded, {wanted.trouble}"
    if not wanted.recorded:
        return "not recorded, no snapshot came"
    return f"not recorded for a time, {wanted.trouble}" if wanted.trouble else ""
