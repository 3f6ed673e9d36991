"""A small tape on which nothing is wrong, to which a test adds one fault."""

from pathlib import Path
from typing import Any

from lake_maker import make_lake
from lake_rows import SECOND, add, add_change, add_snapshot
from told import DAY, Told, ns

from capture.columns import Side, Verdict
from queries.quality.report import Report
from queries.tape import Tape

DATE = "2026-11-22"  # Of told.DAY, 11:55 UTC.
BTC, ETH = "BTC/USD", "ETH/USD"
LEVELS = [(Side.OFFER, 280130 + 10 * it, 5) for it in range(12)] + [(Side.BID, 280030 - 10 * it, 5) for it in range(12)]


class Play(Told):
    """Told, with rows of every table, numbered by itself; a symbol's messages come half a second apart."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = 1

    def started(self, at: float = 0.0, *symbols: str) -> "Play":
        """Log on, subscribe and take snapshots."""
        self.open(at)
        self.seq = 1
        for symbol in symbols or (BTC, ETH):
            self.event(at + 0.1, "subscribe", 2, symbol=symbol, count=100, text="M1-0")
            self.snapshot(at + 0.2, symbol)
        return self

    def snapshot(self, at: float, symbol: str = BTC, levels: list[tuple[Side, int, int]] = LEVELS) -> "Play":
        """A snapshot arrives."""
        self.event(at, "snapshot", self._next(), symbol=symbol, count=len(levels))
        add_snapshot(
            self.columns,
            seq=self.seq,
            at=ns(at),
            levels=levels,
            symbol=symbol,
            session_id=self.session,
            sending_ms=ns(at) // 10**6 - 7,
        )
        return self

    def change(self, at: float, symbol: str = BTC, **values: Any) -> "Play":
        """A refresh of one level, verified."""
        add_change(
            self.columns, seq=self._next(), at=ns(at), checksum=17, symbol=symbol, session_id=self.session,
            sending_ms=ns(at) // 10**6 - 7, price=280040, **values,
        )  # fmt: skip
        return self

    def judged(self, at: float, symbol: str = BTC, **values: Any) -> "Play":
        """A message with another verdict, flag or time."""
        row = {"session_id": self.session, "sending_ms": ns(at) // 10**6 - 7, "msg_seq_num": self._next()}
        add(self.columns, "messages", **{**row, "receive_ns": ns(at), "symbol": symbol, **values})
        return self

    def mismatch(self, at: float, since: float, symbol: str = BTC) -> "Play":
        """A checksum that does not agree, and the event that tells it."""
        self.judged(at, symbol, verdict=Verdict.MISMATCH, checksum_received=1, checksum_computed=2, flags=5)
        return self.event(at, "mismatch", self.seq, symbol=symbol, from_ns=since, text=f"{symbol}: checksum mismatch")

    def quote(self, at: float, bid: int, offer: int, symbol: str = BTC, **values: Any) -> "Play":
        """A change of the top of the book."""
        row = {"receive_ns": ns(at), "session_id": self.session, "msg_seq_num": self._next(), "symbol": symbol}
        add(self.columns, "quotes", **{**row, "bid_price": bid, "offer_price": offer, **values})
        return self

    def trade(self, at: float, price: int, symbol: str = BTC, **values: Any) -> "Play":
        """A trade."""
        row = {"receive_ns": ns(at), "session_id": self.session, "msg_seq_num": self._next(), "symbol": symbol}
        add(self.columns, "trades", **{**row, "price": price, **values})
        return self

    def beat(self, at: float) -> "Play":
        """A heartbeat."""
        self.event(at, "heartbeat", self._next())
        return self

    def stopped(self, at: float) -> "Play":
        """The recorder is stopped: a proof, a Logout of ours, the end."""
        self.event(at, "heartbeat", self._next()).event(at, "proof", self.seq)
        self.event(at, "logout", self._next(), expected="by us").event(at, "disconnect", text="logged out")
        return self

    def lost(self, at: float, text: str = "no answer to a TestRequest") -> "Play":
        """The line ends."""
        self.event(at, "disconnect", text=text)
        return self

    def report(self, root: Path, **options: Any) -> Report:
        """Write the tape and check it."""
        return report_of(make_lake(root, self.columns), **options)

    def _next(self) -> int:
        self.seq += 1
        return self.seq


def report_of(root: Path, date: str = DATE, *, full: bool = True) -> Report:
    """Check a tape."""
    with Tape(root) as tape:
        return tape.quality(date, full=full)


def told_by(
    report: Report, check: str, *, of: str = "warning error"
) -> list[tuple[str, str | None, float, float, int]]:
    """Severity, symbol, from, to and count of a check's findings; times are seconds since the beginning."""
    return [
        (it.severity.value, it.symbol, (it.from_ns - DAY) / SECOND, (it.to_ns - DAY) / SECOND, it.count)
        for it in report.findings
        if it.check == check and it.severity.value in of.split()
    ]


def alarmed(report: Report) -> set[str]:
    """Which checks found anything above info."""
    return {it.check for it in report.findings if it.severity.value != "info"}


def clean() -> Play:
    """A session of a hundred seconds of two symbols, on which nothing is wrong; neither beaten nor stopped yet."""
    play = Play().started()
    for second in range(1, 61):
        play.quote(second, 280030, 280130).change(second).change(second + 0.5, ETH)
    return play.trade(30.2, 280130).beat(90)
