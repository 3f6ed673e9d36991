"""Silence as evidence: which seconds of a session were active, proven quiet, or unknown.

Layer: queries, over the engine. Knows which files the question needs; the question itself is `sql/silence.sql`.
Source: design section 6: numbered heartbeats and messages make silence evidence.

The numbers of all messages of a day are too many to read for it. Only the last one before each of a few moments counts,
so reading begins shortly before the earliest of them, and earlier only where that turns out not to suffice.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import duckdb

from queries.engine import Engine
from queries.times import NS_MAX, Window
from storage.lake import FileInfo

SESSION_NS_LIMIT: Final = 26 * 3600 * 10**9  # The daily roll-over ends every session; with room for late clocks.
HEARTBEATS: Final = 3  # Without any number for so many intervals, no session goes on.
HEARTBEAT_S: Final = 60  # Where no logon says another.
SESSION_PARTS: Final[Mapping[str, str]] = {
    "numbered": "part_numbered",
    "lives": "part_lives",
    "windows": "part_windows",
    "unbelieved": "part_unbelieved",
}
SILENCE_PARTS: Final[Mapping[str, str]] = {**SESSION_PARTS, "silence": "silence"}
_SECOND_NS: Final = 10**9


class Sources(NamedTuple):
    """What the parts of silence are read from."""

    files: dict[str, list[FileInfo]]
    parameters: dict[str, object]


def silence(engine: Engine, symbol: str | None, bounds: Window) -> duckdb.DuckDBPyRelation:
    """Return runs of seconds of each session, by time; a symbol's quiet needs a book that stands as well."""
    files, parameters = silence_sources(engine, symbol, bounds)
    return engine.ask("silence", files, parameters, parts=SESSION_PARTS)


def silence_sources(engine: Engine, symbol: str | None, bounds: Window) -> Sources:
    """Return the files and parameters of SILENCE_PARTS.

    Sessions are judged whole: events are read as far around the window as a session can reach, messages as far around
    it as silence can last.
    """
    events = engine.files(
        "events", start_ns=max(bounds.start_ns - SESSION_NS_LIMIT, 0), end_ns=_later(bounds.end_ns, SESSION_NS_LIMIT)
    )
    ((longest,),) = engine.ask("heartbeat_longest", {"events": events}, {}).fetchall()
    margin_ns = HEARTBEATS * int(longest or HEARTBEAT_S) * _SECOND_NS
    earliest_ns = max(bounds.start_ns - margin_ns, 0)
    messages = engine.files("messages", start_ns=earliest_ns, end_ns=_later(bounds.end_ns, margin_ns))
    until_ns = min(bounds.end_ns, max((file.last_ns for file in messages), default=0))
    asked: dict[str, object] = {"start_ns": bounds.start_ns, "until_ns": until_ns}
    moments = engine.ask("silence_moments", {"events": events}, asked, parts={"told": "part_told"}).fetchall()[0]
    for moment_ns in moments:
        numbers_ns = max((moment_ns or 0) - margin_ns, earliest_ns)
        read = {"events": events, "messages": [file for file in messages if file.last_ns >= numbers_ns]}
        tried = {**asked, "end_ns": bounds.end_ns, "numbers_ns": numbers_ns}
        parts = {"numbered": "part_numbered", "told": "part_told"}
        ((unheard,),) = engine.ask("silence_unheard", read, tried, parts=parts).fetchall()
        if not unheard:
            break
    else:
        numbers_ns = earliest_ns
    return Sources(
        {"messages": messages, "events": events},
        {"symbol": symbol, "numbers_ns": numbers_ns, **bounds._asdict()},
    )


def _later(ns: int, by_ns: int) -> int:
    return min(ns, NS_MAX - by_ns) + by_ns
