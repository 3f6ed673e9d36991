"""Silence computed second by second from all rows of a tape: slow, and plain enough to be believed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lake_rows import SECOND

from queries.silence import HEARTBEATS

Row = Mapping[str, Any]  # Of `events` or `messages`, as stored.

NUMBERED = {"logon", "heartbeat", "proof", "resend_request", "reject", "rejected"}
QUIET, ACTIVE, UNKNOWN = "quiet", "active", "unknown"


class Life(NamedTuple):
    begin_ns: int
    end_ns: int
    last_ns: int  # Of its last number.


class Broken(NamedTuple):
    session: str
    from_ns: int
    found_ns: int
    to_ns: int
    is_lost: bool


class Heard:
    """What is known of each second of each session in a window, from `start_ns` to before `end_ns`."""

    def __init__(self, events: list[Row], messages: list[Row], symbol: str | None, start_ns: int, end_ns: int) -> None:
        self._events = [row for row in events if row["session_id"] is not None]
        self._symbol, self._start_ns, self._end_ns = symbol, start_ns, end_ns
        longest_s = max((row["count"] for row in events if row["kind"] == "logon"), default=None) or 60
        margin_ns = HEARTBEATS * longest_s * SECOND
        numbered = [row for row in events if row["kind"] in NUMBERED and row["receive_ns"] >= start_ns]
        if any(row["receive_ns"] < end_ns + margin_ns for row in messages):  # Else the file of them is not read.
            numbered += [row for row in messages if row["receive_ns"] >= start_ns - margin_ns]
        self._numbers = defaultdict(list)
        for row in numbered:
            if row["msg_seq_num"] is not None:
                self._numbers[row["session_id"]].append((row["receive_ns"], row["msg_seq_num"]))
        self._spoken = [row for row in messages if symbol is None or row["symbol"] == symbol]
        self._lives = dict(self._told_lives())
        self.states = self._judged()

    def known(self) -> dict[int, bool]:
        """Seconds of which some session knows all, but the last of each session; whether something came in them."""
        last = {session: max(of_session, default=None) for session, of_session in self.states.items()}
        found: dict[int, bool] = defaultdict(bool)
        for session, of_session in self.states.items():
            for second, state in of_session.items():
                if state != UNKNOWN and second != last[session]:
                    found[second] |= state == ACTIVE
        return dict(found)

    def _of(self, session: str, *kinds: str, symbol: str | None = None) -> list[Row]:
        return [
            row
            for row in self._events
            if row["session_id"] == session and row["kind"] in kinds and (symbol is None or row["symbol"] == symbol)
        ]

    def _told_lives(self) -> Iterable[tuple[str, Life]]:
        for session in {row["session_id"] for row in self._events}:
            logons = self._of(session, "logon")
            if not logons:
                continue
            begin_ns = min(row["receive_ns"] for row in logons)
            numbers = self._numbers[session]
            last_ns = max((ns for ns, _ in numbers), default=begin_ns)
            most = max((seq for _, seq in numbers), default=0)
            logouts = [row["receive_ns"] for row in self._of(session, "logout") if (row["msg_seq_num"] or 0) > most]
            told_ns = max(row["receive_ns"] for row in self._events if row["session_id"] == session)
            if logouts:
                yield session, Life(begin_ns, min(logouts), min(logouts))
            else:
                yield session, Life(begin_ns, max(told_ns, last_ns if numbers else 0), last_ns)

    def _before(self, session: str, ns: int, seq: int | None) -> int:
        earlier = [at for at, number in self._numbers[session] if at <= ns and (seq is None or number < seq)]
        return max(earlier, default=ns)

    def _breaks(self) -> Iterable[Broken]:
        for row in self._events:
            session, found_ns, seq = row["session_id"], row["receive_ns"], row["msg_seq_num"]
            if row["kind"] in {"sequence_reset", "rollover"}:
                yield Broken(session, self._before(session, found_ns, None), found_ns, found_ns, is_lost=True)
            if row["kind"] == "gap" and session in self._lives:
                closed = [
                    it["receive_ns"]
                    for it in self._of(session, "gap_closed")
                    if it["receive_ns"] >= found_ns and it["msg_seq_num"] >= seq
                ]
                to_ns = min(closed, default=self._lives[session].end_ns)
                over = self._of(session, "gap_fill", "sequence_reset")
                is_lost = not closed or any(found_ns <= it["receive_ns"] <= to_ns for it in over)
                yield Broken(session, self._before(session, found_ns, seq), found_ns, to_ns, is_lost)

    def _unbelieved(self, session: str, life: Life) -> Iterable[tuple[int, int]]:
        """Stretches in which the symbol has no book."""
        snapshots = [row["receive_ns"] for row in self._of(session, "snapshot", symbol=self._symbol)]
        yield life.begin_ns, min(snapshots, default=life.end_ns)
        for fall in self._of(session, "mismatch", "suspect", "unsubscribe", symbol=self._symbol):
            ns = fall["receive_ns"]
            is_stop = fall["kind"] == "unsubscribe"
            by_ns = ns if is_stop or (fall["kind"] == "suspect" and fall["msg_seq_num"] is None) else fall["from_ns"]
            mends = self._of(session, "snapshot" if is_stop else "healed", symbol=self._symbol)
            mended = min((it for it in mends if it["receive_ns"] >= ns), key=lambda it: it["receive_ns"], default=None)
            if mended is None:
                yield max(by_ns, life.begin_ns), life.end_ns
            elif mended["text"] != "by resend":
                yield max(by_ns, life.begin_ns), mended["receive_ns"]

    def _judged(self) -> dict[str, dict[int, str]]:
        breaks = list(self._breaks())
        found = {}
        for session, life in self._lives.items():
            if life.end_ns < self._start_ns or life.begin_ns >= self._end_ns:
                continue
            first = max(life.begin_ns, self._start_ns) // SECOND
            seconds = dict.fromkeys(range(first, min(life.end_ns, self._end_ns - 1) // SECOND + 1), QUIET)
            spoken = [row["receive_ns"] for row in self._spoken if row["session_id"] == session]
            mine = [it for it in breaks if it.session == session]
            active = [(ns, ns) for ns in spoken]
            active += [
                (it.from_ns, it.to_ns)
                for it in mine
                if not it.is_lost and any(it.found_ns <= ns <= it.to_ns for ns in spoken)
            ]
            unknown = [(it.from_ns, it.to_ns) for it in mine if it.is_lost]
            if life.last_ns < life.end_ns:
                unknown.append((life.last_ns, life.end_ns))
            if self._symbol is not None:
                unknown += self._unbelieved(session, life)
            for stretches, state in ((active, ACTIVE), (unknown, UNKNOWN)):
                for from_ns, to_ns in stretches:
                    for second in range(from_ns // SECOND, to_ns // SECOND + 1) if from_ns <= to_ns else ():
                        if second in seconds:
                            seconds[second] = state
            found[session] = seconds
        return found
