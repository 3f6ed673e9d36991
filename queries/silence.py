"""Silence as evidence: which seconds of a session were active, proven quiet, or unknown.

Layer: queries, over the engine. Knows which files the question needs; the question itself is `sql/silence.sql`.
Source: design section 6: numbered heartbeats and messages make silence evidence.
"""

from typing import Final

import duckdb

from queries.engine import Engine
from queries.times import NS_MAX, Window

SESSION_NS_LIMIT: Final = 26 * 3600 * 10**9  # The daily roll-over ends every session; with room for late clocks.
HEARTBEATS: Final = 3  # Without any number for so many intervals, no session goes on.
HEARTBEAT_S: Final = 60  # Where no logon says another.
_SECOND_NS: Final = 10**9


def silence(engine: Engine, symbol: str | None, bounds: Window) -> duckdb.DuckDBPyRelation:
    """Return runs of seconds of each session, by time; a symbol's quiet needs a book that stands as well.

    Sessions are judged whole: events are read as far around the window as a session can reach, messages as far behind
    it as silence can last.
    """
    events = engine.files(
        "events", start_ns=max(bounds.start_ns - SESSION_NS_LIMIT, 0), end_ns=_later(bounds.end_ns, SESSION_NS_LIMIT)
    )
    ((longest,),) = engine.ask("heartbeat_longest", {"events": events}, {}).fetchall()
    margin_ns = HEARTBEATS * int(longest or HEARTBEAT_S) * _SECOND_NS
    messages = engine.files("messages", start_ns=bounds.start_ns, end_ns=_later(bounds.end_ns, margin_ns))
    return engine.ask("silence", {"messages": messages, "events": events}, {"symbol": symbol, **bounds._asdict()})


def _later(ns: int, by_ns: int) -> int:
    return min(ns, NS_MAX - by_ns) + by_ns
