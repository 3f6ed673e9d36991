"""Sessions told by hand: rows of the tables `messages` and `events`."""

from typing import Any

from lake_rows import SECOND, add

from capture.columns import NULL, Columns

DAY = 1_795_348_500 * SECOND  # A whole second.


class Told:
    """Rows of the tables `messages` and `events`; times are seconds since the beginning."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.session = "S1"

    def event(self, at: float, kind: str, seq: int | None = None, **values: Any) -> "Told":
        """An event; from and to are given in seconds too."""
        bounds = {name: ns(values.pop(name)) for name in ("from_ns", "to_ns") if name in values}
        add(
            self.columns,
            "events",
            **{
                "receive_ns": ns(at),
                "session_id": self.session,
                "kind": kind,
                "msg_seq_num": NULL if seq is None else seq,
                "from_ns": ns(at),
                "to_ns": ns(at),
                **bounds,
                **values,
            },
        )
        return self

    def message(self, at: float, seq: int, symbol: str = "BTC/USD") -> "Told":
        """An application message."""
        add(
            self.columns, "messages", receive_ns=ns(at), session_id=self.session, msg_seq_num=seq, symbol=symbol,
        )  # fmt: skip
        return self

    def open(self, at: float, heartbeat_s: int = 60) -> "Told":
        """Connect and log on at once."""
        return self.event(at, "connect").event(at, "logon", 1, count=heartbeat_s)


def ns(seconds: float) -> int:
    """A moment."""
    return DAY + round(seconds * SECOND)
