"""What to ask of the venue, and when to ask again.

Layer: above the feed, beside the client. No I/O, no clock.
Source: venue reference 4.1, 4.4, 4.8 and checklist 8.1: the list after every logon, one symbol a request, a new
MDReqID(262) each time.
Left to others: what is true (`feed`); this only decides what to say next. A rebuild therefore needs none of it.
"""

from collections import deque
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from capture.errors import SymbolUnknown
from capture.findings import BookSuspect, Finding, InstrumentsListed, ListFailed, SnapshotArrived, SubscriptionRejected
from capture.market.requests import MarketDataRequest, security_list_request
from capture.session import events
from capture.session.session import Session
from capture.session.states import State
from capture.wire import tags, values

ALL_SYMBOLS: Final = "all"
OUTSTANDING_LIMIT: Final = 32  # Subscriptions without a snapshot yet; the pace of subscribing follows the venue's.
SNAPSHOT_TIME_NS: Final = 15 * values.SECOND_NS
LIST_TIME_NS: Final = 15 * values.SECOND_NS
LIST_REQUESTS_LIMIT: Final = 3
RETRY_NS_LIMIT: Final = 60 * values.SECOND_NS
CALM_NS: Final = 60 * values.SECOND_NS  # A book good for this long begins its retries anew.
DUPLICATE_MD_REQ_ID: Final = "1"  # MDReqRejReason(281)
_ASKING: Final = frozenset({State.ACTIVE, State.AWAITING_RESEND})  # After a Logout of either side nothing new is asked.


@dataclass(slots=True)
class _Wanted:
    """One symbol to record. asked_ns: when its open request went out; None while none is open."""

    symbol: str
    md_req_id: str | None = None
    asked_ns: int | None = None
    retry_at_ns: int | None = None
    attempts: int = 0
    good_since_ns: int = 0


@dataclass(slots=True)
class Subscriber:
    """Keeps every wanted symbol subscribed on one session after another.

    symbols: as the venue lists them, or only ALL_SYMBOLS.
    rejected: what the venue refused for good in this session, by symbol, with its text.
    """

    session: Session
    symbols: tuple[str, ...]
    depth: int
    rejected: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    _wanted: dict[str, _Wanted] = field(default_factory=dict)
    _queue: deque[str] = field(default_factory=deque)
    _id_stem: str = ""
    _ids: int = 0
    _list_asked_ns: int | None = None
    _list_requests: int = 0
    _listed_once: bool = False

    def handle(self, findings: list[Finding], wall_ns: int, mono_ns: int) -> None:
        """Act upon what was found. Errors: SymbolUnknown, at the first list of a run only, so that a typo ends it."""
        for finding in findings:
            match finding:
                case events.LoggedOn():
                    self._begin(wall_ns, mono_ns)
                case InstrumentsListed(symbols):
                    self._listed(symbols)
                case ListFailed():
                    self._list_asked_ns = mono_ns  # Asked again when the time for an answer is over.
                case SnapshotArrived(symbol):
                    self._arrived(symbol, mono_ns)
                case BookSuspect(symbol, _):
                    self._suspect(symbol, mono_ns)
                case SubscriptionRejected():
                    self._refused(finding, mono_ns)
        self._ask(mono_ns)

    def tick(self, mono_ns: int) -> None:
        """Let time pass: ask again for what did not come."""
        if self.session.state not in _ASKING:
            return
        if self._list_asked_ns is not None and mono_ns - self._list_asked_ns >= LIST_TIME_NS:
            self._ask_list(mono_ns)
        for wanted in self._wanted.values():
            if wanted.asked_ns is not None and mono_ns - wanted.asked_ns >= SNAPSHOT_TIME_NS:
                wanted.asked_ns = None
                self._later(wanted, mono_ns)
            if wanted.retry_at_ns is not None and mono_ns >= wanted.retry_at_ns:
                wanted.retry_at_ns = None
                self._queue.append(wanted.symbol)
        self._ask(mono_ns)

    @property
    def settled(self) -> bool:
        """Whether the list is in and no request is open: every wanted symbol has its book or its refusal."""
        asked = any(wanted.asked_ns is not None for wanted in self._wanted.values())
        return self._listed_once and not self._queue and not asked

    def _begin(self, wall_ns: int, mono_ns: int) -> None:
        self._wanted.clear()
        self._queue.clear()
        self.rejected.clear()
        # Unique within a session and across them: the second at which it began, and a counter.
        self._id_stem, self._ids = f"{wall_ns // values.SECOND_NS:x}", 0
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

    def _listed(self, symbols: tuple[str, ...]) -> None:
        self._list_asked_ns = None
        chosen = symbols if self.symbols == (ALL_SYMBOLS,) else self.symbols
        listed = frozenset(symbols)
        self.unknown = tuple(symbol for symbol in chosen if symbol not in listed)
        if self.unknown and not self._listed_once:
            raise _unknown(self.unknown[0], symbols)
        self._listed_once = True
        for symbol in chosen:
            if symbol in listed and symbol not in self._wanted:
                self._wanted[symbol] = _Wanted(symbol)
                self._queue.append(symbol)

    def _arrived(self, symbol: str, mono_ns: int) -> None:
        wanted = self._wanted.get(symbol)
        if wanted is not None:
            wanted.asked_ns = None
            wanted.retry_at_ns = None
            wanted.good_since_ns = mono_ns

    def _suspect(self, symbol: str, mono_ns: int) -> None:
        wanted = self._wanted.get(symbol)
        if wanted is None or wanted.asked_ns is not None or wanted.retry_at_ns is not None or symbol in self._queue:
            return
        if mono_ns - wanted.good_since_ns >= CALM_NS:
            wanted.attempts = 0
        self._later(wanted, mono_ns)

    def _refused(self, finding: SubscriptionRejected, mono_ns: int) -> None:
        wanted = self._wanted.get(finding.symbol)
        if wanted is None or wanted.md_req_id != finding.md_req_id:
            return
        wanted.asked_ns = None
        wanted.md_req_id = None
        if finding.reason == DUPLICATE_MD_REQ_ID:
            self._later(wanted, mono_ns)
        else:
            self.rejected[finding.symbol] = finding.text or f"MDReqRejReason(281) {finding.reason}"

    def _later(self, wanted: _Wanted, mono_ns: int) -> None:
        """Ask again: at once the first time, then after 1, 2, 4 … s."""
        delay_ns = min(values.SECOND_NS << (wanted.attempts - 1), RETRY_NS_LIMIT) if wanted.attempts else 0
        wanted.attempts = min(wanted.attempts + 1, 16)
        wanted.retry_at_ns = mono_ns + delay_ns
        if not delay_ns:
            wanted.retry_at_ns = None
            self._queue.append(wanted.symbol)

    def _ask(self, mono_ns: int) -> None:
        if not self.session.takes_requests or not self._queue:
            return
        outstanding = sum(1 for wanted in self._wanted.values() if wanted.asked_ns is not None)
        while self._queue and outstanding < OUTSTANDING_LIMIT:
            wanted = self._wanted[self._queue.popleft()]
            if wanted.md_req_id is not None:
                self._send(MarketDataRequest(wanted.md_req_id, wanted.symbol, self.depth, subscribe=False))
            wanted.md_req_id = self._next_id("M")
            wanted.asked_ns = mono_ns
            self._send(MarketDataRequest(wanted.md_req_id, wanted.symbol, self.depth, subscribe=True))
            outstanding += 1

    def _send(self, request: MarketDataRequest) -> None:
        self.session.send(tags.MARKET_DATA_REQUEST, request.body())

    def _next_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}{self._ids}-{self._id_stem}"


def _unknown(symbol: str, symbols: tuple[str, ...]) -> SymbolUnknown:
    near = get_close_matches(symbol.upper(), symbols, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"use `{ALL_SYMBOLS}` or one that it lists"
    return SymbolUnknown(f"{symbol}: not among the {len(symbols)} instruments that the venue lists; {hint}")
