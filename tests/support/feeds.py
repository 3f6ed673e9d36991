"""A feed and a follower of it by the slow lane, told the same facts; rows as dictionaries."""

from collections.abc import Mapping
from typing import Any

from fix import CLIENT, SECOND, T0, VENUE, decoded, frame, listing, refresh, snapshot

from capture.book.book import BookState
from capture.columns import NO_NAME, NULL, Columns, Flag, Names, Table
from capture.feed import Feed
from capture.findings import Finding
from capture.market.requests import LEVEL_2, MarketDataRequest
from capture.session.rollover_window import KRAKEN_ROLLOVER
from capture.session.session import Role, Session, SessionSettings
from capture.sinks import Connection, Position
from capture.wire.message import Message, parse

CONNECTION = Connection("venue.example", "10.0.0.1", 40000, "10.0.0.2", 4000, CLIENT, VENUE, "TLSv1.3")
LEVELS = ("offer 101.0 1", "offer 102.0 2", "bid 100.0 1", "bid 99.0 2")
LIST = listing("BTC/USD", "ETH/USD")
Row = dict[str, Any]


def flags(row: Row) -> Flag:
    """Return the flags of a row."""
    return Flag(row["flags"])


def rows_of(columns: Columns) -> dict[str, list[Row]]:
    """Return the rows of each table, names decoded and nulls as None."""
    return {name: decoded_rows(table, columns.names) for name, table in columns.tables().items()}


def decoded_rows(table: Table, names: Mapping[str, Names]) -> list[Row]:
    """Return the rows of a table, names decoded and nulls as None."""
    decoded = []
    for column, kind in table.layout:
        values: Any = table.columns[column]
        if kind in names:
            decoded.append([None if code == NO_NAME else names[kind].values[code] for code in values])
        else:
            decoded.append([None if value == NULL else value for value in values])
    columns_of = [column for column, _ in table.layout]
    return [dict(zip(columns_of, row, strict=True)) for row in zip(*decoded, strict=True)]


class FeedPlay:
    """A live feed, its follower that takes every message by the slow lane, and the clock that both are told."""

    def __init__(self) -> None:
        self.session, follower = (
            Session(
                SessionSettings(
                    Role.INITIATOR, CLIENT.encode(), VENUE.encode(), rollover=KRAKEN_ROLLOVER, answers=answers
                )
            )
            for answers in (True, False)
        )
        self.feed, self._follower = Feed(self.session), Feed(follower, fast=False)
        self.now_ns = T0
        self.findings: list[Finding] = []
        self._their_next = 1
        self._received = 0
        self._tables: dict[str, list[Row]] = {}

    # Facts.

    def open(self, *, listed: str | None = None) -> None:
        """Connect and log on; with a list, take it."""
        self._their_next = 1
        self._each("opened", self.now_ns, self.mono_ns, CONNECTION)
        self.flush()
        self.venue("35=A 98=0 108=60 141=Y")
        if listed is not None:
            self.venue(listed)

    def venue(self, *texts: str, seq: int | None = None) -> None:
        """The venue sends messages in one read."""
        data = b""
        for text in texts:
            number = self._their_next if seq is None else seq
            data += frame(text, seq=number, at_ns=self.now_ns)
            if " 43=Y" not in text:
                self._their_next = number + 1
        self.bytes(data)

    def bytes(self, *reads: bytes) -> None:
        """Bytes come in, read by read."""
        for data in reads:
            position = Position("segment", self._received)
            self._each("received", self.now_ns, self.mono_ns, data, position)
            self._received += len(data)
        self.flush()

    def subscribe(self, md_req_id: str, symbol: str = "BTC/USD", *, depth: int = 10, level: int = LEVEL_2) -> None:
        """We ask for a symbol."""
        self.session.send(b"V", MarketDataRequest(md_req_id, symbol, depth, subscribe=True, level=level).body())
        self.flush()

    def unsubscribe(self, md_req_id: str, symbol: str = "BTC/USD", *, depth: int = 10) -> None:
        """We stop asking for it."""
        self.session.send(b"V", MarketDataRequest(md_req_id, symbol, depth, subscribe=False).body())
        self.flush()

    def close(self, reason: str = "closed by the venue") -> None:
        """The connection ends."""
        self._each("closed", self.now_ns, reason)
        self.findings += self.feed.take_findings()

    def after(self, seconds: float) -> int:
        """Time passes without a tick; return the time since."""
        self.now_ns += round(seconds * SECOND)
        return self.now_ns

    def flush(self) -> list[Message]:
        """Send what is due; return it."""
        sent = []
        while (data := self.session.next_frame(self.now_ns)) is not None:
            sent.append(parse(data))
            self._each("sent", self.now_ns, self.mono_ns, data)
        self.findings += self.feed.take_findings()
        return sent

    @property
    def mono_ns(self) -> int:
        """The monotonic clock, which began with the wall clock of the first connection."""
        return self.now_ns - T0

    def _each(self, fact: str, *told: Any) -> None:
        for feed in (self.feed, self._follower):
            getattr(feed, fact)(*told)

    def proven(self, *entries: str) -> str:
        """Return a refresh of M1 with the checksum that will be right."""
        subscription = self.feed.books.subscriptions["M1"]
        book = subscription.book
        assert book is not None
        twin = subscription.empty_book(book.instrument)
        twin.take_over(book)
        twin.state = BookState.LIVE
        twin.refresh(decoded(refresh(*entries), level=subscription.request.level))
        return refresh(*entries, checksum=twin.checksum())

    def follow(self) -> None:
        """A copy of the feed, taken now, is the follower from here on."""
        self.rows("events")
        self._follower = self.feed.follower()

    # What comes of it.

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table so far; the follower's are the same."""
        live, followed = rows_of(self.feed.take_columns()), rows_of(self._follower.take_columns())
        assert live == followed, "a follower told the same facts made other rows by the slow lane"
        for name, rows in live.items():
            self._tables.setdefault(name, []).extend(rows)
        return self._tables[table]

    def events(self, *kinds: str) -> list[Row]:
        """Return the events of these kinds, in order."""
        return [row for row in self.rows("events") if row["kind"] in kinds]

    def found(self, kind: type) -> list[Finding]:
        """Return the findings of a type since the last call, and forget all others too."""
        found = [finding for finding in self.findings if isinstance(finding, kind)]
        self.findings.clear()
        return found


def standing() -> FeedPlay:
    """Return a feed with one subscription, M1 of BTC/USD, whose snapshot is in."""
    play = FeedPlay()
    play.open(listed=LIST)
    play.subscribe("M1")
    play.venue(snapshot(*LEVELS))
    return play
