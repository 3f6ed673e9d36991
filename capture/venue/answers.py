"""What the venue answers to a request: lists (35=y), status (35=h), and each way of refusing.

Layer: venue. One for a connection. Source: venue reference 3.6, 3.7, 4.1 to 4.4 and 4.9.
Left to others: what is listed (`venue.listing`), and streams (`venue.acceptor`).
"""

from dataclasses import dataclass, field
from typing import Final

from capture.session.session import Session
from capture.venue.listing import Listing
from capture.venue.settings import VenueSettings
from capture.venue.source import VENUE_DEPTHS
from capture.wire import tags, values
from capture.wire.message import Field, Message

SUBSCRIPTIONS_LIMIT: Final = 10_000
REQUESTS_LIMIT: Final = 1_000  # For updates of the list or of the status, on one connection.
TRADING_SESSION: Final = b"SESSION"
_SECURITY_TYPE: Final = 167
_SPOT: Final = b"CASH"
_SNAPSHOT, _SUBSCRIBE, _UNSUBSCRIBE = b"0", b"1", b"2"  # SubscriptionRequestType(263)
_ONE, _BY_TYPE, _ALL = b"0", b"1", b"4"  # InstrumentListRequestType(559)
_BOOK: Final = frozenset({b"0", b"1"})
_TRADES: Final = frozenset({b"2"})
_ENTRY_TYPES: Final = (_BOOK, _TRADES, _BOOK | _TRADES)  # Bid and offer come only as a pair.
_NAMES: Final = {
    tags.MD_REQ_ID: "MDReqID", tags.SUBSCRIPTION_REQUEST_TYPE: "SubscriptionRequestType",
    tags.MARKET_DEPTH: "MarketDepth", tags.NO_MD_ENTRY_TYPES: "NoMDEntryTypes", tags.MD_ENTRY_TYPE: "MDEntryType",
    tags.NO_RELATED_SYM: "NoRelatedSym", tags.SYMBOL: "Symbol", tags.SECURITY_REQ_ID: "InstrumentReqID",
    tags.SECURITY_LIST_REQUEST_TYPE: "InstrumentListRequestType", tags.TRAD_SES_REQ_ID: "TradSesReqID",
    tags.TRADING_SESSION_ID: "TradingSessionID",
}  # fmt: skip


class Refused(Exception):
    """A message that lacks a field or bears one that cannot be read: answered by 35=3."""

    def __init__(self, tag: int, reason: int, text: str) -> None:
        super().__init__(text)
        self.tag, self.reason, self.text = tag, reason, text


class Rejected(Exception):
    """A MarketDataRequest that is answered by 35=Y."""

    def __init__(self, reason: bytes, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


@dataclass(frozen=True, slots=True)
class Wanted:
    """A MarketDataRequest (35=V) that is well formed."""

    md_req_id: str
    symbols: tuple[str, ...]
    depth: int
    entry_types: frozenset[bytes]
    subscribe: bool
    orders: bool  # Level 3: an entry for each order.


@dataclass(slots=True)
class Answers:
    """Answers one client's requests, and remembers what it is to be told about later."""

    session: Session
    listing: Listing
    settings: VenueSettings
    _list_ids: list[tuple[bytes, str | None]] = field(default_factory=list)  # With the one symbol asked for, if one.
    _status_ids: list[bytes] = field(default_factory=list)
    _seen_ids: set[bytes] = field(default_factory=set)

    # The list.

    def security_list(self, message: Message) -> None:
        """Answer 35=x."""
        request_id = self._need_id(message, tags.SECURITY_REQ_ID)
        kind = self._need(message, tags.SECURITY_LIST_REQUEST_TYPE)
        subscription = message.get(tags.SUBSCRIPTION_REQUEST_TYPE) or _SNAPSHOT
        if subscription == _UNSUBSCRIBE:
            self._list_ids = [it for it in self._list_ids if it[0] != request_id]
            return
        result, symbols, text = b"0", self.listing.symbols, ""
        if kind == _ONE:
            symbol = self._need(message, tags.SYMBOL).decode("utf-8", "backslashreplace")
            symbols = [symbol]
            if not self.listing.is_listed(symbol):
                result, text = b"2", f"Unknown symbol: {symbol}"
        elif kind == _BY_TYPE:
            if message.get(_SECURITY_TYPE) != _SPOT:
                result, text = b"2", f"No instruments of SecurityType: {message.text(_SECURITY_TYPE)}"
        elif kind != _ALL:
            result, text = b"1", f"Unsupported InstrumentListRequestType: {message.text(559)}"
        if subscription not in {_SNAPSHOT, _SUBSCRIBE}:
            result, text = b"1", f"Unsupported SubscriptionRequestType: {subscription.decode('ascii', 'replace')}"
        if result == b"0" and subscription == _SUBSCRIBE:
            if len(self._list_ids) >= REQUESTS_LIMIT:
                result, text = b"4", f"More than {REQUESTS_LIMIT} subscriptions"
            else:
                self._list_ids.append((request_id, symbols[0] if kind == _ONE else None))
        self._send_list(request_id, symbols if result == b"0" else [], result, text)

    def instrument_changed(self, symbol: str) -> None:
        """Push a changed instrument to this client if it asked for updates."""
        if self.settings.list_updates == "none":
            return
        for request_id, only in self._list_ids:
            if only in {None, symbol}:
                whole = self.settings.list_updates == "all" and only is None
                self._send_list(request_id, self.listing.symbols if whole else [symbol], b"0", "")

    def _send_list(self, request_id: bytes, symbols: list[str], result: bytes, text: str) -> None:
        size = max(self.settings.fragment, 1)
        parts = [symbols[at : at + size] for at in range(0, len(symbols), size)] or [[]]
        for place, part in enumerate(parts):
            body: list[Field] = [
                (tags.SECURITY_REQ_ID, request_id),
                (tags.SECURITY_RESPONSE_ID, b"%d%03d" % (self.session.next_out, place)),
                (tags.SECURITY_REQUEST_RESULT, result),
            ]
            if len(parts) > 1:
                body.append((tags.TOT_NO_RELATED_SYM, b"%d" % len(symbols)))
                body.append((tags.LAST_FRAGMENT, b"Y" if place == len(parts) - 1 else b"N"))
            if part:
                body.append((tags.NO_RELATED_SYM, b"%d" % len(part)))
                body.extend(self.listing.entries(part))
            if text:
                body.append((tags.TEXT, _clean(text)))
            self.session.send(tags.SECURITY_LIST, tuple(body))

    # The status.

    def trading_status(self, message: Message) -> None:
        """Answer 35=g."""
        request_id = self._need(message, tags.TRAD_SES_REQ_ID)
        trading_session = self._need(message, tags.TRADING_SESSION_ID)
        subscription = self._need(message, tags.SUBSCRIPTION_REQUEST_TYPE)
        reason = None
        if trading_session != TRADING_SESSION:
            reason = b"1"
        elif len(request_id) > self.settings.id_limit:
            reason = b"100"
        elif subscription == _UNSUBSCRIBE:
            self._status_ids = [it for it in self._status_ids if it != request_id]
            return
        elif subscription not in {_SNAPSHOT, _SUBSCRIBE} or len(self._seen_ids) >= SUBSCRIPTIONS_LIMIT:
            reason = b"101"
        elif request_id in self._seen_ids:
            reason = b"102"
        elif subscription == _SUBSCRIBE and self._status_ids:
            reason = b"103"
        else:
            self._seen_ids.add(request_id)
            if subscription == _SUBSCRIBE:
                self._status_ids.append(request_id)
        self._send_status(request_id, trading_session, reason)

    def status_changed(self) -> None:
        """Push the venue's status to this client if it asked for updates."""
        for request_id in self._status_ids:
            self._send_status(request_id, TRADING_SESSION, None)

    def _send_status(self, request_id: bytes, trading_session: bytes, reason: bytes | None) -> None:
        status = self.listing.status if reason is None else 0
        body: list[Field] = [
            (tags.TRAD_SES_REQ_ID, request_id),
            (tags.TRADING_SESSION_ID, trading_session),
            (tags.TRAD_SES_STATUS, b"%d" % status),
        ]
        if reason is not None:
            body.append((tags.TRAD_SES_STATUS_REJ_REASON, reason))
        self.session.send(tags.TRADING_SESSION_STATUS, tuple(body))

    # Market data.

    def read_request(self, message: Message) -> Wanted:
        """Return what a V asks for. Errors: Refused where it is not well formed, Rejected for a wrong 263."""
        md_req_id = self._need_id(message, tags.MD_REQ_ID)
        kind = self._need(message, tags.SUBSCRIPTION_REQUEST_TYPE)
        if kind not in {_SUBSCRIBE, _UNSUBSCRIBE}:
            raise Rejected(b"4", f"Unsupported subscription request type: {message.text(263)}")
        depth = self._need(message, tags.MARKET_DEPTH)
        if not depth.isdigit() or len(depth) > values.DIGITS_LIMIT:
            raise Refused(tags.MARKET_DEPTH, 6, f"Incorrect data format: MarketDepth ({tags.MARKET_DEPTH})")
        groups: dict[int, list[bytes]] = {tags.MD_ENTRY_TYPE: [], tags.SYMBOL: []}
        for tag, value in message.fields:
            if tag in groups:
                groups[tag].append(value)
        for count, tag in ((tags.NO_MD_ENTRY_TYPES, tags.MD_ENTRY_TYPE), (tags.NO_RELATED_SYM, tags.SYMBOL)):
            if self._need(message, count) != b"%d" % len(groups[tag]):
                raise Refused(count, 16, f"Incorrect NumInGroup count: {_NAMES[count]} ({count})")
            self._need(message, tag)
        symbols = dict.fromkeys(it.decode("utf-8", "backslashreplace") for it in groups[tags.SYMBOL])
        entry_types = frozenset(groups[tags.MD_ENTRY_TYPE])
        return Wanted(
            md_req_id=md_req_id.decode("utf-8", "backslashreplace"),
            symbols=tuple(symbols),
            depth=int(depth),
            entry_types=entry_types,
            subscribe=kind == _SUBSCRIBE,
            orders=message.get(tags.AGGREGATED_BOOK) == b"N",
        )

    def check_request(self, message: Message, wanted: Wanted) -> None:
        """Errors: Rejected where it asks for what cannot be had of any symbol."""
        if message.get(tags.MD_UPDATE_TYPE) not in {None, b"1"}:
            raise Rejected(b"6", f"Unsupported MDUpdateType: {message.text(tags.MD_UPDATE_TYPE)}")
        if wanted.entry_types not in _ENTRY_TYPES:
            raise Rejected(b"8", "Unsupported MDEntryType")
        aggregated = message.get(tags.AGGREGATED_BOOK)
        if wanted.orders:
            if b"2" in wanted.entry_types:
                raise Rejected(b"C", "Trade not available on this request")
            if not self.settings.level_3 or not self.listing.has_orders:
                raise Rejected(b"B", "Level 3 not available")
        elif aggregated not in {None, b"Y"}:
            raise Rejected(b"A", f"Unsupported scope: {message.text(tags.AGGREGATED_BOOK)}")
        if wanted.depth not in VENUE_DEPTHS or wanted.depth == self.settings.depth_refused:
            raise Rejected(b"5", f"Unsupported market depth: {wanted.depth}")

    def check_symbol(self, symbol: str) -> None:
        """Errors: Rejected where its market data cannot be had."""
        if not self.listing.is_served(symbol):
            older = f"MarketData subscription failed due to unsupported symbol: {symbol}"
            raise Rejected(b"0", older if self.settings.reject_texts == "older" else f"Unknown symbol: {symbol}")

    # Refusals.

    def send_rejected(self, md_req_id: bytes, rejected: Rejected) -> None:
        """Send 35=Y, its fields in the order of the examples that its text is of."""
        text = (tags.TEXT, _clean(rejected.text))
        rest = ((tags.MD_REQ_ID, md_req_id), (tags.MD_REQ_REJ_REASON, rejected.reason))
        body = (text, *rest) if self.settings.reject_texts == "older" else (*rest, text)
        self.session.send(tags.MARKET_DATA_REQUEST_REJECT, body)

    def send_refused(self, message: Message, seq_num: int, refused: Refused) -> None:
        """Send 35=3."""
        body = (
            (tags.REF_SEQ_NUM, b"%d" % seq_num),
            (tags.TEXT, _clean(refused.text)),
            (tags.REF_TAG_ID, b"%d" % refused.tag),
            (tags.REF_MSG_TYPE, message.msg_type),
            (tags.SESSION_REJECT_REASON, b"%d" % refused.reason),
        )
        self.session.send(tags.REJECT, body)

    def send_unsupported(self, message: Message, seq_num: int) -> None:
        """Send 35=j for a MsgType that is none of this session's."""
        body = (
            (tags.REF_SEQ_NUM, b"%d" % seq_num),
            (tags.TEXT, b"Unsupported message type"),
            (tags.REF_MSG_TYPE, message.msg_type),
            (tags.BUSINESS_REJECT_REASON, b"3"),
        )
        self.session.send(tags.BUSINESS_MESSAGE_REJECT, body)

    def _need(self, message: Message, tag: int) -> bytes:
        value = message.get(tag)
        if not value:
            raise Refused(tag, 1 if value is None else 4, f"Missing mandatory field: {_NAMES[tag]} ({tag})")
        return value

    def _need_id(self, message: Message, tag: int) -> bytes:
        value = self._need(message, tag)
        if len(value) > self.settings.id_limit:
            text = f"Value is incorrect (out of range) for this tag: {_NAMES[tag]} ({tag})"
            raise Refused(tag, 5, text)
        return value


def _clean(text: str) -> bytes:
    """Return a text as a value: what a client sent comes back without what could end the field."""
    return text.encode("utf-8", "backslashreplace").replace(tags.SOH, b" ") or b"-"
